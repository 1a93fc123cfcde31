"""Owners are told once for each cause, in words that never change; sentences stand on the pod."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from scheduler.app.notices import SILENT, UNREADY, Note, Notices, noted
from scheduler.app.outcome import Outcome, Unready, Waits
from scheduler.core.explain import Blocked
from scheduler.core.member import Member
from scheduler.core.ways_in.shape import Key
from slacktide.clock import SteadyClock
from slacktide.contract import ANNOTATION_REASON, ANNOTATION_RESERVED
from slacktide.kube.cache import Cache
from slacktide.kube.objects import Pod
from slacktide.kube.writing import Writer
from tests.scheduler.boards import batch_pod
from tests.scheduler.seen import view_of

GANG = Key("slacktide", "team", "g")
PATH = "/metadata/annotations/slacktide.io~1"


def notices() -> tuple[Notices, Member]:
    view = view_of([], [batch_pod("g-0", gang="g")])
    client = httpx.AsyncClient(base_url="http://nowhere")
    writer = Writer(client, clock=SteadyClock())
    found = Notices(view.board, Cache[Pod](), writer, "me")
    return found, next(iter(view.board.members(GANG)))


def due(told: Notices) -> list[tuple[Any, Any]]:
    """What is to be said, in order."""
    waiting = told._due
    found = [waiting.get_nowait() for _ in range(waiting.qsize())]
    return [(said, note) for _, said, note in found]


def test_a_gang_whose_pods_come_one_by_one_has_one_event_and_the_newest_sentence() -> None:
    told, one = notices()
    for have in (1, 2, 2, 3):
        told.of_round(Outcome(unready=(Unready(GANG, one, f"has {have} of 4 pods"),)))
    assert due(told) == [
        (UNREADY, Note("has 1 of 4 pods")),
        (SILENT, Note("has 2 of 4 pods")),
        (SILENT, Note("has 3 of 4 pods")),
    ]


def test_another_cause_is_another_event_and_another_sentence_for_the_same_is_none() -> None:
    told, one = notices()
    for blocked, reason in (
        (Blocked.NO_ROOM_NOW, "room for 3"),
        (Blocked.NO_ROOM_NOW, "room for 4"),
        (Blocked.QUEUE_AT_MAX, "at most 6"),
    ):
        told.of_round(Outcome(waits=(Waits(GANG, one, blocked, reason),)))
    messages = [(said[2], note.reason) for said, note in due(told)]
    assert messages == [
        ("other batch tasks hold the room", "room for 3"),
        ("its queue is at its maximum", "at most 6"),
    ]


@pytest.mark.parametrize(
    ("notes", "note", "expected"),
    [
        ({"a": "b"}, Note("why"), [("add", f"{PATH}reason", "why")]),
        (
            {"a": "b"},
            Note("why", 1_767_225_600),
            [("add", f"{PATH}reason", "why"),
             ("add", f"{PATH}reserved-start", "2026-01-01T00:00:00Z")],
        ),
        (
            {ANNOTATION_RESERVED: "2026-01-01T00:00:00Z"},
            Note("why"),
            [("add", f"{PATH}reason", "why"), ("remove", f"{PATH}reserved-start", None)],
        ),
        (
            {},
            Note("why", 0),
            [("add", "/metadata/annotations", {ANNOTATION_REASON: "why"}),
             ("add", f"{PATH}reserved-start", "1970-01-01T00:00:00Z")],
        ),
    ],
)  # fmt: skip
def test_a_reservation_stands_on_the_pod_as_long_as_it_is_held(
    notes: dict[str, str], note: Note, expected: list[tuple[str, str, object]]
) -> None:
    operations = noted(batch_pod("g-0", annotations=notes), note)
    assert [(one["op"], one["path"], one.get("value")) for one in operations] == expected
