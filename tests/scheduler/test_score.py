"""Where tasks go when several nodes fit."""

from __future__ import annotations

import pytest

from tests.scheduler.clusters import HOUR_S, Gang, Node, World

DAY_S = 24 * HOUR_S


def chosen(nodes: list[Node], gang: Gang) -> dict[str, int]:
    world = World(nodes, horizons_s=(HOUR_S, DAY_S), pending=[gang])
    (placement,) = world.plan().placements
    return {
        nodes[node].name: int(count)
        for node, count in zip(placement.nodes, placement.count, strict=True)
    }


@pytest.mark.parametrize(
    ("why", "nodes", "gang", "expected"),
    [
        (
            "a short gang goes where only the next hour is free",
            [Node("days", (8, 8)), Node("hour", (8, 0))],
            Gang("g", cores=4, for_s=HOUR_S),
            {"hour": 1},
        ),
        (
            "even where that node is the emptier one",
            [Node("days", (8, 8)), Node("hour", (32, 2))],
            Gang("g", cores=4, for_s=HOUR_S),
            {"hour": 1},
        ),
        (
            "and where the hour alone covers it, though some of the day is free there too",
            [Node("days", (8, 8)), Node("hour", (8, 4))],
            Gang("g", cores=4, for_s=HOUR_S),
            {"hour": 1},
        ),
        (
            "a long gang goes where the day is free",
            [Node("hour", (8, 0)), Node("days", (8, 8))],
            Gang("g", cores=4, for_s=DAY_S),
            {"days": 1},
        ),
        (
            "between nodes of one lifetime, the fuller one fills up",
            [Node("empty", (32, 32)), Node("nearly-full", (5, 5))],
            Gang("g", cores=4, for_s=DAY_S),
            {"nearly-full": 1},
        ),
        (
            "a gang spreads over as few nodes as the order allows",
            [Node("a", (4, 4)), Node("b", (4, 4)), Node("c", (4, 4))],
            Gang("g", tasks=6, cores=1, for_s=DAY_S),
            {"a": 4, "b": 2},
        ),
    ],
)
def test_tasks_go_where_they_cost_least(
    why: str, nodes: list[Node], gang: Gang, expected: dict[str, int]
) -> None:
    assert chosen(nodes, gang) == expected, why


def test_a_task_that_eats_memory_leaves_the_cores_elsewhere_theirs() -> None:
    hungry = Gang("hungry", cores=1, gib=28)
    many = Gang("many", tasks=31, cores=1, gib=2, submit_s=1)
    world = World([Node("a", (16.0,), (32.0,)), Node("b", (16.0,), (128.0,))])
    world.pending = [hungry, many]
    first, second = world.plan().placements
    assert first.nodes.tolist() == [1]
    assert second.tasks == 31


def test_memory_nobody_waits_for_may_be_left_behind() -> None:
    """An empty node is kept whole, though its cores and its memory are the better balanced."""
    world = World([Node("empty", (32.0,), (64.0,)), Node("nearly-full", (5.0,), (64.0,))])
    world.pending = [Gang("small", cores=4, gib=1), Gang("large", cores=32, gib=1, submit_s=1)]
    assert [placement.nodes.tolist() for placement in world.plan().placements] == [[1], [0]]
