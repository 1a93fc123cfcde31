from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.core.dispatch import WAITS, Gangs, dispatch
from federation.core.ledger import Ledger
from federation.core.quota_tree import QueueSpec, plant
from federation.core.settings import FederationSettings
from federation.core.shares import Shares, share_out
from federation.core.supply import ClusterReport

SETTINGS = FederationSettings()
TREE = plant([QueueSpec("a", max_cpu_cores=150), QueueSpec("b")])


def report(cluster: str, *supply: float, at_s: float = 0, memory: float = np.nan) -> ClusterReport:
    return ClusterReport(
        cluster=cluster,
        at_s=at_s,
        epoch=0,
        horizons_s=(3600, 86400),
        supply_cpu_cores=np.array(supply),
        supply_memory_bytes=np.array([memory, memory]),
        forecast_expires_s=at_s + 7200,
        queues=("a", "b"),
        held_cpu_cores=np.zeros(2),
        demand_cpu_cores=np.zeros(2),
    )


def gangs(*rows: tuple[int, int, int, float, str]) -> Gangs:
    """Rows of leaf, tasks, min_available, duration_s and where the data is; a core a task."""
    leaf, tasks, least, duration_s, data = zip(*rows, strict=True)
    one = np.ones(len(rows))
    return Gangs(
        tuple(f"g{row}" for row in range(len(rows))),
        np.array(leaf), np.array(tasks), np.array(least), one, 1e9 * one,
        np.array(duration_s, dtype=float), data,
    )  # fmt: skip


def shares_of(waiting: Gangs, *reports: ClusterReport, now_s: float = 0) -> Shares:
    queued = np.zeros(2)
    np.add.at(queued, waiting.leaf, waiting.tasks * waiting.cpu_cores)
    return share_out(
        TREE, reports, Ledger(), queued_cpu_cores=queued, now_s=now_s, settings=SETTINGS
    )


EAST, WEST = report("east", 100.0, 20.0), report("west", 60.0, 50.0)


@pytest.mark.parametrize(
    ("gang", "cluster", "said"),
    [
        ((0, 10, 10, 600, ""), 0, "goes to east: it keeps the largest share free after it, 90%"),
        ((0, 10, 10, 600, "west"), 1, "goes to west: its data is there"),
        ((0, 70, 70, 600, "west"), 0, "30%; west, where its data is, has no room"),
        ((0, 10, 10, 600, "mars"), 0, "mars, where its data is, is out of sight"),
        ((0, 30, 30, 80_000, ""), 1, "goes to west: it keeps the largest share free after it, 33%"),
        ((0, 30, 30, 900_000, ""), 1, "goes to west"),
        ((0, 130, 130, 600, ""), WAITS, "is 100 cores in east, bound by supply"),
        ((0, 160, 160, 600, ""), WAITS, "150 cores are left of a's share"),
        ((0, 130, 90, 600, ""), 0, "goes to east"),
    ],
)  # fmt: skip
def test_a_gang_goes_whole_to_one_cluster_whose_supply_holds_or_is_told_why_not(
    gang: tuple[int, int, int, float, str], cluster: int, said: str
) -> None:
    waiting = gangs(gang)
    done = dispatch(waiting, shares_of(waiting, EAST, WEST))
    assert done.cluster.tolist() == [cluster]
    assert said in done.reasons(0)


def test_memory_that_is_accounted_binds_and_is_deducted() -> None:
    tight = report("east", 100.0, 100.0, memory=15e9)
    waiting = gangs((0, 10, 10, 600, ""), (1, 10, 10, 600, ""))
    done = dispatch(waiting, shares_of(waiting, tight))
    assert done.cluster.tolist() == [0, WAITS]
    assert "bound by memory" in done.reasons(1)


def test_no_new_gang_goes_where_the_hub_cannot_see() -> None:
    waiting = gangs((0, 10, 10, 600, "east"), (0, 10, 10, 600, ""))
    seen = report("west", 60.0, 50.0, at_s=100)
    done = dispatch(waiting, shares_of(waiting, EAST, seen, now_s=100))
    assert done.cluster.tolist() == [1, 1]
    blind = dispatch(waiting, shares_of(waiting, EAST, now_s=100))
    assert blind.cluster.tolist() == [WAITS, WAITS]
    assert "no cluster is in sight" in blind.reasons(0)


def test_gangs_do_not_pile_onto_the_cluster_that_looked_emptiest() -> None:
    waiting = gangs(*[(row % 2, 5, 5, 600, "") for row in range(24)])
    done = dispatch(waiting, shares_of(waiting, report("e", 100.0, 100.0), report("w", 90.0, 90.0)))
    per_cluster = np.bincount(done.cluster, minlength=2)
    assert per_cluster.sum() == 24
    assert abs(per_cluster[0] / 100 - per_cluster[1] / 90) < 0.02


def test_a_long_backlog_that_cannot_move_does_not_hide_the_one_gang_that_can() -> None:
    rows = [(0, 40, 40, 80_000, "")] * 500 + [(1, 3, 3, 60, "")]
    waiting = gangs(*rows)
    done = dispatch(waiting, shares_of(waiting, report("e", 30.0, 30.0)))
    assert np.flatnonzero(done.cluster != WAITS).tolist() == [500]


@st.composite
def backlogs(draw: st.DrawFn) -> tuple[Gangs, list[ClusterReport]]:
    row = st.tuples(
        st.integers(0, 1),
        st.integers(1, 30),
        st.just(0),
        st.sampled_from([60.0, 7200.0, 10**6]),
        st.sampled_from(["", "c0", "c1"]),
    )
    rows = [
        (leaf, tasks, draw(st.integers(1, tasks)), duration_s, data)
        for leaf, tasks, _, duration_s, data in draw(st.lists(row, min_size=1, max_size=60))
    ]
    clusters = draw(st.lists(st.tuples(st.floats(0, 120), st.floats(0, 120)), max_size=4))
    return gangs(*rows), [
        report(f"c{index}", max(pair), min(pair)) for index, pair in enumerate(clusters)
    ]


@settings(deadline=None)  # a busy machine is no failure
@given(backlogs())
def test_placed_gangs_exceed_no_share_and_no_supply_and_who_waits_does_not_fit(
    backlog: tuple[Gangs, list[ClusterReport]],
) -> None:
    waiting, reports = backlog
    shares = shares_of(waiting, *reports)
    done = dispatch(waiting, shares)
    left_of_share = shares.headroom_cpu_cores - done.cpu_cores.sum(axis=1)
    left = shares.free_cpu_cores - done.cpu_cores.sum(axis=0)
    assert (left_of_share >= -1e-6).all()
    assert (left >= -1e-6).all()
    placed = done.cluster != WAITS
    runs_long = waiting.duration_s > 3600
    for cluster, known in enumerate(reports):
        there = placed & runs_long & (done.cluster == cluster)
        assert waiting.min_available[there].sum() <= known.supply_cpu_cores[1] + 1e-6
    for gang in np.flatnonzero(~placed).tolist():
        need, horizon = waiting.min_available[gang], int(runs_long[gang])
        holds = [float(r.supply_cpu_cores[horizon]) for r in reports] - done.cpu_cores.sum(axis=0)
        assert need > left_of_share[waiting.leaf[gang]] or (need > holds).all()
    assert done.cpu_cores.sum() >= waiting.min_available[placed].sum() - 1e-6
    assert done.cpu_cores.sum() <= waiting.tasks[placed].sum() + 1e-6
