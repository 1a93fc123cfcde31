"""Node agents' diaries as the API gives them: from a folder, from an address, and from liars."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.app.agent_api import create_agent_app
from dashboard.app.node_agents import AgentDiary, part_of, places
from dashboard.core.node_diary import MOST_STEPS, STEP_S, series_of
from qos_controller.adapters.ticks import Tick, TickReader
from slacktide.errors import BadInput
from tests.qos_controller.diaries import CALM, STARTED_S, ticks, write_run_dir


def get(diaries: list[AgentDiary], path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_agent_app(diaries, pages=Path("nowhere")))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(ask())


def told_by(run_dir: Path, after: int, events_after: int) -> dict[str, Any]:
    """What an agent's own door answers to /ticks."""
    reader = TickReader(run_dir / "ticks")
    ticks, events = reader.ticks(after)[:2_000], reader.events(events_after)
    names = ("monotonic_s", "unix_s", "kind", "pod", "text")
    answer = {
        "node": "node-7",
        "started_s": reader.started_s,
        "heartbeat_age_s": 0.1,
        "ticks": {
            "next": reader.counts[0] - len(reader.ticks(after)) + len(ticks),
            "columns": list(Tick.__slots__),
            "rows": [[_plain(getattr(one, name)) for name in Tick.__slots__] for one in ticks],
        },
        "events": {
            "next": reader.counts[1],
            "columns": names,
            "rows": [[getattr(one, name) for name in names] for one in events],
        },
    }
    reader.close()
    return answer


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


@contextmanager
def door(answer: Any) -> Iterator[str]:
    """An agent's port; `answer` makes a body from the query."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = dict(httpx.QueryParams(self.path.partition("?")[2]))
            status, body = answer(query)
            self.send_response(status)
            if status == 302:
                self.send_header("location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_folder_and_an_address_tell_the_same(tmp_path: Path) -> None:
    write_run_dir(tmp_path, now_s=time.monotonic() + 60, count=4_500)

    def answer(query: dict[str, str]) -> tuple[int, bytes]:
        told = told_by(tmp_path, int(query["after"]), int(query["events_after"]))
        return 200, json.dumps(told).encode()

    with door(answer) as url:
        diaries = places([str(tmp_path), url])
        assert [one["where"] for one in get(diaries, "/api/v1/agents").json()["rows"]] == [
            str(tmp_path),
            url,
        ]
        local, remote = (get(diaries, f"/api/v1/agents/{at}").json() for at in (0, 1))
    assert local["series"] == remote["series"]
    assert local["events"] == remote["events"]
    assert (remote["node"], remote["alive"], remote["problem"]) == ("node-7", True, "")
    assert local["evictions"] == 1
    assert max(one for one in local["series"]["cpu_stage"]) == 2
    assert len(local["series"]["at_s"]) == 225


def test_only_what_is_new_is_asked_for_and_a_new_beginning_is_read_whole(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(query: dict[str, str]) -> tuple[int, bytes]:
        asked.append(query["after"])
        told = told_by(tmp_path, int(query["after"]), int(query["events_after"]))
        return 200, json.dumps(told).encode()

    write_run_dir(tmp_path, now_s=100.0, count=100)
    with door(answer) as url:
        diaries = places([url])
        for _ in range(2):
            get(diaries, "/api/v1/agents/0")
        write_run_dir(tmp_path, now_s=200.0, count=50)
        get(diaries, "/api/v1/agents/0")
    assert asked == ["0", "100", "100", "0"]
    assert len(diaries[0].known()[1]) == 50


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"{", "cannot be read"),
        (200, b"[]", "no diary"),
        (200, b'{"node": 1, "started_s": {}, "ticks": 3}', "no diary"),
        (503, b"{}", "answers 503"),
        (302, b"", "answers 302"),
        (200, b" " * (5 << 20), "too large"),
    ],
)
def test_an_answer_that_is_no_diary_is_a_problem_and_not_an_error(
    status: int, body: bytes, said: str
) -> None:
    with door(lambda _: (status, body)) as url:
        view = get(places([url]), "/api/v1/agents/0").json()
    assert said in view["problem"]
    assert view["series"] is None
    assert not view["alive"]


def test_an_address_where_nobody_answers_is_a_problem() -> None:
    view = get(places(["http://127.0.0.1:1"]), "/api/v1/agents/0").json()
    assert "cannot be read" in view["problem"]


@pytest.mark.parametrize("where", ["/nowhere/at/all", "ftp://node", "unix://x"])
def test_a_place_that_is_none_is_wrong_use(where: str) -> None:
    with pytest.raises(BadInput, match="neither an http"):
        places([where])


def test_an_agent_that_was_not_named_is_not_there(tmp_path: Path) -> None:
    assert get(places([str(tmp_path)]), "/api/v1/agents/1").status_code == 404
    assert get([], "/api/v1/agents").json() == {"rows": []}
    assert get([], "/api/v1/source").json() == {"kind": "node"}


def test_columns_of_another_version_are_left_out_or_unknown() -> None:
    told = {
        "node": "n",
        "started_s": 1.0,
        "heartbeat_age_s": None,
        "ticks": {"next": 1, "columns": ["unix_s", "newer", "cpu_stage"], "rows": [[5.0, 1, 2]]},
        "events": {"next": 0, "columns": [], "rows": []},
    }
    tick = part_of(json.dumps(told).encode()).ticks[0]
    assert (tick.unix_s, tick.cpu_stage, tick.disk_stage) == (5.0, 2, 0)
    assert math.isnan(tick.quota_cores)


def test_a_step_keeps_the_worst_and_a_gap_is_unknown() -> None:
    at = STARTED_S
    series = series_of(
        [
            replace(CALM, unix_s=at, latency_s=0.5, quota_cores=1.0, cpu_stage=3),
            replace(CALM, unix_s=at + 0.1, latency_s=0.1, quota_cores=0.2, cpu_stage=0),
            replace(CALM, unix_s=at + 1.1),
        ]
    )
    assert series is not None
    assert series.latency_s == [0.5, None, 0.012]
    assert series.quota_cores == [0.2, None, 1.5]
    assert series.cpu_stage == [3.0, None, 0.0]
    assert series.disk_write_limit_bytes_per_s == [None, None, None]


@given(st.integers(1, 900), st.floats(-400, 400))
def test_the_axis_is_bounded_and_even_whatever_the_clock_does(count: int, jump_s: float) -> None:
    told = ticks(count=count, now_s=0.0)
    told[count // 2 :] = [replace(one, unix_s=one.unix_s + jump_s) for one in told[count // 2 :]]
    series = series_of(told)
    assert series is not None
    assert 0 < len(series.at_s) <= MOST_STEPS
    assert {round(b - a, 6) for a, b in zip(series.at_s, series.at_s[1:], strict=False)} <= {STEP_S}
    assert len(series.latency_s) == len(series.at_s)
