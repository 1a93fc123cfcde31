"""The API over a live cluster: the picture's facts, within bounds, and nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from dashboard.app.cluster_api import cluster_events, create_cluster_app, moment
from dashboard.app.cluster_book import ClusterBook
from dashboard.app.streams import MAX_LISTENERS
from scheduler.core.picture import Picture
from tests.dashboard.pictures import picture


@pytest.fixture
def book() -> ClusterBook:
    written = ClusterBook()
    written.write(picture())
    return written


def get(book: ClusterBook, path: str, **asked: str | int) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_cluster_app(book, pages=Path("nowhere")))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(f"/api/v1{path}", params=asked)

    return asyncio.run(ask())


def test_gangs_come_in_reading_order_and_may_be_chosen(book: ClusterBook) -> None:
    everything = get(book, "/cluster/gangs").json()
    assert everything["total"] == 4
    assert [one["gang"] for one in everything["rows"]] == ["train", "later", "early", "sort"]
    for asked, names in (
        ({"queue": "night"}, ["train", "later", "sort"]),
        ({"namespace": "none"}, []),
        ({"state": "running"}, ["sort"]),
        ({"q": "TEAM/TR"}, ["train"]),
        ({"limit": 1}, ["train"]),
    ):
        found = get(book, "/cluster/gangs", **asked).json()
        assert [one["gang"] for one in found["rows"]] == names


def test_one_gang_is_told_with_what_would_help(book: ClusterBook) -> None:
    told = get(book, "/cluster/gangs/slacktide/team/train").json()
    assert told["gang"]["cause"] == "NO_ROOM_NOW"
    assert told["queue"]["queue"] == "night"
    assert told["help"].startswith("running batch tasks that end")
    assert any(one.startswith("What blocks it is NO_ROOM_NOW") for one in told["sentences"])


def test_queues_nodes_and_the_moment_are_the_pictures(book: ClusterBook) -> None:
    rows = get(book, "/cluster/queues").json()["rows"]
    assert {one["queue"]: one["max_cpu_cores"] for one in rows} == {"night": None, "default": None}
    assert get(book, "/cluster/nodes", limit=1).json()["total"] == 1
    now = get(book, "/cluster").json()
    assert (now["revision"], now["cluster"]["waiting_gangs"], now["planner"]) == (1, 3, None)
    assert get(book, "/source").json() == {"kind": "cluster"}


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("/cluster/gangs/slacktide/team/none", {}, 404),
        ("/cluster/gangs", {"limit": 0}, 422),
        ("/cluster/gangs", {"limit": 100_000}, 422),
        ("/cluster/gangs", {"state": "asleep"}, 422),
        ("/cluster/gangs", {"q": "x" * 300}, 422),
        ("/cluster/gangs", {"q": "x" * 3_000}, 414),
    ],
)
def test_what_is_wrong_or_too_much_is_refused(
    book: ClusterBook, path: str, asked: dict[str, str | int], status: int
) -> None:
    assert get(book, path, **asked).status_code == status


def test_before_the_cluster_was_read_there_is_nothing_to_show() -> None:
    empty = ClusterBook()
    assert get(empty, "/cluster/gangs").status_code == 404
    assert get(empty, "/cluster").json()["at_s"] is None
    assert moment(empty.sheet()).unseen == []


def test_every_answer_has_the_security_headers(book: ClusterBook) -> None:
    answer = get(book, "/cluster/queues")
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"


def test_a_listener_is_told_of_each_new_picture_and_of_the_end(book: ClusterBook) -> None:
    async def heard() -> list[tuple[str, int]]:
        moments = cluster_events(book)
        found: list[tuple[str, int]] = []
        async for line in moments.stream():
            name, data = line.decode().strip().split("\n")
            found.append((name, json.loads(data.removeprefix("data: ")).get("revision", 0)))
            if len(found) == 1:
                book.write(picture())
            if len(found) == 2:
                moments.close()
        return found

    assert asyncio.run(heard()) == [("event: tick", 1), ("event: tick", 2), ("event: bye", 0)]


def test_too_many_listeners_are_refused(book: ClusterBook) -> None:
    async def full() -> bool:
        moments = cluster_events(book)
        streams = [moments.stream() for _ in range(MAX_LISTENERS)]
        for one in streams:
            await anext(one)
        return moments.full

    assert asyncio.run(full())


def test_a_reader_keeps_the_picture_that_it_took(book: ClusterBook) -> None:
    before: Picture | None = book.sheet().picture
    book.write(picture())
    assert book.sheet().revision == 2
    assert before is not None
    assert before == picture()
