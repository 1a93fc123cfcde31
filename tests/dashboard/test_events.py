"""Live events over a real socket: they tell what changed, and they end with the server."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from dashboard.app.runbook import RunBook
from dashboard.app.server import create_app
from dashboard.app.streams import MAX_LISTENERS
from slacktide.errors import BadInput
from slacktide.serving.http_server import HttpServer
from tests.dashboard.runs import INFO, filled, frame


def events(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_a_listener_is_told_the_clock_at_once_and_each_change_after() -> None:
    book = filled(frames=2)
    with (
        HttpServer(create_app(book)) as server,
        httpx.stream("GET", f"{server.url}/api/v1/events", trust_env=False, timeout=10) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = events(answer)
        name, first = next(told)
        assert (name, first["progress"]["state"], first["first_point"]) == ("tick", "replaying", 1)
        book.add_frame(frame(3))
        _, second = next(told)
        assert second["progress"]["revisions"]["frames"] == 3
        assert len(second["series"]["at_s"]) == 2
        book.say("finished", "Done.")
        _, third = next(told)
        assert third["progress"]["message"] == "Done."


def test_stopping_the_server_ends_open_streams_and_says_goodbye() -> None:
    server = HttpServer(create_app(filled()))
    server.start()
    with httpx.stream("GET", f"{server.url}/api/v1/events", trust_env=False, timeout=10) as answer:
        told = events(answer)
        next(told)
        stopping = threading.Thread(target=server.stop)
        begun_s = time.monotonic()
        stopping.start()
        assert list(told) == [("bye", {})]
        stopping.join()
    assert time.monotonic() - begun_s < 3.0


def test_a_server_that_has_stopped_no_longer_answers() -> None:
    with HttpServer(create_app(RunBook())) as server:
        url = server.url
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz", trust_env=False)


def test_one_listener_too_many_is_told_so_and_a_place_becomes_free() -> None:
    with HttpServer(create_app(filled())) as server, ExitStack() as open_pages:
        url = f"{server.url}/api/v1/events"
        client = open_pages.enter_context(
            httpx.Client(trust_env=False, timeout=10, limits=httpx.Limits(max_connections=None))
        )
        answers = [
            open_pages.enter_context(client.stream("GET", url)) for _ in range(MAX_LISTENERS)
        ]
        listening = [events(answer) for answer in answers]
        assert [next(told)[0] for told in listening] == ["tick"] * MAX_LISTENERS
        assert client.get(url).status_code == 503
        answers[0].close()
        deadline_s = time.monotonic() + 10
        while True:
            with client.stream("GET", url) as again:
                if again.status_code == 200:
                    break
            assert time.monotonic() < deadline_s


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"127.0.0.1:{port}.*--port"):
            HttpServer(create_app(RunBook()), port=port)


def test_frames_before_a_run_are_refused() -> None:
    with pytest.raises(ValueError, match="before the run began"):
        RunBook().add_frame(frame(1))


def test_beginning_again_leaves_nothing_of_the_run_before() -> None:
    book = filled()
    book.begin(INFO)
    page = book.page()
    assert (page.state, page.recommendations, page.queues, page.gangs) == ("training", (), (), ())
    assert page.view is not None
    assert page.view.at_s.size == 0
    assert (page.revisions.run, page.revisions.frames) == (2, 0)


def test_readers_see_whole_pages_while_a_replay_writes() -> None:
    book = RunBook()
    book.begin(INFO)

    def replay() -> None:
        for number in range(1, 2_000):
            book.add_frame(frame(number, online=number))

    writer = threading.Thread(target=replay)
    writer.start()
    seen = 0
    while writer.is_alive() or seen == 0:
        page = book.page()
        assert page.view is not None
        rows = len(page.view.at_s)
        assert rows == page.revisions.frames == len(page.view.online_cores) >= seen
        if rows:
            assert page.view.online_cores[-1].tolist() == [float(rows)] * 3
        seen = rows
    writer.join()
