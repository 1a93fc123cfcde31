"""Pods of the API server as the book holds them: amounts, class, promise, and what a loss costs.

Always holds: whatever an owner writes in an annotation costs at most its own pod's promise; the UID
is the one that kubelet names the cgroup by, which for a static pod is not the API server's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec

from qos_controller.core.pod_class import Classed, Statements, class_of
from qos_controller.core.pods import Feed, Pod, Slo
from slacktide import contract
from slacktide.durations import parse_duration_s
from slacktide.errors import BadInput
from slacktide.kube.objects import Meta
from slacktide.quantity import parse

STATIC_UID: Final = "kubernetes.io/config.hash"
LONGEST_GRACE_S: Final = 3_600
MOST_MEMBERS: Final = 100_000
_HASH: Final = re.compile(r"[0-9a-f]{32}")
_ENDED: Final = frozenset({"Succeeded", "Failed"})

Amounts = dict[str, str | int | float]
# (UID, annotations, its own addresses) -> what it promises, and where its latency is seen
Promise = Callable[[str, Mapping[str, str], tuple[str, ...]], tuple[Slo | None, Feed | None]]


class _Wire(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """As the API server writes it."""


class Asked(_Wire, frozen=True):
    """Requests and limits of a container, or of the pod as a whole."""

    requests: Amounts | None = None
    limits: Amounts | None = None


class Part(_Wire, frozen=True):
    """A container."""

    name: str = ""
    image: str = ""
    resources: Asked = Asked()
    restart_policy: str = ""


class Spec(_Wire, frozen=True):
    """What was asked for."""

    node_name: str = ""
    containers: tuple[Part, ...] = ()
    init_containers: tuple[Part, ...] = ()
    resources: Asked | None = None
    overhead: Amounts | None = None
    priority: int = 0
    priority_class_name: str = ""
    host_network: bool = False
    termination_grace_period_seconds: int | None = None


class Address(_Wire, frozen=True):
    """One of a pod's."""

    ip: str = ""


class Status(_Wire, frozen=True):
    """What kubelet says."""

    phase: str = ""
    qos_class: str = ""
    start_time: str | None = None
    pod_ips: tuple[Address, ...] = msgspec.field(default=(), name="podIPs")


class NodePod(_Wire, frozen=True):
    """core/v1 Pod, the fields that the agent uses."""

    metadata: Meta
    spec: Spec = Spec()
    status: Status = Status()

    @property
    def uid(self) -> str:
        """As kubelet names its cgroup."""
        text = self.notes.get(STATIC_UID, "") if self.is_static else ""
        # Anybody may write that on a pod: a hash is never the UID of a pod of the API server.
        return text if _HASH.fullmatch(text) else self.metadata.uid

    @property
    def notes(self) -> Mapping[str, str]:
        """Its annotations."""
        return self.metadata.annotations or {}

    @property
    def is_static(self) -> bool:
        """Whether kubelet runs it from a file."""
        return contract.ANNOTATION_MIRROR_POD in self.notes

    @property
    def has_ended(self) -> bool:
        """Nothing of it runs any more."""
        return self.status.phase in _ENDED

    @property
    def is_leaving(self) -> bool:
        """It was told to go."""
        return self.metadata.deletion_timestamp is not None


class TheNode(_Wire, frozen=True):
    """core/v1 Node, the fields that the agent uses."""

    metadata: Meta

    @property
    def is_off(self) -> bool:
        """Whether its owner switched the agent off."""
        return (self.metadata.annotations or {}).get(contract.ANNOTATION_AGENT) == "off"


def classed(pod: NodePod) -> Classed:
    """Its class, and by whose word."""
    return class_of(
        Statements(
            namespace=pod.metadata.namespace,
            labels=pod.metadata.labels or {},
            annotations=pod.notes,
            priority=pod.spec.priority,
            priority_class=pod.spec.priority_class_name,
            static=pod.is_static,
            asks_for_batch=_asks(pod, contract.RESOURCE_BATCH_CPU)
            or _asks(pod, contract.RESOURCE_BATCH_MEMORY),
            kube_class=pod.status.qos_class,
        )
    )


def book_pod(pod: NodePod, *, promise: Promise, now_s: float) -> Pod:
    """As the book holds it."""
    kind = classed(pod)
    # A pod on the node's network answers to the node's addresses, which are not its own.
    ips = () if pod.spec.host_network else tuple(_ips(pod))
    slo, feed = promise(pod.uid, pod.notes, ips)
    gang, slack, members = _gang(pod)
    milli = _requested(pod, contract.RESOURCE_BATCH_CPU)
    return Pod(
        uid=pod.uid,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        batch=kind.batch,
        qos_class=kind.name,
        managed=pod.notes.get(contract.ANNOTATION_AGENT) != "off",
        cpu_request_cores=_requested(pod, "cpu") or 0.0,
        cpu_limit_cores=_limit(pod, "cpu"),
        batch_cpu_cores=None if milli is None else milli / 1_000,
        memory_request_bytes=_requested(pod, "memory") or 0.0,
        memory_limit_bytes=_limit(pod, "memory"),
        batch_memory_bytes=_requested(pod, contract.RESOURCE_BATCH_MEMORY),
        priority=pod.spec.priority,
        started_s=_stamp_s(pod.status.start_time or pod.metadata.creation_timestamp) or 0.0,
        checkpoint_s=_checkpoint_s(pod, now_s),
        gang=gang,
        gang_slack=slack,
        gang_members=members,
        ips=ips,
        slo=slo,
        feed=feed,
    )


