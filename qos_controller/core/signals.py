"""What one node tells: the values a decision is made from, and nothing a decision does not need.

Always holds: a field that could not be read is None, never 0, so that "no pressure" and "no news"
stay two things.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineTask:
    """One offline task on the node, with what it costs to lose it."""

    task: str
    cpu_cores: float
    """Cores it holds (its batch request), freed when it goes."""
    memory_bytes: float = 0.0
    started_s: float
    checkpoint_s: float | None = None
    """When it last saved its work; None: never, everything since the start is lost."""
    work_lost_core_s: float | None = None
    """CPU work thrown away if it is killed now; None: taken as cores x time since the later of
    start and checkpoint, so that a caller may keep the same tuple of tasks from tick to tick."""
    gang: str = ""
    """Its gang; empty for a task of its own."""
    gang_slack: int = 0
    """How many members may go before the gang falls below its minimum and all work is lost."""
    gang_members: int = 1
    """Members running on all nodes: what a broken gang loses is counted over all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """One sample of one node. Pressure shares are growth of a stall counter per second, 0..1."""

    sampled_s: float
    """End of the interval that the sample covers."""
    covered_s: float = 0.0
    """Length of that interval: a mean over a second is believed at once, a glimpse is not."""
    capacity_cores: float
    online_used_cores: float
    offline_used_cores: float
    system_used_cores: float = 0.0
    online_full_share: float | None = None
    """Growth of `full` in the online groups' cpu.pressure: all their ready tasks waited for a CPU
    that others held (kernel/sched/psi.c), which self-saturation alone does not raise."""
    online_some_share: float | None = None
    """Growth of `some` there: at least one of online's ready tasks waited for a CPU, be it behind
    another of its own; the worst group's."""
    requests: int | None = None
    """Requests answered in the interval by a service with an SLO; None: no latency feed."""
    slow_requests: int = 0
    """How many of them took longer than the SLO's bound."""
    memory_pressure_share: float | None = None
    io_pressure_share: float | None = None
    memory_used_bytes: float | None = None
    memory_capacity_bytes: float | None = None
    offline_held_cores: float = 0.0
    """Sum of what the offline tasks hold, to see when they are suppressed too long."""
    offline_tasks: tuple[OfflineTask, ...] = ()
    """Read only when one must go."""
