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
            "memory is not stranded beside cores that are gone",
            [
                Node("more-memory", (4, 4), (128, 128)),
                Node("more-cores", (32, 32), (16, 16)),
            ],
            Gang("g", cores=1, gib=16, for_s=DAY_S),
            {"more-memory": 1},
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
