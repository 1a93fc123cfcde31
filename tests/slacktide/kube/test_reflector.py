"""However a watch is broken, the mirror ends true, and nothing is listed twice without need."""

from __future__ import annotations

import asyncio

import pytest

from slacktide.clock import SteadyClock
from slacktide.kube import reading, reflector
from slacktide.kube.cache import Cache
from slacktide.kube.objects import Pod
from slacktide.kube.reading import Resource
from slacktide.kube.reflector import Reflector
from tests.slacktide.kube.scripted import (
    CUT,
    END,
    HANG,
    STREAM,
    Answer,
    Scripted,
    chunk,
    line,
    page,
    pod,
    scripted,
    whole,
)

PODS = Resource("/api/v1/pods", Pod)
GONE = {"code": 410, "reason": "Expired", "message": "too old resource version"}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-offs and silence that a test has the patience for."""
    monkeypatch.setattr(reflector, "FIRST_BACKOFF_S", 0.005)
    monkeypatch.setattr(reading, "SILENCE_S", 0.1)


def mirrored(answers: list[Answer], wanted: dict[str, str]) -> tuple[Scripted, int]:
    """Runs a mirror until it holds these pods at these nodes: the requests made, and lists."""

    async def run() -> tuple[Scripted, int]:
        async with scripted(*answers) as (script, server), server.client() as client:
            cache: Cache[Pod] = Cache()
            mirror = Reflector(client, PODS, cache, clock=SteadyClock())
            running = asyncio.create_task(mirror.run())
            async with asyncio.timeout(5):
                while {one.metadata.name: one.spec.node_name for one in cache} != wanted:  # noqa: ASYNC110  what is waited for is a script
                    await asyncio.sleep(0.002)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return script, mirror.lists

    return asyncio.run(run())


def watch(*lines: bytes, end: bytes | str = HANG) -> Answer:
    return [STREAM, *[chunk(one) for one in lines], end]


def versions(script: Scripted) -> list[str]:
    """From where each watch was asked for."""
    found = [target.partition("resourceVersion=")[2] for target in script.asked]
    return [one.partition("&")[0] for one in found if one]


FIRST = [page(5, pod("a", 3), pod("b", 4))]


def test_events_that_come_twice_or_late_change_nothing() -> None:
    moved = line("MODIFIED", pod("a", 7, "n2"))
    late = line("MODIFIED", pod("a", 6, "n1"))
    gone = line("DELETED", pod("b", 8))
    back = line("ADDED", pod("b", 4))
    script, lists = mirrored(
        [FIRST, watch(moved, moved, late, gone, gone, back, line("ADDED", pod("c", 9)))],
        {"a": "n2", "c": ""},
    )
    assert (len(script.asked), lists) == (2, 1)


def test_a_version_that_is_forgotten_during_a_watch_is_listed_anew() -> None:
    script, lists = mirrored(
        [FIRST, watch(line("ERROR", GONE)), [page(20, pod("a", 12, "n1"))], watch()], {"a": "n1"}
    )
    assert lists == 2
    assert versions(script)[0] == "5"


def test_a_list_that_took_too_long_is_begun_anew() -> None:
    pages = [[page(5, pod("a", 3), more="next")], [whole(GONE, 410)]]
    again = [[page(9, pod("b", 8), more="next")], [page(9, pod("c", 8))]]
    _, lists = mirrored([*pages, *again, watch()], {"b": "", "c": ""})
    assert lists == 1


@pytest.mark.parametrize(
    "broken",
    [
        watch(line("ADDED", pod("c", 6)), line("ADDED", pod("d", 7))[:40], end=CUT),
        watch(line("ADDED", pod("c", 6)), b'{"type":"ADDED","object":{"meta\n'),
        watch(line("ADDED", pod("c", 6)), b"\xff\xfe\x00\n"),
        watch(line("ADDED", pod("c", 6)), b'{"kind":"Status"}\n'),
        watch(line("ADDED", pod("c", 6)), end=HANG),
        watch(line("ADDED", pod("c", 6)), end=END),
        watch(line("ADDED", pod("c", 6)), b"x" * 5_000, end=HANG),
    ],
    ids=["torn off", "no JSON", "no text", "no event", "silent", "over", "giant"],
)
def test_a_broken_watch_goes_on_from_the_last_whole_event(
    broken: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_LINE_BYTES", 1_000)
    script, lists = mirrored(
        [FIRST, broken, watch(line("ADDED", pod("d", 7)))], {"a": "", "b": "", "c": "", "d": ""}
    )
    assert lists == 1
    assert versions(script)[:2] == ["5", "6"]


def test_a_line_in_pieces_is_one_event() -> None:
    whole_line = line("ADDED", pod("c", 6)) + line("ADDED", pod("d", 7))
    pieces = [whole_line[k : k + 7] for k in range(0, len(whole_line), 7)]
    _, lists = mirrored([FIRST, watch(*pieces)], {"a": "", "b": "", "c": "", "d": ""})
    assert lists == 1


def test_an_object_of_another_shape_hides_no_other() -> None:
    odd = {"metadata": {"name": "odd", "uid": "odd", "resourceVersion": "6"}, "spec": 7}
    script, lists = mirrored(
        [
            [page(5, pod("a", 3), odd, pod("b", 4))],
            watch(line("MODIFIED", odd), end=END),
            watch(line("ADDED", pod("c", 8))),
        ],
        {"a": "", "b": "", "c": ""},
    )
    assert (versions(script), lists) == (["5", "6"], 1)


def test_a_bookmark_moves_where_the_next_watch_begins() -> None:
    mark = line("BOOKMARK", {"metadata": {"resourceVersion": "40"}})
    script, _ = mirrored(
        [FIRST, watch(mark, end=END), watch(line("ADDED", pod("c", 41)))],
        {"a": "", "b": "", "c": ""},
    )
    assert versions(script) == ["5", "40"]
