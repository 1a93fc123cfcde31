"""Queues as people read them: parents first, siblings by turn, and why that turn."""

from __future__ import annotations

import pytest

from scheduler.core.picture import Picture
from slacktide.contract import LABEL_QUEUE
from slacktide.kube.objects import Pod
from tests.scheduler.boards import selling_node
from tests.scheduler.seen import NOW_S, gang, queue, running, view_of

NODES = [selling_node("n0", milli=10_000), selling_node("n1", milli=10_000)]
TREE = [
    queue("all", own="12"),
    queue("night", parent="all", own="8"),
    queue("nlp", parent="all", weight=3),
    queue("vision", parent="all", weight=1),
]


def of(name: str, label: str, size: int, node: str = "") -> list[Pod]:
    if node:
        return running(name, size, node, labels={LABEL_QUEUE: label})
    return gang(name, size, labels={LABEL_QUEUE: label})


def picture(pods: list[Pod]) -> Picture:
    return view_of(NODES, pods, TREE).picture(now_s=NOW_S)


def test_a_parent_has_what_its_children_have() -> None:
    found = picture(
        [*of("a", "night", 3, "n0"), *of("b", "nlp", 4, "n1"), *of("c", "vision", 30)]
    ).queues
    rows = {one.queue: one for one in found}
    assert rows["all"].used_cpu_cores == 7
    assert rows["all"].share == pytest.approx(7 / 20)
    assert (rows["all"].running_gangs, rows["all"].waiting_gangs) == (2, 1)
    assert rows["all"].waiting_tasks == 30
    assert rows["all"].turn is None
    assert [(one.queue, one.depth, one.parent) for one in found] == [
        ("all", 0, ""),
        ("night", 1, "all"),
        ("vision", 1, "all"),
        ("nlp", 1, "all"),
        ("default", 0, ""),
    ]


def test_turns_are_told_with_what_decides_them_at_each_level() -> None:
    pods = [*of("a", "nlp", 6, "n0"), *of("b", "vision", 4, "n1")]
    for name in ("night", "nlp", "vision"):
        pods += of(f"w-{name}", name, 30)
    rows = {one.queue: one for one in picture(pods).queues}
    assert {name: rows[name].turn for name in ("night", "nlp", "vision")} == {
        "night": 1,
        "nlp": 2,
        "vision": 3,
    }
    above = "all uses 10 of the 12 cores it is guaranteed"
    assert rows["night"].why == f"{above}, then night uses 0 of the 8 cores it is guaranteed"
    assert rows["nlp"].why == f"{above}, then nlp has a share of 30.0% at weight 3"
    assert rows["vision"].why == f"{above}, then vision has a share of 20.0% at weight 1"
    assert rows["default"].why == ""


def test_whoever_is_first_by_turn_is_whom_the_planner_serves_first() -> None:
    pods = [*of("a", "nlp", 7, "n0"), *of("b", "vision", 5, "n1")]
    pods += [*of("w-nlp", "nlp", 5), *of("w-vision", "vision", 5)]
    view = view_of(NODES, pods, TREE)
    dry = view.dry_round(now_s=NOW_S)
    assert dry is not None
    served = dry.keys[dry.outcome.placements[0].gang].name
    first = min(
        (one for one in view.picture(now_s=NOW_S).queues if one.turn is not None),
        key=lambda one: one.turn or 0,
    )
    assert (first.queue, served) == ("nlp", "w-nlp")


def test_a_queue_whose_object_is_odd_says_so() -> None:
    rows = view_of(NODES, [], [queue("lost", parent="gone")]).picture(now_s=NOW_S).queues
    problems = {one.queue: one.problem for one in rows}
    assert problems["lost"] == "its parent gone is not there: it counts as one at the top"
    assert problems["default"] == ""
