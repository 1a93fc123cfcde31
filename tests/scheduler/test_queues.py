"""The tree of queues: what it refuses, and whose turn it is."""

from __future__ import annotations

import numpy as np
import pytest

from scheduler.core.queue_order import FairShares
from scheduler.core.queues import TOP, QueueTree, QueueUse
from tests.scheduler.clusters import GIB, HOUR_S, Gang, Node, Queue, World, real, tree, whole


@pytest.mark.parametrize(
    ("queues", "sentence"),
    [
        ([Queue("a", weight=0)], "queue a: its weight must be above 0"),
        ([Queue("a", weight=np.nan)], "queue a: its weight must be above 0"),
        ([Queue("a", guaranteed=-1)], "queue a: its guarantee must be"),
        ([Queue("a", guaranteed=2, maximum=1)], "queue a: its maximum is below its own guarantee"),
        ([Queue("a", maximum=np.nan)], "queue a: its maximum is below its own guarantee"),
        (
            [Queue("top", guaranteed=3), Queue("a", 2, parent="top"), Queue("b", 2, parent="top")],
            "queue top: its children are guaranteed more cores than it is itself",
        ),
        ([Queue("a", parent="b"), Queue("b", parent="a")], "queue a: it is its own ancestor"),
    ],
)
def test_a_tree_that_contradicts_itself_is_refused(queues: list[Queue], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        tree(queues)


def test_a_parent_that_does_not_exist_is_refused() -> None:
    zero = np.zeros(1)
    with pytest.raises(ValueError, match="queue a: there is no queue 7"):
        QueueTree(("a",), whole([7]), zero, zero, np.ones(1))


def test_columns_of_another_length_are_refused() -> None:
    zero = np.zeros(2)
    with pytest.raises(ValueError, match="parent must have one value"):
        QueueTree(("a", "b"), whole([TOP]), zero, zero, np.ones(2))


def turns(queues: list[Queue], cpu: list[float], gib: list[float] | None = None) -> list[str]:
    """Leaves in the order in which they would be served, in a cluster of 100 cores, 100 GiB."""
    built = tree(queues)
    use = QueueUse(real(cpu), real(gib or [0.0] * len(cpu)) * GIB)
    shares = FairShares(built, use, cpu_cores=100, memory_bytes=100 * GIB)
    leaves = [queue for queue in range(len(queues)) if built.leaf[queue]]
    return [queues[queue].name for queue in sorted(leaves, key=shares.turn)]


@pytest.mark.parametrize(
    ("why", "queues", "cpu", "gib", "expected"),
    [
        ("least used first", [Queue("a"), Queue("b")], [10, 5], [0, 0], "b a"),
        ("by weight", [Queue("a", weight=4), Queue("b")], [10, 5], [0, 0], "a b"),
        ("the scarcer resource counts", [Queue("a"), Queue("b")], [10, 5], [0, 40], "a b"),
        ("a guarantee comes first", [Queue("a"), Queue("b", 30)], [10, 20], [0, 0], "b a"),
        ("once it is met no more", [Queue("a"), Queue("b", 20)], [10, 20], [0, 0], "a b"),
        ("the further below first", [Queue("a", 10), Queue("b", 40)], [6, 20], [0, 0], "b a"),
        ("ties by the order written", [Queue("b"), Queue("a")], [5, 5], [0, 0], "b a"),
        (
            "the parents' turn decides before the children's",
            [Queue("x"), Queue("y"), *(Queue(c, parent=c[0]) for c in ("x1", "x2", "y1"))],
            [0, 0, 0, 30, 20],
            [0] * 5,
            "y1 x1 x2",
        ),
    ],
)
def test_whose_turn_it_is(
    why: str, queues: list[Queue], cpu: list[float], gib: list[float], expected: str
) -> None:
    assert turns(queues, cpu, gib) == expected.split(), why


def test_a_queue_above_can_be_the_one_that_is_full() -> None:
    built = tree([Queue("top", maximum=10), Queue("a", parent="top"), Queue("b", parent="top")])
    shares = FairShares(built, QueueUse.none(3), cpu_cores=100, memory_bytes=GIB)
    shares.add(2, cpu_cores=7, memory_bytes=0)
    assert shares.room_by_queue() == pytest.approx([3, 3, 3], abs=1e-5)
    assert shares.tightest(1) == 0


def test_within_a_queue_priority_goes_before_age() -> None:
    gangs = [Gang("young"), Gang("old", submit_s=-9), Gang("urgent", submit_s=5, priority=1)]
    world = World([Node("n", (3,))], pending=gangs)
    order = [world.pending[p.gang].name for p in world.dry_run().placements]
    assert order == ["urgent", "old", "young"]


def shares_over_time(queues: list[Queue], *, task_cores: dict[str, float]) -> dict[str, float]:
    """Mean cores each queue held in the second half of 60 rounds of endless demand."""
    world = World([Node(f"n{n}", (16,)) for n in range(4)], queues)
    held = dict.fromkeys(task_cores, 0.0)
    for step in range(60):
        for queue, cores in task_cores.items():
            for gang in range(12):
                life_s = HOUR_S // 2 + 600 * ((step + gang) % 4)  # they end at different times
                name = f"{queue}-{step}-{gang}"
                world.submit(Gang(name, queue, tasks=2, cores=cores, for_s=life_s))
        world.plan()
        for bundle in world.running if step >= 30 else []:
            held[bundle.gang.queue] += bundle.count * bundle.gang.cores / 30
        world.pass_time(world.now_s + 300)
        world.pending = world.pending[-200:]
    return held


def test_equal_weights_and_endless_demand_converge_to_equal_shares() -> None:
    held = shares_over_time([Queue("a"), Queue("b")], task_cores={"a": 1.0, "b": 4.0})
    assert sum(held.values()) > 0.9 * 64
    assert held["a"] == pytest.approx(held["b"], rel=0.15)


def test_shares_follow_weights() -> None:
    held = shares_over_time([Queue("a", weight=3), Queue("b")], task_cores={"a": 1.0, "b": 1.0})
    assert held["a"] == pytest.approx(3 * held["b"], rel=0.15)


def test_a_guarantee_holds_against_a_heavier_neighbour() -> None:
    held = shares_over_time(
        [Queue("a", guaranteed=32), Queue("b", weight=9)], task_cores={"a": 1.0, "b": 1.0}
    )
    assert held["a"] >= 30
