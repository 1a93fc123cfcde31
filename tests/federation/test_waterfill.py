from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from federation.core.quota_tree import NO_PARENT, QueueSpec, QuotaTree, plant
from federation.core.waterfill import fill_evenly, waterfill
from slacktide.messages import FloatArray

CLOSE = 1e-6


@pytest.mark.parametrize(
    ("supply", "demand", "expected", "why"),
    [
        (100, [10, 10, 10], [10, 10, 10], "all demand fits"),
        (50, [0, 500, 500], [0, 25, 25], "an unused guarantee is lent by weight"),
        (100, [500, 500, 500], [55, 22.5, 22.5], "guarantee first, then the rest by weight"),
        (100, [500, 500, 0], [70, 30, 0], "b stops at its maximum, a takes the rest"),
        (20, [500, 500, 500], [20, 0, 0], "short supply goes to the guarantee"),
        (0, [5, 5, 5], [0, 0, 0], "nothing to share"),
    ],
)
def test_guarantees_come_first_then_weights_up_to_max_and_demand(
    supply: float, demand: list[float], expected: list[float], why: str
) -> None:
    tree = plant(
        [
            QueueSpec("a", guaranteed_cpu_cores=40, weight=1),
            QueueSpec("b", max_cpu_cores=30, weight=1.5),
            QueueSpec("c", weight=1.5),
        ]
    )
    got = waterfill(tree, supply_cpu_cores=supply, demand_cpu_cores=np.array(demand, dtype=float))
    np.testing.assert_allclose(got, expected, err_msg=why)


def test_short_supply_is_shared_in_proportion_to_the_guarantees() -> None:
    tree = plant(
        [
            QueueSpec("a", guaranteed_cpu_cores=100),
            QueueSpec("b", guaranteed_cpu_cores=10, weight=9),
        ]
    )
    got = waterfill(tree, supply_cpu_cores=55, demand_cpu_cores=np.array([500.0, 500.0]))
    np.testing.assert_allclose(got, [50, 5])


@pytest.mark.parametrize(("lendable", "borrower"), [(1.0, 50), (0.5, 35), (0.0, 20)])
def test_only_the_lendable_part_of_an_idle_guarantee_is_lent(
    lendable: float, borrower: float
) -> None:
    tree = plant(
        [QueueSpec("owner", guaranteed_cpu_cores=30, lendable_share=lendable), QueueSpec("other")]
    )
    got = waterfill(tree, supply_cpu_cores=50, demand_cpu_cores=np.array([0.0, 500.0]))
    np.testing.assert_allclose(got, [0, borrower])


def test_a_department_that_does_not_lend_still_lends_inside() -> None:
    tree = plant(
        [
            QueueSpec("dep", guaranteed_cpu_cores=30, lendable_share=0),
            QueueSpec("idle", parent="dep", guaranteed_cpu_cores=30),
            QueueSpec("busy", parent="dep"),
            QueueSpec("outside"),
        ]
    )
    demand = np.array([0.0, 12.0, 500.0])
    got = waterfill(tree, supply_cpu_cores=50, demand_cpu_cores=demand)
    np.testing.assert_allclose(got, [0, 12, 20])


def test_what_a_queue_holds_out_of_sight_uses_up_its_guarantee_but_not_its_siblings() -> None:
    tree = plant(
        [
            QueueSpec("dep", guaranteed_cpu_cores=10),
            QueueSpec("a", parent="dep", guaranteed_cpu_cores=5, max_cpu_cores=12),
            QueueSpec("b", parent="dep", guaranteed_cpu_cores=5),
            QueueSpec("c"),
        ]
    )
    got = waterfill(
        tree,
        supply_cpu_cores=6,
        demand_cpu_cores=np.array([50.0, 50.0, 50.0]),
        elsewhere_cpu_cores=np.array([10.0, 0.0, 0.0]),
    )
    assert got[1] >= 5
    assert got[0] <= 2
    assert got.sum() == pytest.approx(6)


def cores(most: float = 200.0) -> st.SearchStrategy[float]:
    return st.one_of(st.just(0.0), st.floats(0.001, most))


@st.composite
def trees(draw: st.DrawFn, *, lending: bool = False) -> QuotaTree:
    """A forest with up to three levels whose guarantees add up."""
    specs: list[QueueSpec] = []

    def grow(name: str, parent: str | None, depth: int) -> float:
        children = draw(st.integers(0, 3)) if depth < 2 else 0
        below = sum(grow(f"{name}.{child}", name, depth + 1) for child in range(children))
        guaranteed = below + draw(cores(50))
        extra = draw(st.one_of(st.just(math.inf), st.floats(0, 100)))
        specs.append(
            QueueSpec(
                name,
                parent,
                guaranteed,
                guaranteed + extra,
                draw(st.floats(0.1, 10)),
                1.0 if lending else draw(st.sampled_from([0.0, 0.3, 1.0])),
            )
        )
        return guaranteed

    for root in range(draw(st.integers(1, 3))):
        grow(f"q{root}", None, 0)
    return plant(specs)


@st.composite
def cases(draw: st.DrawFn, *, lending: bool = False) -> tuple[QuotaTree, float, FloatArray]:
    tree = draw(trees(lending=lending))
    demand = [draw(cores()) for _ in tree.leaves]
    return tree, draw(cores(600)), np.array(demand)


