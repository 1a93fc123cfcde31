"""What rooms say to each other: frozen values with units in their names and a reason each.

Rooms are blind to one another; these are the only shapes that cross a wall. Many-row messages are
columns (NumPy), single facts are dataclasses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NodeForecasts:
    """What is kept for online on every node over several horizons, made at one time.

    N nodes, H horizons, horizons ascending. Memory is NaN where a node's memory is unknown.
    `peak + reclaimable = capacity` for each resource, both at least 0.
    """

    at_s: int
    nodes: tuple[str, ...]
    horizons_s: tuple[int, ...]
    peak_cpu_cores: FloatArray  # [N, H]
    reclaimable_cpu_cores: FloatArray  # [N, H]
    peak_memory_bytes: FloatArray  # [N, H]
    reclaimable_memory_bytes: FloatArray  # [N, H]
    cpu_risk: float  # promised share of (node, time) whose peak exceeds what was kept
    memory_risk: float
    reasons: Callable[[int, int], str]  # (node index, horizon index) -> the sentence

    def horizon_index(self, duration_s: float) -> int:
        """The shortest horizon that covers a duration; the longest where none does."""
        return min(int(np.searchsorted(self.horizons_s, duration_s)), len(self.horizons_s) - 1)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Right-sized requests of one container of one workload; None where there is no answer."""

    workload: str
    namespace: str
    kind: str
    container: str
    at_s: int
    replicas: int
    cpu_request_cores: float | None  # as declared now
    recommended_cpu_request_cores: float | None
    cpu_lower_cores: float | None
    cpu_upper_cores: float | None
    memory_request_bytes: int | None  # as declared now
    recommended_memory_request_bytes: int | None
    memory_lower_bytes: int | None
    memory_upper_bytes: int | None
    confidence: float  # 0..1, grows with the history behind the numbers
    reason: str
    cluster: str = ""
    recommended_memory_limit_bytes: int | None = None  # None: the same as the request


@dataclass(frozen=True, slots=True)
class QuotaGrant:
    """What one queue may hold in one cluster, until it expires. Only the newest epoch counts."""

    queue: str
    cluster: str
    cpu_cores: float  # guaranteed + loan
    memory_bytes: float
    guaranteed_cpu_cores: float
    loan_cpu_cores: float  # above the guarantee; never outlives the forecast it stands on
    epoch: int
    issued_s: float
    expires_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class QosReport:
    """What the node agent saw and did, for the next forecast to be more careful."""

    node: str
    at_s: float
    stage: int  # 0 feed-forward, 1 throttle, 2 minimum, 3 freeze, 4 evict
    quota_cores: float
    online_lost_core_s: float
    offline_throttled_core_s: float
    evicted_tasks: int
    reason: str
