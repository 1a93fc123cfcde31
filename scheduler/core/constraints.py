"""What a pod asks of where it runs, beyond room: read once at the door, compared by value inside.

Two pods with equal `Rules` may run on the same nodes, so a thousand tasks of a job are judged as
one. What cannot be judged from nodes and pods alone (volumes not bound yet, device claims,
namespaces chosen by label) is named in `unjudged` and left to kube-scheduler, which checks it when
it binds.

Source: core/v1 PodSpec (affinity, tolerations, topologySpreadConstraints, volumes, host ports).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import msgspec

from scheduler.core.labels import EVERYWHERE, NODE_NAME, Need, Needs, PodGroup
from slacktide.errors import BadInput
from slacktide.kube.objects import Pod, PodSpec

T = TypeVar("T")

NodeChoice = tuple[Needs, ...]  # one of them holds; none at all is no choice and holds nowhere
ANY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104 a host port's default, nothing is bound here


class Toleration(NamedTuple):
    """Of taints; an empty key tolerates every taint, an empty effect every effect."""

    key: str
    operator: str
    value: str
    effect: str


class PeerTerm(NamedTuple):
    """Pods near which to run, or not; near is the same value of a node's label."""

    topology_key: str
    group: PodGroup


class Leaning(NamedTuple):
    """A wish about pods nearby; a negative weight wishes them away."""

    term: PeerTerm
    weight: int


class Spread(NamedTuple):
    """How evenly the pods of a group lie over domains; an infinite skew is a wish."""

    term: PeerTerm
    max_skew: float
    min_domains: int


class Preference(NamedTuple):
    """A wish about the node."""

    weight: int
    needs: Needs


class HostPort(NamedTuple):
    """A port of the node itself."""

    protocol: str
    port: int
    address: str


