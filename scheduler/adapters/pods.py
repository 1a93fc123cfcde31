"""Pods of the API server as tasks: which are batch, what they ask for, how far they have come.

A pod is batch when it asks for an oversold resource. One that cannot be read (a quantity that is
none, an annotation that is no number) is left alone and said once; it never stops a round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_CEILING
from typing import Final

from scheduler.core.member import Member, Stage, decision_of
from slacktide.contract import (
    ANNOTATION_DECISION,
    ANNOTATION_DURATION,
    ANNOTATION_GANG_MIN,
    ANNOTATION_GANG_NAME,
    ANNOTATION_GANG_TOTAL,
    ANNOTATION_REPLACES,
    GATE_GANG,
    LABEL_QUEUE,
    RESOURCE_BATCH_CPU,
    RESOURCE_BATCH_MEMORY,
    RESOURCE_TASK,
)
from slacktide.durations import parse_duration_s
from slacktide.errors import BadInput
from slacktide.kube.objects import Container, Pod
from slacktide.quantity import parse

DEFAULT_QUEUE: Final = "default"
DEFAULT_DURATION_S: Final = 3_600
MOST_TASKS: Final = 100_000
OURS: Final = frozenset({RESOURCE_BATCH_CPU, RESOURCE_BATCH_MEMORY, RESOURCE_TASK})

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
    meta, spec = pod.metadata, pod.spec
    labels, notes = meta.labels or {}, meta.annotations or {}
    gang = notes.get(ANNOTATION_GANG_NAME)
    gates = [gate.name for gate in spec.scheduling_gates]
    decision = None if GATE_GANG in gates else decision_of(notes.get(ANNOTATION_DECISION))
    cpu_milli, memory_bytes = _asked(pod, RESOURCE_BATCH_CPU), _asked(pod, RESOURCE_BATCH_MEMORY)
    if not cpu_milli + memory_bytes:
        raise BadInput("it asks for none of what it names")
    stage = _stage(pod, decided=decision is not None, gates=gates)
    return Member(
        uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        gang=f"{meta.namespace}/{gang}" if gang else f"{meta.namespace}/pod/{meta.name}/{meta.uid}",
        least=_count(notes, ANNOTATION_GANG_MIN, otherwise=1) if gang else 1,
        total=_count(notes, ANNOTATION_GANG_TOTAL, otherwise=0) if gang else 1,
        queue=labels.get(LABEL_QUEUE, DEFAULT_QUEUE),
        cpu_milli=cpu_milli,
        memory_bytes=memory_bytes,
        priority=spec.priority,
        created_s=_seconds(meta.creation_timestamp),
        duration_s=_duration_s(notes),
        stage=stage,
        node=spec.node_name or (decision.node if decision is not None else ""),
        decision=decision,
        owned=any(owner.controller for owner in meta.owner_references),
        gated=GATE_GANG in gates,
        replaces=notes.get(ANNOTATION_REPLACES, ""),
        plain=_is_plain(pod),
    )


def _stage(pod: Pod, *, decided: bool, gates: list[str]) -> Stage:
    if pod.status.phase in ("Succeeded", "Failed"):
        return Stage.DONE
    if pod.metadata.deletion_timestamp:
        return Stage.LEAVING
    if pod.spec.node_name:
        return Stage.BOUND
    if any(gate != GATE_GANG for gate in gates):
        return Stage.GATED
    return Stage.RELEASED if decided else Stage.WAITING


def _asked(pod: Pod, resource: str) -> int:
    """What the pod asks for: containers together, or the largest init container if that is more."""
    running = sum(_of(one, resource) for one in pod.spec.containers)
    return max([running, *(_of(one, resource) for one in pod.spec.init_containers)])


def _of(container: Container, resource: str) -> int:
    asked = container.resources.requests or container.resources.limits or {}
    if resource not in asked:
        return 0
    amount = int(parse(asked[resource]).to_integral_value(rounding=ROUND_CEILING))
    if not 0 <= amount <= 1 << 60:
        raise BadInput(f"{resource}: {asked[resource]} is no amount of a pod")
    return amount


def _is_plain(pod: Pod) -> bool:
    """Whether nothing but oversold resources decides where it may run."""
    spec = pod.spec
    wishes = (spec.affinity, spec.topology_spread_constraints, spec.resource_claims)
    if (
        spec.node_selector
        or any(wishes)
        or any(one.persistent_volume_claim or one.ephemeral for one in spec.volumes)
    ):
        return False
    return all(_only_ours(one) for one in (*spec.containers, *spec.init_containers))


def _only_ours(container: Container) -> bool:
    given: Iterable[Quantities | None] = (container.resources.requests, container.resources.limits)
    return all(name in OURS for one in given if one for name in one)


def _count(notes: Mapping[str, str], name: str, *, otherwise: int) -> int:
    text = notes.get(name)
    if text is None:
        return otherwise
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= MOST_TASKS:
        raise BadInput(f"{name}: {text[:40]!r} is no whole number from 1 to {MOST_TASKS}")
    return int(text)


def _duration_s(notes: Mapping[str, str]) -> int:
    """As its owner expects it; what is no duration is as good as none."""
    try:
        return int(parse_duration_s(notes[ANNOTATION_DURATION]))
    except (KeyError, ValueError, BadInput):
        return DEFAULT_DURATION_S


def _seconds(stamp: str | None) -> int:
    return int(datetime.fromisoformat(stamp).timestamp()) if stamp else 0
