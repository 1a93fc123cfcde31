"""What the hub may believe of a cluster: its newest report, seen through the ladder of age.

A cluster that falls silent is not emptied and not trusted for ever. It climbs down rung by rung:
fresh, stale (nothing grows), decaying (what is held shrinks to a floor), lost (nothing new; what
was granted runs to its expiry). A member whose clock is ahead, or who obeys an older epoch than
it once confirmed (a restored backup), is believed less, with the reason said.

Always holds: an older or doubled report changes nothing; a missing number counts as no supply;
the sum of what is usable never exceeds what was reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from federation.core.settings import FederationSettings
from slacktide.errors import BadInput
from slacktide.messages import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What one member cluster says of itself. H horizons ascending, R queues.

    `supply_*` is what its forecast keeps free of online work over each horizon, for all offline
    work together, held or new. Memory is NaN where the cluster does not account it.
    """

    cluster: str
    at_s: float  # by the member's clock
    epoch: int  # the newest epoch of grants it obeys; 0 for none
    horizons_s: tuple[int, ...]
    supply_cpu_cores: FloatArray  # [H]
    supply_memory_bytes: FloatArray  # [H]
    forecast_expires_s: float
    queues: tuple[str, ...]  # [R] the leaves it knows
    held_cpu_cores: FloatArray  # [R] running or bound now
    demand_cpu_cores: FloatArray  # [R] held, plus what waits in the cluster itself
    held_memory_bytes: float = 0.0
    running: tuple[str, ...] = ()  # gangs it has from the hub, paused ones too
    finished: tuple[str, ...] = ()  # gangs that ended there, until the hub stops claiming them

    def __post_init__(self) -> None:
        horizons = len(self.horizons_s)
        if not horizons or np.any(np.diff(self.horizons_s) <= 0):
            raise BadInput(f"report of cluster {self.cluster!r}: horizons_s must ascend, not empty")
        if self.supply_cpu_cores.shape != (horizons,) or self.supply_memory_bytes.shape != (
            horizons,
        ):
            raise BadInput(f"report of cluster {self.cluster!r}: one supply per horizon is needed")
        queues = (len(self.queues),)
        if self.held_cpu_cores.shape != queues or self.demand_cpu_cores.shape != queues:
            raise BadInput(f"report of cluster {self.cluster!r}: one held and demand per queue")


class Rung(Enum):
    """How far down the ladder a cluster is."""

    FRESH = "fresh"  # may grow, takes new gangs
    STALE = "stale"  # holds what it has
    DECAYING = "decaying"  # holds less and less, to a floor
    LOST = "lost"  # nothing new; what it was granted runs to its expiry


@dataclass(frozen=True, slots=True)
class Standing:
    """What the hub believes of one cluster at one time, and why."""

    rung: Rung
    believed_share: float  # of the reported supply
    expires_s: float  # when a grant made now ends
    supply_cpu_cores: float  # that holds until then, after the ladder
    supply_memory_bytes: float  # NaN where it is not accounted
    reason: str


@dataclass(frozen=True, slots=True)
class Inbox:
    """The newest report of every cluster, and what was not taken."""

    reports: tuple[ClusterReport, ...]  # by name
    refused: tuple[str, ...]  # a sentence each


def take_in(
    known: Sequence[ClusterReport],
    arrived: Sequence[ClusterReport],
    *,
    now_s: float,
    settings: FederationSettings,
) -> Inbox:
    """The newest report of each cluster after some more arrived, in any order, doubled or late."""
    newest = {report.cluster: report for report in known}
    refused: list[str] = []
    for report in arrived:
        ahead_s = report.at_s - now_s
        older = newest.get(report.cluster)
        if ahead_s > settings.clock_skew_s:
            refused.append(
                f"{report.cluster}: its clock is {ahead_s:g} s ahead, "
                f"{settings.clock_skew_s:g} s are allowed: the report is not taken"
            )
        elif older is None or report.at_s > older.at_s:
            newest[report.cluster] = report
    return Inbox(tuple(newest[name] for name in sorted(newest)), tuple(refused))


