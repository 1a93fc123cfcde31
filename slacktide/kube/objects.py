"""The Kubernetes objects as slacktide sees them: the fields it uses, decoded once, at the door.

What is not named here is skipped by the decoder, and what is held keeps nothing else alive: so a
hundred thousand pods fit into little memory. Python's collector has no business with them
(`gc=False`): JSON holds no cycles, and walking millions of parts again and again costs more than
decoding them. An object of another shape than its API promises is refused (`DecodeError`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")
SHARED: Final = 4_096  # texts that many pods have in common are held once


class Owner(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Who made an object."""

    kind: str
    name: str
    uid: str
    api_version: str = ""
    controller: bool = False


class Meta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What every object has."""

    name: str
    uid: str = ""
    namespace: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[Owner, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Resources(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A container's, as quantities: the API server sends texts, a manifest may hold numbers."""

    requests: dict[str, str | int | float] | None = None
    limits: dict[str, str | int | float] | None = None


class Port(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Of a container; one of the node itself where `host_port` is not 0."""

    host_port: int = 0
    host_ip: str = msgspec.field(default="", name="hostIP")
    protocol: str = "TCP"


class Container(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Of a pod."""

    name: str
    image: str = ""
    resources: Resources = Resources()
    ports: tuple[Port, ...] = ()


class Gate(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """While any is there the pod is not scheduled."""

    name: str


class Claim(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A volume by the name of its claim."""

    claim_name: str


class ClaimTemplate(msgspec.Struct, frozen=True, gc=False):
    """Of a claim that is made with the pod; that there is one is all that matters."""


class Volume(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Of a pod; most are of no interest to who places it."""

    name: str
    persistent_volume_claim: Claim | None = None
    ephemeral: ClaimTemplate | None = None


class SchedulingGroup(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Kubernetes' own gang."""

    pod_group_name: str | None = None


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What was asked for."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node_name: str = ""
    active_deadline_seconds: int | None = None
    scheduler_name: str = ""
    priority: int = 0
    priority_class_name: str = ""
    scheduling_gates: tuple[Gate, ...] = ()
    scheduling_group: SchedulingGroup | None = None
    node_selector: dict[str, str] | None = None
    overhead: dict[str, str | int | float] | None = None
    volumes: tuple[Volume, ...] = ()
    # Judged where they are met, left alone elsewhere; empty where missing. (`Raw | None` would
    # decode null alone.)
    affinity: msgspec.Raw = msgspec.Raw()
    tolerations: msgspec.Raw = msgspec.Raw()
    topology_spread_constraints: msgspec.Raw = msgspec.Raw()
    resource_claims: msgspec.Raw = msgspec.Raw()

    def __post_init__(self) -> None:
        """A decoded `Raw` is a view that keeps its whole page alive, so a copy is held."""
        for name in _TEXTS:
            if view := getattr(self, name):
                msgspec.structs.force_setattr(self, name, _own(bytes(view)))


_TEXTS: Final = ("affinity", "tolerations", "topology_spread_constraints", "resource_claims")


@lru_cache(SHARED)
def _own(text: bytes) -> msgspec.Raw:
    return msgspec.Raw(text)


class PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What became of it."""

    phase: str = ""
    nominated_node_name: str = ""


class Pod(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """core/v1."""

    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Taint(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a pod has to tolerate."""

    key: str
    effect: str
    value: str = ""


class Condition(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Of a node."""

    type: str
    status: str


class NodeSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What an operator set."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What kubelet says."""

    allocatable: dict[str, str | int | float] | None = None
    capacity: dict[str, str | int | float] | None = None
    conditions: tuple[Condition, ...] = ()


class Node(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """core/v1."""

    metadata: Meta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class PageMeta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where a list stands, and whether there is more of it."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, Generic[T], frozen=True, gc=False, rename="camel"):
    """One answer to a list."""

    metadata: PageMeta
    items: tuple[T, ...] = ()


class Event(msgspec.Struct, frozen=True, gc=False):
    """One line of a watch; what it holds depends on its type."""

    type: str
    object: msgspec.Raw


class Bookmark(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An event that only says how far the server has come."""

    metadata: PageMeta


class Status(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What the server says went wrong."""

    code: int = 0
    reason: str = ""
    message: str = ""
