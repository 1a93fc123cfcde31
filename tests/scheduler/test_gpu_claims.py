"""Gangs with GPUs among claims: they are not moved, may be evicted, and claim nothing."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.core.member import Decision
from slacktide.contract import LABEL_QUEUE, RESOURCE_GPU_MILLI
from slacktide.kube.objects import Pod
from tests.scheduler.boards import NOW_S, batch_pod, selling_node
from tests.scheduler.evictable import Contested

NODES = [
    selling_node(f"n{k}", milli=8_000, gpus='{"count": 1, "memory": "16Gi"}') for k in range(2)
]
HALF = {RESOURCE_GPU_MILLI: "500"}


def runs(name: str, node: str, *, at_s: int = 0, gpu: bool = False, milli: int = 4_000) -> Pod:
    """A gang of one task, on half a GPU or none."""
    begun_s = int(NOW_S) - 100 + at_s
    gpus = (0,) if gpu else ()
    return batch_pod(
        name,
        gang=name,
        milli=milli,
        labels={LABEL_QUEUE: "rest"},
        node=node,
        decision=Decision("0-x-1", node, 1, 0, at_s=begun_s, gpus=gpus),
        wants=HALF if gpu else {},
    )


def waits(name: str, **pod: Any) -> Pod:
    return batch_pod(name, gang=name, milli=8_000, labels={LABEL_QUEUE: "sure"}, **pod)


def contested(pods: list[Pod], *, guaranteed: int, **settings: Any) -> Contested:
    return Contested(NODES, pods, guaranteed={"sure": guaranteed, "rest": 0}, **settings)


@pytest.mark.parametrize(
    ("on_gpus", "moved"),
    [("", ["young"]), ("young", ["old"]), ("old young", [])],
)
def test_who_holds_gpus_is_not_moved(on_gpus: str, moved: list[str]) -> None:
    pods = [
        runs("old", "n0", gpu="old" in on_gpus),
        runs("young", "n1", at_s=50, gpu="young" in on_gpus),
        waits("large"),
    ]
    found = contested(pods, guaranteed=0, evict=False, defragment=True)
    found.round()
    assert found.door.evicted == moved


def test_the_gpus_of_who_is_evicted_are_sold_again() -> None:
    pods = [runs("low", "n0", gpu=True, milli=8_000), runs("other", "n1", at_s=-50, milli=8_000)]
    found = contested([*pods, waits("high")], guaranteed=8)
    nodes = found.planner.board.nodes
    names = {name: row for row, name in enumerate(("n0", "n1"))}
    assert free_milli(nodes.gpus.columns(names)) == [500, 1_000]
    found.round()
    assert found.door.evicted == ["low"]
    assert free_milli(nodes.gpus.columns(names)) == [1_000, 1_000]
    assert found.round(after_s=1) == {"high"}


def free_milli(columns: Any) -> list[int]:
    return [int(row[0]) for row in columns.free_milli]


@pytest.mark.parametrize("settings", [{}, {"evict": False, "defragment": True}])
def test_a_gang_that_asks_for_gpus_claims_nothing_and_nothing_is_set_aside(
    settings: dict[str, Any],
) -> None:
    pods = [runs("old", "n0"), runs("young", "n1", at_s=50)]
    without = contested([*pods, waits("large")], guaranteed=8, **settings)
    without.round()
    assert len(without.door.evicted) == len(without.planner.rounds.claims) == 1
    found = contested([*pods, waits("large", wants=HALF)], guaranteed=8, **settings)
    assert found.round() == set()
    assert found.door.asked == found.door.evicted == []
    assert found.planner.rounds.claims == {}
