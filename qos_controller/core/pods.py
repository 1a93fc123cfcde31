"""Who lives on the node, as the agent knows it: the book that outlives every connection.

Kubernetes' half of the agent writes it, the fast loop and the watchdog only read it, so the node is
protected while the API server is away. Always holds: a pod that the book does not know is judged by
where its cgroup lies, and never as online's enemy: unknown is online.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """What a service promises: this share of its requests is answered within the bound."""

    bound_s: float
    quantile: float = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Where a service's latency comes from."""

    kind: Literal["datagram", "nginx", "http", "prometheus"]
    where: str = ""
    """http: the URL to probe; prometheus: URL#histogram; the others are pushed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of this node: what it is, what it may use, and what it costs to lose it."""

    uid: str
    namespace: str
    name: str
    batch: bool
    """Offline: it uses what online leaves."""
    qos_class: str = "LS"
    """LSE, LSR, LS or BE (`slacktide.contract`)."""
    managed: bool = True
    """False: its owner switched the agent off for it; nothing of it is ever written."""
    cpu_request_cores: float = 0.0
    cpu_limit_cores: float | None = None
    batch_cpu_cores: float | None = None
    """Its kubernetes.io/batch-cpu; None where it asks for none."""
    memory_request_bytes: float = 0.0
    memory_limit_bytes: float | None = None
    batch_memory_bytes: float | None = None
    priority: int = 0
    started_s: float = 0.0
    """Unix time."""
    checkpoint_s: float | None = None
    """Unix time when it last saved its work; None: never."""
    gang: str = ""
    gang_slack: int = 0
    gang_members: int = 1
    ips: tuple[str, ...] = ()
    slo: Slo | None = None
    feed: Feed | None = None
    cpus: tuple[int, ...] = ()
    """CPUs of its own (`whole_cores.choose`); empty: it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All pods of one node at one time."""

    node: str
    written_s: float
    """Unix time."""
    pods: tuple[Pod, ...] = ()
    off: bool = False
    """The node's owner switched the agent off: it restores everything and only watches."""
