"""What a pod's groups are always to look like, whatever the stage: the values that need no loop.

Weights do most of the CPU's work, so they are set once and kept; the ladder only adds to them.
Always holds: a field that says None asks for nothing, and what it was before stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IoClass = Literal["idle", "low", "normal", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Desired values of one pod, or of the group that all batch pods share."""

    cpu_shares: int | None = None
    """Weight on the scale of cpu.shares: 1024 is one requested core, 2 the least."""
    idle: bool | None = None
    """SCHED_IDLE for the whole group: it runs where nobody else wants to."""
    quota_cores: float | None = None
    """A ceiling of its own, below which the node's quota may push it further."""
    burst_cores: float | None = None
    """Unused quota of earlier periods that one period may add, where it has a quota."""
    cpus: tuple[int, ...] | None = None
    """Only these CPUs; empty: those it had."""
    memory_limit_bytes: float | None = None
    memory_high_bytes: float | None = None
    """From here on its allocations wait for reclaim (cgroup v2 alone)."""
    oom_score_adj: int | None = None
    disk_weight: int | None = None
    """1..1000, 100 is usual; seen by BFQ and io.weight."""
    io_class: IoClass | None = None
    """Priority of its threads' own reads and writes, as mq-deadline and BFQ see it."""
