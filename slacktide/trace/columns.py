"""A trace in memory: what ran where, what it asked for and what it used, as columns.

Everything downstream (profiles, forecasts, replays) reads these arrays, so their meaning is fixed
here: an index in one table is a row of another, seconds are whole and count from the trace's
origin, and a missing sample is NaN, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEVER: Final = 2**62  # the end_s of a pod that still runs; larger than any time, safe to subtract


@dataclass(frozen=True, slots=True)
class Nodes:
    """The machines, N rows."""

    node: tuple[str, ...]
    cluster: tuple[str, ...]
    cpu_cores: NDArray[np.float64]  # [N] > 0
    memory_bytes: NDArray[np.float64]  # [N] > 0, NaN = unknown


@dataclass(frozen=True, slots=True)
class Pods:
    """The online pods, P rows; NaN = the pod states no such request or limit."""

    pod: tuple[str, ...]
    namespace: tuple[str, ...]
    workload: tuple[str, ...]
    kind: tuple[str, ...]
    qos: tuple[str, ...]  # LSE, LSR, LS or BE
    node: NDArray[np.int64]  # [P] row of Nodes
    cpu_request_cores: NDArray[np.float64]  # [P]
    cpu_limit_cores: NDArray[np.float64]  # [P]
    memory_request_bytes: NDArray[np.float64]  # [P]
    memory_limit_bytes: NDArray[np.float64]  # [P]
    start_s: NDArray[np.int64]  # [P] may lie before the origin
    end_s: NDArray[np.int64]  # [P] >= start_s, NEVER = not over


@dataclass(frozen=True, slots=True)
class Usage:
    """The samples, S series (one per pod and container) of T columns; NaN = no sample.

    Column k is the sample stamped `k * interval_s`.
    """

    pod: NDArray[np.int64]  # [S] row of Pods
    container: tuple[str, ...]  # [S]
    cpu_cores: NDArray[np.float32]  # [S, T] mean over the interval
    cpu_max_cores: NDArray[np.float32] | None  # [S, T] highest within the interval
    memory_bytes: NDArray[np.float32] | None  # [S, T]


@dataclass(frozen=True, slots=True)
class Trace:
    """A recorded (or generated) stretch of a fleet's life."""

    name: str
    source: str
    licence: str
    interval_s: int
    nodes: Nodes
    pods: Pods
    usage: Usage

    def until(self, ts_s: int) -> Trace:
        """What was known at `ts_s`: no sample, pod or end of a pod later than it.

        Pods that had not started are gone, so rows of `pods` and `usage` may be renumbered (names
        are not). Samples are views of this trace's, copied only where a row is dropped.
        """
        columns = max(0, ts_s // self.interval_s + 1)
        known = self.pods.start_s <= ts_s
        usage = _first_columns(self.usage, columns)
        if not known.all():
            usage = _of_pods(usage, known)
        return replace(self, pods=_known_pods(self.pods, known, ts_s), usage=usage)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Batch gangs, J rows in order of submission; requests are those of one task."""

    job: tuple[str, ...]
    queue: tuple[str, ...]
    submit_s: NDArray[np.int64]  # [J] >= 0, ascending
    tasks: NDArray[np.int64]  # [J] >= 1
    min_available: NDArray[np.int64]  # [J] tasks that must run together, 1..tasks
    duration_s: NDArray[np.int64]  # [J] > 0
    priority: NDArray[np.int64]  # [J]
    cpu_cores: NDArray[np.float64]  # [J] > 0
    memory_bytes: NDArray[np.float64]  # [J] >= 0


def _first_columns(usage: Usage, columns: int) -> Usage:
    """Samples of the first `columns` stamps, as views."""
    return replace(
        usage,
        cpu_cores=usage.cpu_cores[:, :columns],
        cpu_max_cores=None if usage.cpu_max_cores is None else usage.cpu_max_cores[:, :columns],
        memory_bytes=None if usage.memory_bytes is None else usage.memory_bytes[:, :columns],
    )


def _of_pods(usage: Usage, kept: NDArray[np.bool_]) -> Usage:
    """The series of the kept pods [P], which are renumbered without holes."""
    new_row = np.cumsum(kept) - 1
    series = np.flatnonzero(kept[usage.pod])
    return Usage(
        pod=new_row[usage.pod[series]],
        container=tuple(usage.container[i] for i in series),
        cpu_cores=usage.cpu_cores[series],
        cpu_max_cores=None if usage.cpu_max_cores is None else usage.cpu_max_cores[series],
        memory_bytes=None if usage.memory_bytes is None else usage.memory_bytes[series],
    )


def _known_pods(pods: Pods, known: NDArray[np.bool_], ts_s: int) -> Pods:
    """The pods started by `ts_s`, their later ends not yet known."""
    rows = np.flatnonzero(known)

    def names(column: tuple[str, ...]) -> tuple[str, ...]:
        return column if known.all() else tuple(column[i] for i in rows)

    end_s = pods.end_s[rows]
    return Pods(
        pod=names(pods.pod),
        namespace=names(pods.namespace),
        workload=names(pods.workload),
        kind=names(pods.kind),
        qos=names(pods.qos),
        node=pods.node[rows],
        cpu_request_cores=pods.cpu_request_cores[rows],
        cpu_limit_cores=pods.cpu_limit_cores[rows],
        memory_request_bytes=pods.memory_request_bytes[rows],
        memory_limit_bytes=pods.memory_limit_bytes[rows],
        start_s=pods.start_s[rows],
        end_s=np.where(end_s > ts_s, NEVER, end_s),
    )
