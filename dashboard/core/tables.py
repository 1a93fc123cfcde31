"""The tables: recommendations, the queue tree, pending gangs.

Always holds: rows keep their numbers as numbers, with the unit in the column's name or beside it;
only the page turns them into words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from dashboard.core.units import (
    CORES_DIGITS,
    Bytes,
    Cores,
    Count,
    Seconds,
    Share,
    Text,
    number,
)
from simulator.core.queues import QueueRow as SimulatedQueue
from slacktide.messages import Recommendation


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationRow:
    """One container's requests as declared and as recommended."""

    workload: Text
    namespace: Text
    kind: Text
    container: Text
    replicas: Count
    at_s: Seconds
    cpu_request_cores: Cores
    recommended_cpu_request_cores: Cores
    cpu_lower_cores: Cores
    cpu_upper_cores: Cores
    memory_request_bytes: Bytes
    recommended_memory_request_bytes: Bytes
    memory_lower_bytes: Bytes
    memory_upper_bytes: Bytes
    confidence: Share
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationTable:
    """`total` counts all that match; `rows` holds those whose CPU request changes most."""

    total: Count
    compared: Count  # of those, the ones with both a declared and a recommended CPU request
    cpu_request_cores: Cores  # of all replicas of the compared
    recommended_cpu_request_cores: Cores
    rows: list[RecommendationRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One queue of the tree, parents before children; `parent` is null at a root."""

    name: Text
    parent: Text | None
    guaranteed_cores: Cores
    max_cores: Cores
    weight: Annotated[float, Field(description="share of what is lent, beside its sisters")]
    used_cores: Cores
    borrowed_cores: Cores
    pending_gangs: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingGang:
    """A gang that waits whole, and why."""

    gang: Text
    queue: Text
    tasks: Count
    min_available: Count
    cpu_cores: Cores
    memory_bytes: Bytes
    duration_s: Seconds
    submitted_s: Seconds
    waiting_s: Seconds
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingGangs:
    """`total` counts all that wait; `rows` holds those that have waited longest."""

    total: Count
    rows: list[PendingGang]


def queue_row(queue: SimulatedQueue) -> QueueRow:
    """One queue as the simulator tells it; no upper limit becomes null."""
    return QueueRow(
        name=queue.name,
        parent=queue.parent,
        guaranteed_cores=_cores(queue.guaranteed_cores),
        max_cores=_cores(queue.max_cores),
        weight=queue.weight,
        used_cores=_cores(queue.used_cores),
        borrowed_cores=_cores(queue.borrowed_cores),
        pending_gangs=queue.pending_gangs,
    )


def recommendation_row(advice: Recommendation) -> RecommendationRow:
    """One recommendation as a row; what is not finite becomes null."""
    return RecommendationRow(
        workload=advice.workload,
        namespace=advice.namespace,
        kind=advice.kind,
        container=advice.container,
        replicas=advice.replicas,
        at_s=advice.at_s,
        cpu_request_cores=_cores(advice.cpu_request_cores),
        recommended_cpu_request_cores=_cores(advice.recommended_cpu_request_cores),
        cpu_lower_cores=_cores(advice.cpu_lower_cores),
        cpu_upper_cores=_cores(advice.cpu_upper_cores),
        memory_request_bytes=_bytes(advice.memory_request_bytes),
        recommended_memory_request_bytes=_bytes(advice.recommended_memory_request_bytes),
        memory_lower_bytes=_bytes(advice.memory_lower_bytes),
        memory_upper_bytes=_bytes(advice.memory_upper_bytes),
        confidence=number(advice.confidence, 3),
        reason=advice.reason,
    )


def recommendation_table(
    rows: Sequence[RecommendationRow], *, query: str, limit: int
) -> RecommendationTable:
    """The rows whose workload, namespace or container contains the query, largest change first."""
    wanted = query.casefold().strip()
    matching = [row for row in rows if wanted in _searched(row)]
    compared = [row for row in matching if _change(row) is not None]
    return RecommendationTable(
        total=len(matching),
        compared=len(compared),
        cpu_request_cores=number(_all_replicas(compared, "cpu_request_cores"), 1),
        recommended_cpu_request_cores=number(
            _all_replicas(compared, "recommended_cpu_request_cores"), 1
        ),
        rows=sorted(matching, key=lambda row: -abs(_change(row) or 0.0))[:limit],
    )


def pending_gangs(rows: Sequence[PendingGang], *, queue: str | None, limit: int) -> PendingGangs:
    """The gangs of one queue, or of all, that have waited longest."""
    waiting = [row for row in rows if queue in (None, row.queue)]
    waiting.sort(key=lambda row: -row.waiting_s)
    return PendingGangs(total=len(waiting), rows=waiting[:limit])


def _cores(value: float | None) -> float | None:
    return None if value is None else number(value, CORES_DIGITS)


def _bytes(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else int(value)


def _searched(row: RecommendationRow) -> str:
    return f"{row.namespace}/{row.workload}/{row.container}".casefold()


def _change(row: RecommendationRow) -> float | None:
    """Cores by which all replicas together would change; None where either side is unknown."""
    if row.cpu_request_cores is None or row.recommended_cpu_request_cores is None:
        return None
    return (row.recommended_cpu_request_cores - row.cpu_request_cores) * row.replicas


def _all_replicas(rows: Sequence[RecommendationRow], field: str) -> float:
    return float(sum(getattr(row, field) * row.replicas for row in rows))
