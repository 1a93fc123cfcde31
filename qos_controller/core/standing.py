"""What a pod's groups hold all the time: the calm stage of every ladder.

Always holds: online is never held back here, it only gains (burst, whole cores); batch has the
lightest weight wherever its cgroup lies, also a stray among ordinary pods; who is not managed has
no standing at all. A field that is None is left as it was found.
Sources: cpu.weight 1 and oom_score_adj 1000 are what Kubernetes gives BestEffort; CPU burst after
Chang et al. (kernel/sched/fair.c, cfs_b->burst), which may not exceed the quota.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from qos_controller.core.node_settings import StandingSettings
from qos_controller.core.pods import Pod

WHOLE_CORE_CLASSES: Final = ("LSE", "LSR")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What of the node a standing depends on."""

    capacity_cores: float
    capacity_bytes: float
    bound: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """CPUs that a pod has to itself, by UID (`whole_cores.bind`)."""
    shared_cpus: tuple[int, ...] = ()
    """CPUs that batch may use; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One pod's share of the node while nothing is wrong."""

    weight: int | None = None
    """cpu.weight of the pod's group, 1..10000; 1 is cpu.shares 2."""
    idle: bool = False
    """cpu.idle: run only where nobody else wants to."""
    quota_cores: float | None = None
    memory_limit_bytes: float | None = None
    oom_score_adj: int | None = None
    disk_weight: int | None = None
    """io.weight 1..10000 or blkio.bfq.weight 1..1000 of the pod's group."""
    io_class: Literal["", "idle"] = ""
    """I/O priority class of its threads; empty: as it is."""
    burst_share: float | None = None
    """CPU that may be saved up and used at once, as a share of the pod's own quota."""
    cpus: tuple[int, ...] = ()
    """CPUs it runs on; empty: as it is."""


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
        weight=settings.batch_weight,
        idle=settings.batch_idle,
        quota_cores=cores if limits_cpu else None,
        memory_limit_bytes=memory_bytes if limits_memory else None,
        oom_score_adj=settings.batch_oom_score_adj,
        disk_weight=settings.batch_disk_weight,
        io_class="idle" if settings.batch_io_idle else "",
        cpus=facts.shared_cpus,
    )


def _of_online(pod: Pod, facts: NodeFacts, settings: StandingSettings) -> Standing:
    limited = pod.cpu_limit_cores is not None and settings.online_burst_share > 0.0
    cpus = facts.bound.get(pod.uid, ()) if pod.qos_class in WHOLE_CORE_CLASSES else ()
    return Standing(burst_share=settings.online_burst_share if limited else None, cpus=cpus)
