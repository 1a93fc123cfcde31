"""The extender's answers: what was planned is let through, in constant time, and nothing else.

kube-scheduler asks about one pod at a time and cannot be told to hold a gang, so nothing is decided
here: the planner has committed whole gangs, and `Places` says where each of their pods goes. The
filter offers that one node, which spares kube-scheduler the scoring.

    a pod that wants nothing of ours   all nodes, as they came (unless no such pod is asked about)
    planned                            its node, if it was offered
    not planned (yet)                  none; the message never changes, because kube-scheduler
                                       patches the pod with it and wakes itself up by that patch

Bytes in, bytes out: what is only passed on is not parsed. The same question has the same answer
however often it is asked, which a simulated PodGroup cycle needs.

Source of the wire format: k8s.io/kube-scheduler/extender/v1, whose structs have no JSON tags and so
carry Go's capitals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeVar

import msgspec

T = TypeVar("T")

MOST_BYTES: Final = 8 << 20  # of a question: 5,000 names of the longest kind are 1.3 MB
MOST_COUNT: Final = (1 << 63) - 1  # of Go's int64, which the answer is read into
MOST_SCORE: Final = 10  # k8s.io/kube-scheduler/extender/v1.MaxExtenderPriority

WAITS: Final = "slacktide: waits for its gang to be planned"
ELSEWHERE: Final = "slacktide: its gang is planned on another node"
NOT_BATCH: Final = "slacktide: only batch pods make room for batch pods"


_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_COUNT)]


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


class _Filter(msgspec.Struct, frozen=True):
    pod: _Pod = msgspec.field(name="Pod")
    names: msgspec.Raw = msgspec.field(name="NodeNames", default=msgspec.Raw(b"null"))


class _Victim(msgspec.Struct, frozen=True):
    uid: str = msgspec.field(name="UID")


class _Victims(msgspec.Struct, frozen=True):
    pods: tuple[_Victim, ...] | None = msgspec.field(name="Pods", default=None)
    violations: _Count = msgspec.field(name="NumPDBViolations", default=0)


class _Preempt(msgspec.Struct, frozen=True):
    pod: _Pod = msgspec.field(name="Pod")
    victims: dict[str, _Victims] | None = msgspec.field(name="NodeNameToMetaVictims", default=None)


class _Bind(msgspec.Struct, frozen=True):
    name: str = msgspec.field(name="PodName")
    namespace: str = msgspec.field(name="PodNamespace")
    uid: str = msgspec.field(name="PodUID")
    node: str = msgspec.field(name="Node")


@dataclass(frozen=True, slots=True)
class Binding:
    """A pod that kube-scheduler asks us to bind."""

    name: str
    namespace: str
    uid: str
    node: str


@dataclass(slots=True)
class Places:
    """Where planned pods go, and which pods are batch; kept by the planner, read here."""

    node_of: dict[str, str] = field(default_factory=dict)  # pod UID -> node
    waiting: set[str] = field(default_factory=set)  # UIDs of batch pods that are not planned
    batch: set[str] = field(default_factory=set)  # UIDs of all batch pods that run
    # kube-scheduler may hear of a pod before we do; where managedResources has it ask about batch
    # pods alone, a pod we have not heard of is one that waits.
    unknown_waits: bool = False


_NAMES: Final = msgspec.json.Decoder(list[str])
_FILTER: Final = msgspec.json.Decoder(_Filter)
_PREEMPT: Final = msgspec.json.Decoder(_Preempt)
_BIND: Final = msgspec.json.Decoder(_Bind)


def filtered(question: bytes, places: Places) -> bytes:
    """The answer to a filter call. Raises `ValueError` for what is no such call."""
    asked = _decoded(_FILTER, question)
    uid, names = asked.pod.metadata.uid, bytes(asked.names)
    if names[:1] != b"[":
        return _no("slacktide needs nodeCacheCapable: true, which sends names of nodes")
    node = places.node_of.get(uid)
    if node is not None:
        quoted = msgspec.json.encode(node)
        if quoted in names:
            return _nodes(b"[" + quoted + b"]")
        return _nodes(b"[]", unresolvable={node: ELSEWHERE})
    if places.unknown_waits or uid in places.waiting:
        return _nodes(b"[]", unresolvable={"": WAITS})
    _decoded(_NAMES, names)
    return _nodes(names)


def prioritized(question: bytes, places: Places) -> bytes:
    """The answer to a prioritize call: the planned node above all. Raises `ValueError`."""
    asked = _decoded(_FILTER, question)
    node = places.node_of.get(asked.pod.metadata.uid)
    if node is None or msgspec.json.encode(node) not in bytes(asked.names):
        return b"[]"
    return msgspec.json.encode([{"Host": node, "Score": MOST_SCORE}])


def preempted(question: bytes, places: Places) -> bytes:
    """The answer to a preempt call: nodes whose victims are all batch pods. Raises `ValueError`."""
    asked = _decoded(_PREEMPT, question)
    kept = {
        node: {
            "Pods": [{"UID": victim.uid} for victim in victims.pods or ()],
            "NumPDBViolations": victims.violations,
        }
        for node, victims in (asked.victims or {}).items()
        if victims.pods and all(victim.uid in places.batch for victim in victims.pods)
    }
    return msgspec.json.encode({"NodeNameToMetaVictims": kept})


def asked_binding(question: bytes) -> Binding:
    """Which pod to bind where. Raises `ValueError` for what is no such call."""
    asked = _decoded(_BIND, question)
    if not (asked.uid and asked.node):
        raise ValueError("a binding needs PodUID and Node")
    return Binding(asked.name, asked.namespace, asked.uid, asked.node)


def may_bind(binding: Binding, places: Places) -> str:
    """Empty, or why not: what is not planned there is not bound there."""
    planned = places.node_of.get(binding.uid)
    if planned == binding.node:
        return ""
    return WAITS if planned is None else ELSEWHERE


def bound(error: str = "") -> bytes:
    """The answer to a bind call."""
    return msgspec.json.encode({"Error": error})


def _decoded(decoder: msgspec.json.Decoder[T], question: bytes) -> T:
    if len(question) > MOST_BYTES:
        raise ValueError(f"a question of more than {MOST_BYTES} bytes")
    try:
        return decoder.decode(question)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise ValueError(f"not what kube-scheduler sends: {why}") from why


def _nodes(names: bytes, *, unresolvable: Mapping[str, str] | None = None) -> bytes:
    """A filter's answer; `names` is JSON already."""
    refused = msgspec.json.encode(dict(unresolvable or {}))
    return (
        b'{"NodeNames":'
        + names
        + b',"FailedNodes":{},"FailedAndUnresolvableNodes":'
        + refused
        + b',"Error":""}'
    )


def _no(why: str) -> bytes:
    return msgspec.json.encode({"NodeNames": [], "Error": why})
