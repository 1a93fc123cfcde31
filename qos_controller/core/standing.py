"""What a pod's groups hold all the time: the calm stage of every ladder.

Always holds: online is never held back here, it only gains (burst, whole cores), and keeps off the
cores of another's own; batch has the lightest weight wherever its cgroup lies, also a stray among
ordinary pods, and its CPUs are the actuator's alone (`keep_batch_on`); who is not managed has no
standing at all. A field that is None is left as it was found.
Sources: cpu.weight 1 and oom_score_adj 1000 are what Kubernetes gives BestEffort; CPU burst after
Chang et al. (kernel/sched/fair.c, cfs_b->burst), which may not exceed the quota.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from qos_controller.core.node_settings import StandingSettings
from qos_controller.core.pods import Pod

IoClass = Literal["idle", "low", "normal", "high"]
WHOLE_CORE_CLASSES: Final = ("LSE", "LSR")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What of the node a standing depends on."""

    capacity_cores: float
    capacity_bytes: float
    bound: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """CPUs that a pod has to itself, by UID (`whole_cores.places`)."""
    online_cpus: tuple[int, ...] = ()
    """CPUs that all other online pods may use; empty: those they had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One pod's groups while nothing is wrong, or those that all batch pods share."""

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


NOTHING: Final = Standing()


def standing(pod: Pod, facts: NodeFacts, settings: StandingSettings) -> Standing:
    """What this pod's groups hold; `NOTHING` for one that its owner took out of our hands."""
    if not pod.managed:
        return NOTHING
    return _of_batch(pod, facts, settings) if pod.batch else _of_online(pod, facts, settings)


def _of_batch(pod: Pod, facts: NodeFacts, settings: StandingSettings) -> Standing:
    cores, memory_bytes = pod.batch_cpu_cores, pod.batch_memory_bytes
    # A limit at or above the whole node limits nothing, and kubelet refuses some of them.
    limits_cpu = cores is not None and 0.0 < cores < facts.capacity_cores
    limits_memory = memory_bytes is not None and 0.0 < memory_bytes < facts.capacity_bytes
    return Standing(
        cpu_shares=settings.batch_cpu_shares,
        idle=settings.batch_idle or None,
        quota_cores=cores if limits_cpu else None,
        memory_limit_bytes=memory_bytes if limits_memory else None,
        oom_score_adj=settings.batch_oom_score_adj,
        disk_weight=settings.batch_disk_weight,
        io_class="idle" if settings.batch_io_idle else None,
    )


def _of_online(pod: Pod, facts: NodeFacts, settings: StandingSettings) -> Standing:
    burst_cores = (pod.cpu_limit_cores or 0.0) * settings.online_burst_share
    own = facts.bound.get(pod.uid) if pod.qos_class in WHOLE_CORE_CLASSES else None
    return Standing(burst_cores=burst_cores or None, cpus=own or facts.online_cpus or None)
