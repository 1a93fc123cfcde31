"""Pods of the API server as tasks: which are batch, what they ask for, how far they have come.

A pod is batch when it asks for an oversold resource. One that cannot be read (a quantity that is
none, an annotation that is no number) is left alone and said once; it never stops a round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING
from functools import lru_cache
from typing import Final

import msgspec
from msgspec.structs import replace

from scheduler.adapters.copying import unpinned
from scheduler.adapters.gpu_notes import KOORDINATOR_GPUS, gpu_asked
from scheduler.core.member import Member, Stage, decision_of
from scheduler.core.members import created_s
from scheduler.core.ways_in.order import gang_key
from slacktide.contract import (
    ANNOTATION_DECISION,
    ANNOTATION_DURATION,
    ANNOTATION_REPLACES,
    DEFAULT_QUEUE,
    GATE_GANG,
    IGNORED_BY_KUBE_SCHEDULER,
    LABEL_QUEUE,
    RESOURCE_BATCH_CPU,
    RESOURCE_BATCH_MEMORY,
)
from slacktide.durations import parse_duration_s
from slacktide.errors import BadInput
from slacktide.kube.objects import Container, Pod
from slacktide.quantity import parse

DEFAULT_DURATION_S: Final = 3_600
_ENDED: Final = {"Succeeded": Stage.DONE, "Failed": Stage.FAILED}
OURS: Final = frozenset(
    {RESOURCE_BATCH_CPU, RESOURCE_BATCH_MEMORY, *IGNORED_BY_KUBE_SCHEDULER, *KOORDINATOR_GPUS}
)

Quantities = Mapping[str, str | int | float]


def is_batch(pod: Pod) -> bool:
    """Whether it asks for an oversold resource."""
    return any(
        RESOURCE_BATCH_CPU in asked or RESOURCE_BATCH_MEMORY in asked
        for one in (*pod.spec.containers, *pod.spec.init_containers)
        if (asked := one.resources.requests or one.resources.limits)
    )


def member_of(pod: Pod) -> Member:
    """A batch pod as a task. Raises `BadInput` for what cannot be read."""
    meta, notes = pod.metadata, pod.metadata.annotations or {}
    gates = [gate.name for gate in pod.spec.scheduling_gates]
    cpu_milli, memory_bytes = _asked(pod, RESOURCE_BATCH_CPU), _asked(pod, RESOURCE_BATCH_MEMORY)
    if not cpu_milli + memory_bytes:
        raise BadInput("it asks for none of what it names")
    minds = _minds(pod)
    decision = None if GATE_GANG in gates else decision_of(notes.get(ANNOTATION_DECISION))
    return Member(
        uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        gang=gang_key(pod),
        queue=(meta.labels or {}).get(LABEL_QUEUE, DEFAULT_QUEUE),
        cpu_milli=cpu_milli,
        memory_bytes=memory_bytes,
        created_s=int(created_s(meta)),
        duration_s=_duration_s(notes),
        stage=_stage(pod, decided=decision is not None, gates=gates),
        node=pod.spec.node_name or (decision.node if decision is not None else ""),
        decision=decision,
        owned=any(owner.controller for owner in meta.owner_references),
        gated=GATE_GANG in gates,
        replaces=notes.get(ANNOTATION_REPLACES, ""),
        gpu=gpu_asked(lambda resource: _asked(pod, resource), notes),
        plain=not minds and _is_plain(pod),
        minds=minds,
        pinned=b'"matchFields"' in bytes(pod.spec.affinity),
        nominated=pod.status.nominated_node_name,
    )


def requests_of(pod: Pod) -> tuple[int, int]:
    """Milli-cores and bytes: of oversold resources, or of the plain ones that admission turns so.

    Raises:
        BadInput: for a quantity that is none.
    """
    if is_batch(pod):
        return _asked(pod, RESOURCE_BATCH_CPU), _asked(pod, RESOURCE_BATCH_MEMORY)
    return _asked(pod, "cpu", in_a_whole=1_000), _asked(pod, "memory")


def _stage(pod: Pod, *, decided: bool, gates: list[str]) -> Stage:
    if pod.status.phase in _ENDED:
        return _ENDED[pod.status.phase]
    if pod.metadata.deletion_timestamp:
        return Stage.LEAVING
    if pod.spec.node_name:
        return Stage.BOUND
    if any(gate != GATE_GANG for gate in gates):
        return Stage.GATED
    return Stage.RELEASED if decided else Stage.WAITING


def _asked(pod: Pod, resource: str, *, in_a_whole: int = 1) -> int:
    """What the pod asks for: containers together, or the largest init container if that is more."""
    running = sum([_of(one, resource, in_a_whole) for one in pod.spec.containers])
    if not pod.spec.init_containers:
        return running
    return max([running, *(_of(one, resource, in_a_whole) for one in pod.spec.init_containers)])


def _of(container: Container, resource: str, in_a_whole: int) -> int:
    asked = container.resources.requests or container.resources.limits or {}
    return _amount(resource, asked[resource], in_a_whole) if resource in asked else 0


@lru_cache(maxsize=10_000)  # most pods ask for the same few amounts
def _amount(resource: str, text: str | float, in_a_whole: int) -> int:
    amount = int((parse(text) * in_a_whole).to_integral_value(rounding=ROUND_CEILING))
    if not 0 <= amount <= 1 << 60:
        raise BadInput(f"{resource}: {text} is no amount of a pod")
    return amount


def _is_plain(pod: Pod) -> bool:
    """Whether nothing but oversold resources decides where it may run, neighbours apart."""
    spec = pod.spec
    if spec.node_selector or bytes(spec.affinity) or bytes(spec.resource_claims):
        return False
    if any(one.persistent_volume_claim or one.ephemeral for one in spec.volumes):
        return False
    return all(_only_ours(one) for one in (*spec.containers, *spec.init_containers))


def runs_anywhere(pod: Pod, *, pin: str) -> bool:
    """Whether nothing but oversold resources, and our own pin to a node, decides where it runs."""
    wishes = pod.spec.affinity
    if bytes(wishes) and unpinned(msgspec.json.decode(wishes) or {}, pin):
        return False
    free = replace(pod, spec=replace(pod.spec, affinity=msgspec.Raw()))
    return not _minds(free) and _is_plain(free)


def _minds(pod: Pod) -> bool:
    """Whether it matters who else runs there; read from the texts, since few pods have any."""
    spec = pod.spec
    wishes = bytes(spec.affinity)
    near = b"podAffinity" in wishes or b"podAntiAffinity" in wishes
    ports = any(port.host_port for one in spec.containers for port in one.ports)
    return near or ports or bool(bytes(spec.topology_spread_constraints))


def _only_ours(container: Container) -> bool:
    given: Iterable[Quantities | None] = (container.resources.requests, container.resources.limits)
    return all(name in OURS for one in given if one for name in one)


def _duration_s(notes: Mapping[str, str]) -> int:
    """As its owner expects it; what is no duration is as good as none."""
    try:
        return int(parse_duration_s(notes[ANNOTATION_DURATION]))
    except (KeyError, ValueError, BadInput):
        return DEFAULT_DURATION_S
