"""What is known at one time: usage series, who runs where, and how big the nodes are.

Everything the predictor computes starts from a `History`, and `History.until(now_s)` is the only
way time enters: after it, no later sample and no end that has not happened yet is in reach. That is
what makes forecasts blind to the future by construction. Views, never copies of the samples.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slacktide.errors import BadInput
from slacktide.messages import BoolArray, FloatArray, IntArray
from slacktide.trace import Trace

Samples = NDArray[np.float32]  # [S, T], NaN where there is no sample

NEVER_S = 2**62  # the end of a pod that has not ended
HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class History:
    """S series (one per pod and container) of T samples, and N nodes.

    Column k is the sample stamped `k * interval_s`; it is known at that time and not before.
    """

    interval_s: int
    cpu_cores: Samples  # [S, T] mean of the interval
    memory_bytes: Samples | None  # [S, T]
    node: IntArray  # [S] index into nodes, -1 where the pod runs nowhere
    start_s: IntArray  # [S]
    end_s: IntArray  # [S] NEVER_S where it has not ended
    cpu_request_cores: FloatArray  # [S] NaN where none is declared
    memory_request_bytes: FloatArray  # [S]
    nodes: tuple[str, ...]  # [N]
    clusters: tuple[str, ...]  # [N] the cluster of each node
    node_cpu_cores: FloatArray  # [N]
    node_memory_bytes: FloatArray  # [N] NaN where unknown
    series: tuple[str, ...] = ()  # [S] namespace/pod/container; () where nobody needs the names
    workload: IntArray | None = None  # [S] same number, same container of one workload; -1 unknown
    image: IntArray | None = None  # [S] same number, same image or label group; -1 unknown
    namespace: IntArray | None = None  # [S] -1 unknown
    oom_kills: Samples | None = None  # [S, T] within each interval; None where nobody counts them
    memory_limit_bytes: FloatArray | None = None  # [S] NaN where none is declared

    @property
    def per_hour(self) -> int:
        """Samples in an hour."""
        return HOUR_S // self.interval_s

    def column(self, now_s: int) -> int:
        """The newest column that can be known at a time, whether or not its samples came."""
        return now_s // self.interval_s

    def until(self, now_s: int) -> History:
        """The same history with nothing in it that happens later than `now_s`."""
        known = max(now_s // self.interval_s + 1, 0)
        memory, kills = self.memory_bytes, self.oom_kills
        return replace(
            self,
            cpu_cores=self.cpu_cores[:, :known],
            memory_bytes=None if memory is None else memory[:, :known],
            oom_kills=None if kills is None else kills[:, :known],
            end_s=np.where(self.end_s > now_s, NEVER_S, self.end_s),
        )

    def resident(self, now_s: int) -> BoolArray:
        """[S] which series belong to a pod that runs on a node at a time."""
        return (self.node >= 0) & (self.start_s <= now_s) & (now_s < self.end_s)

    def taken(self, rows: Sequence[int]) -> History:
        """The series at these rows, in this order; a row of -1 has no samples and runs nowhere."""
        at = np.asarray(rows, dtype=np.int64)
        gone = at < 0
        changed: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "series":
                changed["series"] = tuple(value[row] if row >= 0 else "" for row in rows)
            elif isinstance(value, np.ndarray) and not field.name.startswith("node_"):
                nothing = np.nan if value.dtype.kind == "f" else -1
                taken = value[at] if len(value) else np.full((len(at), *value.shape[1:]), nothing)
                taken[gone] = nothing
                changed[field.name] = taken
        return replace(self, **changed)


def history_of(trace: Trace) -> History:
    """A trace as a history; a pod's request is shared evenly by its containers.

    Raises:
        BadInput: when an hour is not a whole number of sampling intervals.
    """
    if trace.interval_s <= 0 or HOUR_S % trace.interval_s:
        raise BadInput(
            f"{trace.name}: interval_s {trace.interval_s} does not divide an hour;"
            " resample the usage to 60, 300 or 900 s"
        )
    pods, pod = trace.pods, trace.usage.pod
    containers = np.bincount(pod, minlength=len(pods.pod))[pod]
    rows, container = pod.tolist(), trace.usage.container
    names = [(pods.namespace[row], pods.kind[row], pods.workload[row]) for row in rows]
    return History(
        interval_s=trace.interval_s,
        cpu_cores=trace.usage.cpu_cores,
        memory_bytes=trace.usage.memory_bytes,
        node=pods.node[pod],
        start_s=pods.start_s[pod],
        end_s=pods.end_s[pod],
        cpu_request_cores=pods.cpu_request_cores[pod] / containers,
        memory_request_bytes=pods.memory_request_bytes[pod] / containers,
        nodes=trace.nodes.node,
        clusters=trace.nodes.cluster,
        node_cpu_cores=trace.nodes.cpu_cores,
        node_memory_bytes=trace.nodes.memory_bytes,
        series=tuple(
            f"{pods.namespace[row]}/{pods.pod[row]}/{name}"
            for row, name in zip(rows, container, strict=True)
        ),
        workload=numbered(zip(names, container, strict=True)),
        namespace=numbered(pods.namespace[row] or None for row in rows),
        memory_limit_bytes=pods.memory_limit_bytes[pod] / containers,
    )


def numbered(names: Iterable[Hashable]) -> IntArray:
    """A number for each name, the same for the same, in order of appearance; -1 for None."""
    known: dict[Hashable, int] = {}
    found = [-1 if name is None else known.setdefault(name, len(known)) for name in names]
    return np.array(found, dtype=np.int64)


def node_sums(samples: Samples, member: BoolArray, node: IntArray, *, nodes: int) -> FloatArray:
    """[N, T] use of the member series of each node at each sample; a missing sample adds nothing.

    `samples` [S, T], `member` [S], `node` [S]. Rows are added in the order of the series, so
    dropping series that are no members never changes a bit of the result.
    """
    sums = np.zeros((nodes, samples.shape[1]))
    rows = np.flatnonzero(member)
    if not rows.size or not samples.shape[1]:
        return sums
    rows = rows[np.argsort(node[rows], kind="stable")]
    known = samples[rows]
    known = np.where(np.isnan(known), np.float32(0), known)
    present, first = np.unique(node[rows], return_index=True)
    sums[present] = np.add.reduceat(known, first, axis=0, dtype=np.float64)
    return sums
