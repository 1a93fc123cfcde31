"""One round's view: what each queue gets in all, and what of it already has a place.

Only clusters in sight (fresh) are shared out anew. A cluster out of sight holds what it was
granted, less when it decays, and what it may still hold uses up its queues' guarantees and maxima
first, so that an outage never lends the same guarantee twice.

Always holds: settled cores of a cluster are at most its usable supply; settled plus headroom of a
leaf is its fill; the fills are at most the supply in sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from federation.core.ledger import Ledger, Outstanding, outstanding, settle
from federation.core.quota_tree import QuotaTree
from federation.core.settings import FederationSettings
from federation.core.supply import ClusterReport, Rung, Standing, by_leaf, stand
from federation.core.waterfill import waterfill
from slacktide.messages import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Shares:
    """Who gets how much, before gangs are dispatched. L leaves, C clusters as in `reports`."""

    at_s: float
    tree: QuotaTree
    reports: tuple[ClusterReport, ...]
    standings: tuple[Standing, ...]
    ledger: Ledger
    outstanding: Outstanding
    in_sight: BoolArray  # [C]
    demand_cpu_cores: FloatArray  # [L] of the clusters in sight and of the hub's queue
    elsewhere_cpu_cores: FloatArray  # [L] what clusters out of sight may still hold
    fill_cpu_cores: FloatArray  # [L] of the supply in sight
    supply_cpu_cores: FloatArray  # [C] usable until the grants expire, after the ladder
    settled_cpu_cores: FloatArray  # [L, C] follows what is held, in flight or wanted right there

    @property
    def clusters(self) -> tuple[str, ...]:
        """[C] names."""
        return tuple(report.cluster for report in self.reports)

    @property
    def headroom_cpu_cores(self) -> FloatArray:
        """[L] what each leaf may still place in clusters in sight."""
        settled = self.settled_cpu_cores[:, self.in_sight].sum(axis=1)
        left: FloatArray = np.maximum(self.fill_cpu_cores - settled, 0.0)
        return left

    @property
    def free_cpu_cores(self) -> FloatArray:
        """[C] what each cluster in sight has left; 0 out of sight."""
        left = self.supply_cpu_cores - self.settled_cpu_cores.sum(axis=0)
        return np.where(self.in_sight, np.maximum(left, 0.0), 0.0)


def share_out(
    tree: QuotaTree,
    reports: Sequence[ClusterReport],
    ledger: Ledger,
    *,
    queued_cpu_cores: FloatArray,
    now_s: float,
    settings: FederationSettings,
    in_flight_cpu_cores: FloatArray | None = None,
) -> Shares:
    """Water-fills the supply in sight over the tree and follows work to where it is.

    Args:
        tree: L leaves.
        reports: the newest of each of C clusters, see `supply.take_in`.
        ledger: what was promised before.
        queued_cpu_cores: [L] what waits at the hub, in no cluster yet.
        now_s: by the hub's clock.
        settings: the ladder and the lease.
        in_flight_cpu_cores: [L, C] placed by the hub, not in the cluster's report yet.
    """
    ledger = settle(ledger, reports, now_s=now_s, clock_skew_s=settings.clock_skew_s)
    standings = _stand_all(reports, ledger, now_s=now_s, settings=settings)
    in_sight = np.array([standing.rung is Rung.FRESH for standing in standings], dtype=np.bool_)
    leaf_index = {name: leaf for leaf, name in enumerate(tree.leaf_names)}
    clusters = [report.cluster for report in reports]
    before = outstanding(
        ledger,
        leaf_index=leaf_index,
        clusters=clusters,
        now_s=now_s,
        clock_skew_s=settings.clock_skew_s,
    )
    held, demand, supply = _reported(reports, standings, leaf_index)
    if in_flight_cpu_cores is not None:
        demand = demand + in_flight_cpu_cores
    elsewhere = before.most_cpu_cores[:, ~in_sight].sum(axis=1) + before.unseen_cpu_cores
    wanted = demand[:, in_sight].sum(axis=1) + queued_cpu_cores
    fill = waterfill(
        tree,
        supply_cpu_cores=float(supply[in_sight].sum()),
        demand_cpu_cores=wanted,
        elsewhere_cpu_cores=elsewhere,
    )
    settled = hold(before.newest_cpu_cores, supply)
    sure = tree.guaranteed_cpu_cores[tree.leaves]
    settled[:, in_sight] = follow_work(
        fill, sure, held[:, in_sight], demand[:, in_sight], supply[in_sight]
    )
    return Shares(
        now_s, tree, tuple(reports), standings, ledger, before, in_sight,
        demand_cpu_cores=wanted,
        elsewhere_cpu_cores=elsewhere,
        fill_cpu_cores=fill,
        supply_cpu_cores=supply,
        settled_cpu_cores=settled,
    )  # fmt: skip


def _stand_all(
    reports: Sequence[ClusterReport], ledger: Ledger, *, now_s: float, settings: FederationSettings
) -> tuple[Standing, ...]:
    return tuple(
        stand(
            report,
            confirmed_epoch=ledger.confirmed_epoch[report.cluster],
            now_s=now_s,
            settings=settings,
        )
        for report in reports
    )


def _reported(
    reports: Sequence[ClusterReport], standings: Sequence[Standing], leaf_index: dict[str, int]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Held [L, C], demand [L, C] and usable supply [C]."""
    held = np.zeros((len(leaf_index), len(reports)))
    demand, supply = np.zeros_like(held), np.zeros(len(reports))
    for cluster, (report, standing) in enumerate(zip(reports, standings, strict=True)):
        held[:, cluster], demand[:, cluster], stray = by_leaf(report, leaf_index)
        supply[cluster] = max(standing.supply_cpu_cores - stray, 0.0)
    return held, demand, supply