def book_pods(pods: Iterable[NodePod], *, promise: Promise, now_s: float) -> tuple[Pod, ...]:
    """Those that run or may soon, by UID; where two say they are the same one, the online one."""
    found: dict[str, Pod] = {}
    for pod in pods:
        if pod.has_ended:
            continue
        one = book_pod(pod, promise=promise, now_s=now_s)
        if one.uid not in found or (found[one.uid].batch and not one.batch):
            found[one.uid] = one
    return tuple(found[uid] for uid in sorted(found))


def grace_s(pod: NodePod, *, most_s: float = LONGEST_GRACE_S) -> int | None:
    """What its owner says it takes to save the work; None: as the pod's own grace period."""
    text = pod.notes.get(contract.ANNOTATION_GRACE)
    own_s = pod.spec.termination_grace_period_seconds
    try:
        asked_s = parse_duration_s(text[:64]) if text else own_s
    except ValueError:
        asked_s = own_s
    if asked_s is None:
        return None
    limited_s = int(min(asked_s, most_s))
    return limited_s if limited_s != own_s else None


def _requested(pod: NodePod, name: str) -> float | None:
    """What the pod reserves, as the scheduler counts it; None where it names none of it."""
    if pod.spec.resources is not None and name in (pod.spec.resources.requests or {}):
        asked = _amount((pod.spec.resources.requests or {})[name])
    elif _asks(pod, name):
        stay = [one for one in pod.spec.init_containers if one.restart_policy == "Always"]
        running = sum(_of(one, name) for one in (*pod.spec.containers, *stay))
        asked = max([running, *(_of(one, name) for one in pod.spec.init_containers)])
    else:
        return None
    return asked + _amount((pod.spec.overhead or {}).get(name, 0))


def _asks(pod: NodePod, name: str) -> bool:
    return any(
        name in (one.resources.requests or {}) or name in (one.resources.limits or {})
        for one in (*pod.spec.containers, *pod.spec.init_containers)
    )


def _limit(pod: NodePod, name: str) -> float | None:
    """Its containers' together; None where one of them may use what it likes."""
    if pod.spec.resources is not None and name in (pod.spec.resources.limits or {}):
        return _amount((pod.spec.resources.limits or {})[name])
    limits = [(one.resources.limits or {}).get(name) for one in pod.spec.containers]
    known = [_amount(one) for one in limits if one is not None]
    return sum(known) if known and len(known) == len(limits) and all(known) else None


def _of(part: Part, name: str) -> float:
    asked = part.resources.requests or {}
    return _amount(asked[name] if name in asked else (part.resources.limits or {}).get(name, 0))


@lru_cache(maxsize=1_000)  # most pods ask for the same few amounts
def _amount(text: str | float) -> float:
    """A quantity; what is none counts as nothing, since the API server lets none through."""
    try:
        return max(0.0, float(parse(text)))
    except BadInput:
        return 0.0


def _gang(pod: NodePod) -> tuple[str, int, int]:
    """Its gang, how many members may go, and how many there are."""
    for name, least, total in (
        (
            contract.ANNOTATION_GANG_NAME,
            contract.ANNOTATION_GANG_MIN,
            contract.ANNOTATION_GANG_TOTAL,
        ),
        (contract.KOORDINATOR_GANG, contract.KOORDINATOR_MIN, contract.KOORDINATOR_TOTAL),
    ):
        gang = pod.notes.get(name, "")
        if gang:
            needed = _count(pod.notes.get(least) or pod.notes.get(total))
            members = max(needed, _count(pod.notes.get(total)))
            return f"{pod.metadata.namespace}/{gang[:253]}", members - needed, members
    return "", 0, 1


def _count(text: str | None) -> int:
    """A whole number from 1; one member where it is none."""
    digits = (text or "").strip()[:9]
    return max(1, min(int(digits), MOST_MEMBERS)) if digits.isascii() and digits.isdigit() else 1


def _checkpoint_s(pod: NodePod, now_s: float) -> float | None:
    """When it last saved its work; a time yet to come is no such time."""
    saved_s = _stamp_s(pod.notes.get(contract.ANNOTATION_CHECKPOINT))
    return saved_s if saved_s is not None and saved_s <= now_s else None


def _stamp_s(text: str | None) -> float | None:
    try:
        at = datetime.fromisoformat(text[:40]) if text else None
        seconds = at.timestamp() if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
    return seconds if seconds is not None and seconds >= 0 else None


def _ips(pod: NodePod) -> Iterable[str]:
    for one in pod.status.pod_ips:
        try:
            yield str(ipaddress.ip_address(one.ip))
        except ValueError:
            continue
