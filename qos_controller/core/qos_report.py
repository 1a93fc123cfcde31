"""QosReport: what a node's agent tells the cluster, and when it is worth a write.

It is JSON in the node's annotation slacktide.io/qos-report. Names are camelCase there, as in all of
Kubernetes. Always holds: a write is at least a second after the one before, at least ten where no
stage changed, and never more than `Pace.most_a_minute`: a thousand agents must not be what hurts
the API server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Where each ladder stands, 0 (calm) to 4 (evict)."""

    cpu: int = 0
    disk: int = 0
    memory: int = 0
    network: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineLost:
    """What online lost since the agent began; differences of two reports teach the predictor."""

    watched_s: float = 0.0
    stalled_s: float = 0.0
    """All of online's ready tasks waited for a CPU that others held."""
    requests: float = 0.0
    slow_requests: float = 0.0
    """Slower than the SLO's bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QosReport:
    """One node at one time."""

    version: int = 1
    at_s: float
    """Unix time of writing."""
    since_s: float
    """Unix time since when the stages are as they are."""
    alive: bool
    """The loop gave a sign of life within three seconds."""
    off: bool = False
    """Switched off by the node's owner, or because another agent owns the node."""
    open: bool = True
    """Whether new batch pods may come."""
    stage: Stages = Stages()
    level: float = 0.0
    """The worst signal over its limit; above 1 is a breach."""
    quota_cores: float | None = None
    """What all batch together may use; None: as much as is free."""
    frozen_share: float = 0.0
    """Of batch pods, now."""
    online_pods: int = 0
    batch_pods: int = 0
    evictions: int = 0
    """Since the agent began."""
    lost: OnlineLost = OnlineLost()
    reason: str = ""
    """The sentence behind the last change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a node may be written."""

    urgent_s: float = 1.0
    """A stage changed, somebody was evicted: seen at once, but no flapping."""
    changed_s: float = 10.0
    """Any other number."""
    counted_s: float = 300.0
    """Only what online lost goes on counting."""
    most_a_minute: int = 12


def is_due(
    now: QosReport,
    told: QosReport | None,
    *,
    told_s: Sequence[float],
    now_s: float,
    pace: Pace,
) -> bool:
    """Whether a report is worth a write now.

    Args:
        now: what there is to tell.
        told: what was told last; None: nothing yet.
        told_s: when it was tried to tell, oldest first.
        now_s: on the clock of `told_s`.
        pace: the limits.
    """
    if sum(now_s - at < 60 for at in told_s) >= pace.most_a_minute:
        return False
    since_s = now_s - told_s[-1] if told_s else pace.counted_s
    if told is None or _urgent(now) != _urgent(told):
        return since_s >= pace.urgent_s
    if _shown(now) != _shown(told):
        return since_s >= pace.changed_s
    return now.lost != told.lost and since_s >= pace.counted_s


def _urgent(report: QosReport) -> tuple[object, ...]:
    return report.stage, report.alive, report.off, report.open, report.evictions


def _shown(report: QosReport) -> tuple[object, ...]:
    """As fine as a person would look at it: noise is no news."""
    quota = None if report.quota_cores is None else round(report.quota_cores, 1)
    counts = report.online_pods, report.batch_pods
    return quota, round(report.frozen_share, 1), counts, report.reason
