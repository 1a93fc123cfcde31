"""A second look is seldom, and in a round it places what greedy left out."""

from __future__ import annotations

import asyncio

import pytest

from scheduler.app.second_look import EVERY_S, LONGEST_S, SecondLook
from scheduler.core.plan import plan
from tests.scheduler.boards import NOW_S, Planner, batch_pod, selling_node
from tests.scheduler.clusters import Gang, Node, World

FLEX = [selling_node("a", milli=2_000), selling_node("b", milli=3_000)]


def stuck() -> World:
    world = World([Node("a", (2.0,)), Node("b", (3.0,))])
    world.pending = [Gang("small", cores=1), Gang("big", tasks=2, cores=2, submit_s=1)]
    return world


def test_a_gang_that_greedy_leaves_out_starts_in_the_same_round() -> None:
    pods = [batch_pod("small")]
    pods += [batch_pod(f"big-{k}", gang="big", least=2, milli=2_000, after_s=1) for k in range(2)]
    planner = Planner(FLEX, pods)
    outcome = asyncio.run(planner.rounds.once(now_s=NOW_S, steady_s=0.0))
    nodes = {one.name: one.node for placed in outcome.placed for one in placed.members}
    assert nodes["small"] == "b"
    assert {nodes["big-0"], nodes["big-1"]} == {"a", "b"}


def test_a_fruitful_look_is_followed_by_another_soon() -> None:
    second, greedy = SecondLook(), plan(stuck().snapshot(), now_s=0)
    assert second.at(greedy, now_s=100.0) is not greedy
    assert second.not_before_s == 100.0 + EVERY_S
    assert second.at(greedy, now_s=100.0 + EVERY_S - 1) is greedy


def test_looks_in_vain_grow_seldom() -> None:
    world = stuck()
    world.pending = [Gang("larger", tasks=9, cores=2)]
    second, greedy, now_s = SecondLook(), plan(world.snapshot(), now_s=0), 0.0
    waits = []
    for _ in range(6):
        assert second.at(greedy, now_s=now_s) is greedy
        waits.append(second.not_before_s - now_s)
        now_s = second.not_before_s
    assert waits == pytest.approx([10, 20, 40, 80, LONGEST_S, LONGEST_S])


def test_where_nobody_was_left_out_there_is_no_look() -> None:
    world = stuck()
    world.pending = world.pending[:1]
    second, greedy = SecondLook(), plan(world.snapshot(), now_s=0)
    assert second.at(greedy, now_s=0.0) is greedy
    assert second.not_before_s == 0.0