def contact(
    report: ClusterReport, *, now_s: float, settings: FederationSettings
) -> tuple[Rung, float, str]:
    """How fresh a cluster's word is: its rung, the share of supply believed, and why."""
    age_s = max(now_s - report.at_s, 0.0)
    heard = f"last heard {age_s:g} s ago"
    if age_s < settings.stale_after_s:
        return Rung.FRESH, 1.0, heard
    if age_s < settings.decay_after_s:
        return Rung.STALE, 1.0, f"{heard} (stale from {settings.stale_after_s:g} s): nothing grows"
    if age_s < settings.lost_after_s:
        down = (age_s - settings.decay_after_s) / (settings.lost_after_s - settings.decay_after_s)
        share = 1.0 - (1.0 - settings.floor_share) * down
        return Rung.DECAYING, share, f"{heard}: {share:.0%} of its supply is believed"
    lost = f"{heard} (lost from {settings.lost_after_s:g} s): nothing new, grants run to their end"
    return Rung.LOST, 0.0, lost


def stand(
    report: ClusterReport, *, confirmed_epoch: int, now_s: float, settings: FederationSettings
) -> Standing:
    """What may be granted in a cluster now.

    Args:
        report: the newest of the cluster.
        confirmed_epoch: the newest epoch the cluster ever said it obeys.
        now_s: by the hub's clock.
        settings: times and shares of the ladder.
    """
    rung, share, reason = contact(report, now_s=now_s, settings=settings)
    covered_s = report.at_s + report.horizons_s[-1]
    expires_s = min(now_s + settings.lease_s, report.forecast_expires_s, covered_s)
    if expires_s <= now_s:
        rung, share = Rung.LOST, 0.0
        reason = f"{reason}; its forecast ended {now_s - expires_s:g} s ago: nothing new"
    elif report.epoch < confirmed_epoch and rung is Rung.FRESH:
        rung = Rung.STALE
        reason = (
            f"it came back obeying epoch {report.epoch}, older than {confirmed_epoch}, which it "
            "had confirmed: nothing grows until it confirms a newer one"
        )
    cpu_cores, memory_bytes = supply_until(report, expires_s)
    return Standing(rung, share, expires_s, share * cpu_cores, share * memory_bytes, reason)


def supply_until(report: ClusterReport, until_s: float) -> tuple[float, float]:
    """CPU cores and memory bytes that hold until a time; the longest horizon beyond them all."""
    horizon = horizon_of(report, np.array([until_s]))[0]
    return float(holding_cpu(report)[horizon]), float(holding_memory(report)[horizon])


def horizon_of(report: ClusterReport, until_s: FloatArray) -> IntArray:
    """[n] times -> [n] index of the shortest horizon that covers each, else of the longest."""
    index = np.searchsorted(report.horizons_s, until_s - report.at_s)
    return np.minimum(index, len(report.horizons_s) - 1)


def holding_cpu(report: ClusterReport) -> FloatArray:
    """[H] cores free over the whole of each horizon: never more than over a shorter one."""
    return np.minimum.accumulate(np.maximum(np.nan_to_num(report.supply_cpu_cores, nan=0.0), 0.0))


def holding_memory(report: ClusterReport) -> FloatArray:
    """[H] bytes, as `holding_cpu`; NaN stays NaN, for memory may be unaccounted."""
    return np.minimum.accumulate(np.maximum(report.supply_memory_bytes, 0.0))


def by_leaf(
    report: ClusterReport, leaf_index: Mapping[str, int]
) -> tuple[FloatArray, FloatArray, float]:
    """Held [L] and demand [L] in the tree's order, and the cores held by queues not in the tree.

    A queue just deleted may still run work in a cluster: its cores are taken, by nobody's quota.
    """
    held, demand, stray = np.zeros(len(leaf_index)), np.zeros(len(leaf_index)), 0.0
    reported_held = np.nan_to_num(report.held_cpu_cores, nan=0.0).tolist()
    reported_demand = np.nan_to_num(report.demand_cpu_cores, nan=0.0).tolist()
    for queue, is_held, is_wanted in zip(
        report.queues, reported_held, reported_demand, strict=True
    ):
        leaf = leaf_index.get(queue)
        if leaf is None:
            stray += is_held
        else:
            held[leaf] = is_held
            demand[leaf] = max(is_wanted, is_held)
    return held, demand, stray
