"""A node at one moment, put together for a person: who owns which core, what is held back and why.

Always holds: made from what was read and nothing else; what is not known is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qos_controller.core.memory import MEMORY_STAGES
from qos_controller.core.network import NETWORK_STAGES
from qos_controller.core.pods import Book, Pod
from qos_controller.core.state import STAGE_NAMES

STAGES: dict[str, tuple[str, ...]] = {
    "cpu": STAGE_NAMES,
    "disk": STAGE_NAMES,
    "memory": MEMORY_STAGES,
    "network": NETWORK_STAGES,
}


@dataclass(frozen=True, slots=True)
class CoreMap:
    """Which CPUs there are, and which groups are bound to some of them."""

    cpus: tuple[int, ...]
    by_pod: Mapping[str, tuple[int, ...]]
    """UID -> CPUs, of every pod that has a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An online pod that is bound to CPUs of its own choice."""

    letter: str
    pod: str
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What one service promises."""

    pod: str
    bound_s: float
    quantile: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The newest tick; rates and shares as in `ticks.Tick`."""

    level: float | None
    quota_cores: float | None
    online_used_cores: float | None
    offline_used_cores: float | None
    system_used_cores: float | None
    online_full_share: float | None
    io_full_share: float | None
    memory_used_share: float | None
    requests_per_s: float | None
    slow_share: float | None
    latency_s: float | None
    disk_write_limit_bytes_per_s: float | None
    egress_limit_bytes_per_s: float | None
    frozen_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One sentence of the diary."""

    at_s: float
    kind: str
    pod: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The process behind it."""

    pid: int
    alive: bool
    heard_s: float | None
    """Seconds since its last heartbeat; None before the first."""
    runs_s: float
    tick_cost_s: float | None
    """Median of the last ticks."""
    core_share: float | None
    """Of one core, CPU time of the loop since it began; None where it is not alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePicture:
    """All of it."""

    node: str
    agent: Agent
    cpus: tuple[int, ...]
    owners: tuple[Owner, ...]
    floating_pods: int
    """Online pods that run wherever there is room."""
    batch_pods: int
    batch_cpus: tuple[int, ...]
    """Where batch may run; empty where there is none."""
    stages: Mapping[str, str]
    now: Now | None
    latencies_s: tuple[float, ...]
    """Worst latency of equal stretches of the last ticks, oldest first."""
    promises: tuple[Promise, ...]
    evictions: int
    told: tuple[Told, ...]
    """Newest first."""


def owners_of(book: Book, cores: CoreMap) -> tuple[Owner, ...]:
    """Online pods that are bound to fewer CPUs than there are, by name, with a letter each."""
    everywhere = set(cores.cpus)
    bound = [
        (name_of(pod), cpus)
        for pod in book.pods
        if not pod.batch and (cpus := cores.by_pod.get(pod.uid)) and set(cpus) != everywhere
    ]
    return tuple(
        Owner(letter=_letter(at), pod=name, cpus=cpus)
        for at, (name, cpus) in enumerate(sorted(bound))
    )


def batch_cpus_of(book: Book, cores: CoreMap) -> tuple[int, ...]:
    """CPUs on which at least one batch pod may run."""
    batch = [pod for pod in book.pods if pod.batch]
    found = {cpu for pod in batch for cpu in cores.by_pod.get(pod.uid, cores.cpus)}
    return tuple(sorted(found))


def promises_of(pods: Iterable[Pod]) -> tuple[Promise, ...]:
    """Of all pods that have an SLO, the strictest first."""
    found = [
        Promise(pod=name_of(pod), bound_s=pod.slo.bound_s, quantile=pod.slo.quantile)
        for pod in pods
        if pod.slo is not None and not pod.batch
    ]
    return tuple(sorted(found, key=lambda one: (one.bound_s, one.pod)))


def name_of(pod: Pod) -> str:
    """As kubectl shows it."""
    return f"{pod.namespace}/{pod.name}"


def stage_name(resource: str, stage: int) -> str:
    """In words; a stage of a newer agent by its number."""
    names = STAGES[resource]
    return names[stage] if stage < len(names) else f"stage {stage}"


def worst_of(values: list[float], *, parts: int) -> tuple[float, ...]:
    """The largest finite value in each of equal stretches; 0 where a stretch has none."""
    size = max(math.ceil(len(values) / parts), 1)
    stretches = (values[at : at + size] for at in range(0, len(values), size))
    return tuple(
        max((one for one in stretch if math.isfinite(one)), default=0.0) for stretch in stretches
    )


def finite(value: float) -> float | None:
    """The diary's NaN, and what knows no end, is nothing here."""
    return value if math.isfinite(value) else None


def _letter(at: int) -> str:
    return chr(ord("A") + at) if at < 26 else "+"