@settings(deadline=None)  # a busy machine is no failure
@given(cases())
def test_no_supply_maximum_or_demand_is_exceeded(
    case: tuple[QuotaTree, float, FloatArray],
) -> None:
    tree, supply, demand = case
    got = waterfill(tree, supply_cpu_cores=supply, demand_cpu_cores=demand)
    assert (got >= 0).all()
    assert got.sum() <= supply + CLOSE
    assert (got <= demand + CLOSE).all()
    assert (tree.sum_up(got) <= tree.max_cpu_cores + CLOSE).all()


@settings(deadline=None)  # a busy machine is no failure
@given(cases())
def test_every_leaf_gets_its_wanted_guarantee_when_the_supply_covers_all_guarantees(
    case: tuple[QuotaTree, float, FloatArray],
) -> None:
    tree, supply, demand = case
    supply += float(tree.guaranteed_cpu_cores[tree.levels[0]].sum())
    got = waterfill(tree, supply_cpu_cores=supply, demand_cpu_cores=demand)
    assert (got >= np.minimum(demand, tree.guaranteed_cpu_cores[tree.leaves]) - CLOSE).all()


@settings(deadline=None)  # a busy machine is no failure
@given(cases())
def test_it_agrees_with_an_oracle_that_searches_the_water_level(
    case: tuple[QuotaTree, float, FloatArray],
) -> None:
    tree, supply, demand = case
    got = waterfill(tree, supply_cpu_cores=supply, demand_cpu_cores=demand)
    np.testing.assert_allclose(got, Oracle(tree, demand).fill(supply), atol=1e-5)


@settings(deadline=None)  # a busy machine is no failure
@given(cases(lending=True))
def test_no_core_stays_idle_that_a_linear_program_could_use(
    case: tuple[QuotaTree, float, FloatArray],
) -> None:
    tree, supply, demand = case
    below = np.array(
        [[float(q in tree.path(leaf)) for leaf in tree.leaves] for q in range(len(tree.names))]
    )
    bounded = np.isfinite(tree.max_cpu_cores)
    most = linprog(
        -np.ones(len(demand)),
        A_ub=np.vstack([below[bounded], np.ones(len(demand))]),
        b_ub=np.append(tree.max_cpu_cores[bounded], supply),
        bounds=[(0, wanted) for wanted in demand],
    )
    got = waterfill(tree, supply_cpu_cores=supply, demand_cpu_cores=demand)
    assert got.sum() == pytest.approx(-most.fun, abs=1e-5)


@given(
    amount=st.floats(0, 100),
    vessels=st.lists(st.tuples(cores(50), st.floats(0.1, 10)), min_size=1, max_size=8),
)
def test_nobody_could_get_more_unless_one_with_less_per_weight_got_less(
    amount: float, vessels: list[tuple[float, float]]
) -> None:
    room, weight = (np.array(column) for column in zip(*vessels, strict=True))
    group = np.zeros(room.size, dtype=np.int64)
    got = fill_evenly(np.array([amount]), group, room=room, weight=weight)
    level = got / weight
    not_full = got < room - CLOSE
    if not_full.any():
        assert got.sum() == pytest.approx(amount, abs=CLOSE)
        assert level.max() <= level[not_full].min() + CLOSE
    else:
        np.testing.assert_allclose(got, room)


class Oracle:
    """The same rule by other means: recursion over queues, bisection for the level."""

    def __init__(self, tree: QuotaTree, demand: FloatArray) -> None:
        self.tree = tree
        self.demand = dict(zip(tree.leaves.tolist(), demand.tolist(), strict=True))
        self.got: dict[int, float] = {}

    def fill(self, supply: float) -> list[float]:
        self._share(NO_PARENT, supply)
        return [min(self.got[leaf], self.demand[leaf]) for leaf in self.tree.leaves.tolist()]

    def _children(self, queue: int) -> list[int]:
        return [child for child, parent in enumerate(self.tree.parent) if parent == queue]

    def _wanted(self, queue: int) -> float:
        need = self.demand.get(queue, 0.0) + sum(map(self._wanted, self._children(queue)))
        idle = max(float(self.tree.guaranteed_cpu_cores[queue]) - need, 0.0)
        kept_back = (1.0 - float(self.tree.lendable_share[queue])) * idle
        return float(min(need + kept_back, self.tree.max_cpu_cores[queue]))

    def _share(self, parent: int, amount: float) -> None:
        children = self._children(parent)
        wanted = [self._wanted(child) for child in children]
        sure = [float(self.tree.guaranteed_cpu_cores[child]) for child in children]
        floor = [min(pair) for pair in zip(wanted, sure, strict=True)]
        first = _level_by_bisection(amount, floor, sure)
        room = [most - has for most, has in zip(wanted, first, strict=True)]
        weight = [float(self.tree.weight[child]) for child in children]
        rest = _level_by_bisection(amount - sum(first), room, weight)
        for child, has, more in zip(children, first, rest, strict=True):
            self.got[child] = has + more
            self._share(child, has + more)


def _level_by_bisection(amount: float, room: list[float], weight: list[float]) -> list[float]:
    low, high = 0.0, 1e7
    for _ in range(100):
        level = (low + high) / 2
        total = sum(min(level * w, r) for r, w in zip(room, weight, strict=True))
        low, high = (level, high) if total <= amount else (low, level)
    return [min(low * w, r) for r, w in zip(room, weight, strict=True)]