def hold(newest_cpu_cores: FloatArray, supply_cpu_cores: FloatArray) -> FloatArray:
    """[L, C] what was granted last, scaled down where [C] supply no longer carries it."""
    return newest_cpu_cores * _at_most(newest_cpu_cores.sum(axis=0), supply_cpu_cores)


def follow_work(
    fill_cpu_cores: FloatArray,
    guaranteed_cpu_cores: FloatArray,
    held_cpu_cores: FloatArray,
    demand_cpu_cores: FloatArray,
    supply_cpu_cores: FloatArray,
) -> FloatArray:
    """[L, C] the part of each leaf's fill that has its place.

    Held work within its queue's guarantee [L] comes first, then held work on loan, then what waits
    in the cluster itself. Work is never moved by quota alone: where a cluster carries all it holds
    and the fills cover it, all of it stays.
    """
    settled = np.zeros_like(held_cpu_cores)
    sure = np.minimum(fill_cpu_cores, guaranteed_cpu_cores)
    for wanted, limit in (
        (held_cpu_cores, sure),
        (held_cpu_cores, fill_cpu_cores),
        (demand_cpu_cores, fill_cpu_cores),
    ):
        rows = np.maximum(limit - settled.sum(axis=1), 0.0)
        columns = np.maximum(supply_cpu_cores - settled.sum(axis=0), 0.0)
        more = np.maximum(wanted - settled, 0.0)
        more = more * _at_most(more.sum(axis=1), rows)[:, None]
        settled = settled + more * _at_most(more.sum(axis=0), columns)
    return settled


def spread(rows_cpu_cores: FloatArray, columns_cpu_cores: FloatArray) -> FloatArray:
    """[L, C] what has no place yet, in proportion to what each cluster has left.

    Sums to the rows [L] if the columns [C] carry them, else all columns are used up.
    """
    room = float(columns_cpu_cores.sum())
    if room <= 0:
        return np.zeros((rows_cpu_cores.size, columns_cpu_cores.size))
    whole = max(float(rows_cpu_cores.sum()), room)
    return np.outer(rows_cpu_cores, columns_cpu_cores) * (room / whole) / room


def _at_most(wanted: FloatArray, limit: FloatArray) -> FloatArray:
    """[n] the factor that brings each sum down to its limit; 1 where it fits."""
    factor = np.ones_like(wanted)
    return np.divide(limit, wanted, out=factor, where=wanted > limit)
