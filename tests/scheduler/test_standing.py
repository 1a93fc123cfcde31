"""Where a gang stands follows from its pods alone, stage by stage."""

from __future__ import annotations

import pytest

from scheduler.adapters.pods import member_of
from scheduler.core.member import Decision, Member
from scheduler.core.members import gang_of
from scheduler.core.standing import Standing, inferred_whole, standing, to_withdraw
from scheduler.core.ways_in.order import gang_key
from scheduler.core.ways_in.shape import Groups
from slacktide.kube.objects import Pod
from tests.scheduler.boards import AT_S, NOW_S, batch_pod

LEAST = 3


def one(letter: str, index: int) -> Pod:
    """w waits, r released, b bound, d done, f failed, l leaving, y waits and is younger."""
    decision = Decision(plan="0-a-1", node="n0", tasks=LEAST, epoch=0, newest_s=AT_S)
    name, shape = f"g-{index}", {"gang": "g", "least": LEAST}
    made = {
        "w": lambda: batch_pod(name, **shape),  # type: ignore[arg-type]  # a gang's two numbers
        "y": lambda: batch_pod(name, after_s=9, **shape),  # type: ignore[arg-type]  # as above
        "r": lambda: batch_pod(name, decision=decision, **shape),  # type: ignore[arg-type]  # so
        "b": lambda: batch_pod(name, decision=decision, node="n0", **shape),  # type: ignore[arg-type]  # so
        "d": lambda: batch_pod(name, node="n0", phase="Succeeded", **shape),  # type: ignore[arg-type]  # so
        "f": lambda: batch_pod(name, node="n0", phase="Failed", **shape),  # type: ignore[arg-type]  # so
        "l": lambda: batch_pod(name, node="n0", leaving=True, **shape),  # type: ignore[arg-type]  # so
    }
    return made[letter]()


def pods(text: str) -> list[Pod]:
    return [one(letter, index) for index, letter in enumerate(text)]


def stands(text: str, *, was_whole: bool = False) -> Standing:
    there = pods(text)
    gang = gang_of(gang_key(there[0]), there, Groups(), now_s=NOW_S)
    members = {pod.metadata.uid: member_of(pod) for pod in there}
    return standing(gang, members, was_whole=was_whole)


def members(text: str) -> list[Member]:
    return [member_of(pod) for pod in pods(text)]


@pytest.mark.parametrize(
    ("text", "asks", "half", "partly", "whole"),
    [
        ("ww", "", False, False, False),
        ("www", "3 of 3", False, False, False),
        ("wwww", "3 of 4", False, False, False),
        ("rww", "2 of 2", True, False, False),
        ("bww", "2 of 2", True, True, False),
        ("brw", "1 of 1", True, True, False),
        ("rrr", "", False, False, False),
        ("brr", "", False, True, False),
        ("bbr", "", False, True, False),
        ("bbb", "", False, False, True),
        ("bbd", "", False, False, True),
        ("bbbw", "1 of 1", False, False, True),
        ("bbbww", "1 of 2", False, False, True),
        ("bbfw", "1 of 1", True, True, False),
        ("bblw", "1 of 1", True, True, False),
        ("ll", "", False, False, False),
    ],
)
def test_a_gang_stands(text: str, asks: str, half: bool, partly: bool, whole: bool) -> None:
    found = stands(text)
    said = ", ".join(f"{ask.least} of {len(ask.waiting)}" for ask in found.asks)
    assert (said, found.half, found.partly, found.whole) == (asks, half, partly, whole)


@pytest.mark.parametrize("text", ["bbw", "bfw", "blw"])
def test_what_was_whole_is_never_in_part(text: str) -> None:
    found = stands(text, was_whole=True)
    assert found.whole
    assert not found.partly
    assert not found.half


@pytest.mark.parametrize(("text", "half"), [("www", False), ("llwww", False), ("rww", True)])
def test_a_gang_that_lost_all_its_members_starts_anew(text: str, half: bool) -> None:
    found = stands(text, was_whole=True)
    assert (found.whole, found.together, found.half) == (False, True, half)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("bbb", True),
        ("bb", True),  # one was deleted, and its owner has not made another yet
        ("bby", True),  # one died and was made again
        ("bbfy", True),
        ("bbw", False),  # one was left out: it is as old as the plan
        ("bbr", False),
        ("bry", False),
        ("www", False),
        ("l", False),
    ],
)
def test_whether_a_gang_was_whole_is_inferred_after_a_restart(text: str, whole: bool) -> None:
    assert inferred_whole(members(text)) == whole


@pytest.mark.parametrize("text", ["bbrrw", "rbwbr", "bbdfl"])
def test_the_bound_are_taken_back_before_the_released(text: str) -> None:
    bound, released = to_withdraw(members(text))
    assert [len(bound), len(released)] == [text.count("b"), text.count("r")]


@pytest.mark.parametrize("left", range(3))
def test_a_withdrawal_that_was_cut_short_is_seen_to_be_one(left: int) -> None:
    """Whoever goes on after the bound were taken back in part still sees released members."""
    assert not inferred_whole(members("b" * left + "r" + "y" * (2 - left)))