class Pack(NamedTuple):
    """The whole gang in one domain of a topology, all its roles."""

    topology_key: str
    required: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """All a pod asks of its node and neighbours, and what its neighbours may ask about it."""

    namespace: str = "default"
    labels: tuple[tuple[str, str], ...] = ()  # sorted
    choices: tuple[NodeChoice, ...] = ()  # each must hold: selector, affinity, bound volumes
    preferences: tuple[Preference, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    apart: tuple[PeerTerm, ...] = ()
    together: tuple[PeerTerm, ...] = ()
    leanings: tuple[Leaning, ...] = ()
    spreads: tuple[Spread, ...] = ()
    ports: tuple[HostPort, ...] = ()
    pack: Pack | None = None
    unjudged: tuple[str, ...] = ()


class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    """As the API server writes it."""


class _Requirement(_Wire, frozen=True):
    key: str
    operator: str
    values: tuple[str, ...] = ()

    def need(self, prefix: str = "") -> Need:
        return Need(prefix + self.key, self.operator, self.values)


class _NodeTerm(_Wire, frozen=True):
    match_expressions: tuple[_Requirement, ...] = ()
    match_fields: tuple[_Requirement, ...] = ()

    def needs(self) -> Needs:
        fields = [Need(NODE_NAME, field.operator, field.values) for field in self.match_fields]
        return (*[asked.need() for asked in self.match_expressions], *fields)


class NodeSelector(_Wire, frozen=True):
    """core/v1; also what a bound volume says about its nodes."""

    node_selector_terms: tuple[_NodeTerm, ...] = ()

    def choice(self) -> NodeChoice:
        """Its terms; an empty one matches no node."""
        return tuple(needs for term in self.node_selector_terms if (needs := term.needs()))


class _PreferredNode(_Wire, frozen=True):
    weight: int
    preference: _NodeTerm


class _NodeAffinity(_Wire, frozen=True):
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[_PreferredNode, ...] = ()


class _LabelSelector(_Wire, frozen=True):
    match_labels: dict[str, str] | None = None
    match_expressions: tuple[_Requirement, ...] = ()

    def needs(self) -> Needs:
        equal = [Need(key, "In", (value,)) for key, value in (self.match_labels or {}).items()]
        return (*sorted(equal), *[asked.need() for asked in self.match_expressions])


class _PodTerm(_Wire, frozen=True):
    topology_key: str
    label_selector: _LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: _LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class _WeightedPodTerm(_Wire, frozen=True):
    weight: int
    pod_affinity_term: _PodTerm


class _PodAffinity(_Wire, frozen=True):
    required_during_scheduling_ignored_during_execution: tuple[_PodTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[_WeightedPodTerm, ...] = ()


class _Affinity(_Wire, frozen=True):
    node_affinity: _NodeAffinity = _NodeAffinity()
    pod_affinity: _PodAffinity = _PodAffinity()
    pod_anti_affinity: _PodAffinity = _PodAffinity()


class _Spread(_Wire, frozen=True):
    max_skew: int
    topology_key: str
    when_unsatisfiable: str
    label_selector: _LabelSelector | None = None
    min_domains: int = 1
    match_label_keys: tuple[str, ...] = ()


class _Toleration(_Wire, frozen=True):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


def rules_of(
    pod: Pod,
    *,
    volumes: Mapping[str, NodeSelector] | None = None,
    pack: Pack | None = None,
) -> Rules:
    """What a pod asks.

    Args:
        pod: as decoded from the API server.
        volumes: where the bound volume of each claim of the pod's namespace can be reached.
        pack: the gang's wish to lie in one domain.

    Raises:
        BadInput: a field has another shape than its API promises.
    """
    try:
        return _Reading(pod).rules(volumes or {}, pack)
    except (msgspec.DecodeError, UnicodeDecodeError) as why:
        name = f"{pod.metadata.namespace}/{pod.metadata.name}"
        raise BadInput(f"pod {name}: its spec is not core/v1 ({why}); fix its template") from why


@dataclass(slots=True)
class _Reading:
    """One pod while it is read."""

    pod: Pod
    unjudged: list[str] = field(default_factory=list)

    def rules(self, volumes: Mapping[str, NodeSelector], pack: Pack | None) -> Rules:
        spec, labels = self.pod.spec, self.pod.metadata.labels or {}
        asked = _decoded(spec.affinity, _Affinity, _Affinity())
        near, away = asked.pod_affinity, asked.pod_anti_affinity
        wishes = [
            Leaning(term, sign * weighted.weight)
            for sign, side in ((1, near), (-1, away))
            for weighted in side.preferred_during_scheduling_ignored_during_execution
            for term in self.terms((weighted.pod_affinity_term,))
        ]
        return Rules(
            namespace=self.pod.metadata.namespace or "default",
            labels=tuple(sorted(labels.items())),
            choices=(*_node_choices(spec, asked.node_affinity), *self.reachable(volumes)),
            preferences=tuple(
                Preference(wish.weight, wish.preference.needs())
                for wish in asked.node_affinity.preferred_during_scheduling_ignored_during_execution
            ),
            tolerations=_tolerations(spec),
            apart=self.terms(away.required_during_scheduling_ignored_during_execution),
            together=self.terms(near.required_during_scheduling_ignored_during_execution),
            leanings=tuple(wishes),
            spreads=self.spreads(),
            ports=_host_ports(spec),
            pack=pack,
            unjudged=(*self.unjudged, *_claims(spec)),
        )

    def terms(self, terms: tuple[_PodTerm, ...]) -> tuple[PeerTerm, ...]:
        return tuple(read for term in terms if (read := self.term(term)) is not None)

    def term(self, term: _PodTerm) -> PeerTerm | None:
        chosen = term.namespace_selector
        if chosen is not None and chosen.needs():
            self.unjudged.append("an affinity to namespaces chosen by label")
            return None
        own = () if term.namespaces else (self.pod.metadata.namespace or "default",)
        namespaces = EVERYWHERE if chosen is not None else (*sorted(term.namespaces), *own)
        needs = self.needs(term.label_selector, term.match_label_keys, term.mismatch_label_keys)
        return PeerTerm(term.topology_key, PodGroup(namespaces, needs))

    def spreads(self) -> tuple[Spread, ...]:
        own = (self.pod.metadata.namespace or "default",)
        asked = _decoded(self.pod.spec.topology_spread_constraints, tuple[_Spread, ...], ())
        return tuple(
            Spread(
                term=PeerTerm(
                    spread.topology_key,
                    PodGroup(own, self.needs(spread.label_selector, spread.match_label_keys)),
                ),
                max_skew=spread.max_skew
                if spread.when_unsatisfiable == "DoNotSchedule"
                else math.inf,
                min_domains=spread.min_domains,
            )
            for spread in asked
        )

    def needs(
        self,
        selector: _LabelSelector | None,
        same: tuple[str, ...],
        other: tuple[str, ...] = (),
    ) -> Needs | None:
        if selector is None:
            return None
        labels = self.pod.metadata.labels or {}
        return (
            *selector.needs(),
            *[Need(key, "In", (labels[key],)) for key in same if key in labels],
            *[Need(key, "NotIn", (labels[key],)) for key in other if key in labels],
        )

    def reachable(self, volumes: Mapping[str, NodeSelector]) -> list[NodeChoice]:
        choices = []
        for volume in self.pod.spec.volumes:
            claim = volume.persistent_volume_claim
            if claim is not None and claim.claim_name in volumes:
                choices.append(volumes[claim.claim_name].choice())
            elif claim is not None or volume.ephemeral is not None:
                self.unjudged.append(f"where volume {volume.name} can be reached")
        return [choice for choice in choices if choice]


def _decoded(raw: msgspec.Raw, kind: type[T], missing: T) -> T:
    """A field as its API has it; null is as good as missing."""
    if bytes(raw) in {b"", b"null"}:
        return missing
    return msgspec.json.decode(raw, type=kind)


def _node_choices(spec: PodSpec, affinity: _NodeAffinity) -> list[NodeChoice]:
    selector = tuple(
        Need(key, "In", (value,)) for key, value in sorted((spec.node_selector or {}).items())
    )
    required = affinity.required_during_scheduling_ignored_during_execution
    return [
        *([(selector,)] if selector else []),
        *([required.choice()] if required is not None else []),
    ]


def _tolerations(spec: PodSpec) -> tuple[Toleration, ...]:
    asked = _decoded(spec.tolerations, tuple[_Toleration, ...], ())
    return tuple(sorted(Toleration(t.key, t.operator, t.value, t.effect) for t in asked))


def _host_ports(spec: PodSpec) -> tuple[HostPort, ...]:
    found = {
        HostPort(port.protocol, port.host_port, port.host_ip)
        for container in spec.containers
        for port in container.ports
        if port.host_port
    }
    return tuple(sorted(found))


def _claims(spec: PodSpec) -> list[str]:
    return ["which devices its claims get"] if bytes(spec.resource_claims) else []
