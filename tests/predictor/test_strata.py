"""Coverage by stratum: every window is counted once of each kind, where it belongs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.history import History
from predictor.core.strata import Stratum, coverage_by_stratum, first_seen_s
from slacktide.messages import BoolArray

DAY_S, HOUR_S = 86_400, 3_600
TIMES_S = np.arange(0, 40 * DAY_S, 3 * HOUR_S)


def of_kind(found: tuple[Stratum, ...], kind: str) -> dict[str, Stratum]:
    return {one.name: one for one in found if one.kind == kind}


def strata(broken: BoolArray, counted: BoolArray | None = None) -> tuple[Stratum, ...]:
    nodes = len(broken)
    return coverage_by_stratum(
        broken,
        np.ones_like(broken) if counted is None else counted,
        times_s=TIMES_S[: broken.shape[1]],
        first_seen_s=np.zeros(nodes, dtype=np.int64),
        capacity=np.arange(1.0, nodes + 1),
    )


@given(st.integers(0, 99), st.integers(1, 9))
def test_the_windows_of_each_kind_add_up_to_all_of_them(seed: int, nodes: int) -> None:
    rng = np.random.default_rng(seed)
    broken, counted = rng.random((2, nodes, len(TIMES_S))) < 0.3
    found = strata(broken, counted)
    for kind in ("hour", "age", "size"):
        mine = of_kind(found, kind).values()
        assert sum(one.windows for one in mine) == counted.sum()
        short = sum(one.windows * one.broken_share for one in mine)
        assert short == pytest.approx((broken & counted).sum())


def test_a_bad_hour_is_seen_though_the_average_is_good() -> None:
    broken = np.zeros((3, 80), dtype=np.bool_)
    broken[:, TIMES_S[:80] % DAY_S == 3 * HOUR_S] = True
    hours = of_kind(strata(broken), "hour")
    assert hours["03:00"].broken_share == 1.0
    assert all(one.broken_share == 0 for name, one in hours.items() if name != "03:00")
    assert len(hours) == 8


def test_ages_are_counted_from_when_a_node_was_first_seen() -> None:
    broken = np.zeros((2, len(TIMES_S)), dtype=np.bool_)
    found = coverage_by_stratum(
        broken,
        np.ones_like(broken),
        times_s=TIMES_S,
        first_seen_s=np.array([0, 30 * DAY_S]),
        capacity=np.ones(2),
    )
    ages = of_kind(found, "age")
    assert ages["from day 28"].windows == 12 * 8
    assert ages["from day 0"].windows == 7 * 8 + 37 * 8  # before it was seen counts as young


def test_sizes_are_thirds_and_equal_nodes_stay_together() -> None:
    broken = np.zeros((6, 8), dtype=np.bool_)
    broken[4:] = True
    sizes = of_kind(strata(broken), "size")
    assert [sizes[name].windows for name in ("small", "middle", "large")] == [16, 16, 16]
    assert sizes["large"].broken_share == 1.0
    alike = coverage_by_stratum(
        broken,
        np.ones_like(broken),
        times_s=TIMES_S[:8],
        first_seen_s=np.zeros(6, dtype=np.int64),
        capacity=np.full(6, 8.0),
    )
    assert [one.name for one in alike if one.kind == "size"] == ["small"]


def test_a_node_is_first_seen_when_its_first_pod_begins(fleet: Callable[..., History]) -> None:
    past = fleet(days=3)
    found = first_seen_s(past)
    for node in range(len(past.nodes)):
        assert found[node] == past.start_s[past.node == node].min()
