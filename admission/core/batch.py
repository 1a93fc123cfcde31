"""Offline pods ask for oversold resources, wait for their gang, and come below everybody online.

CPU and memory leave requests and limits, so that the kubelet puts the pod under best effort and
the ordinary scheduler's books do not count it; `batch-cpu` and `batch-memory` take their place.
Always holds: nothing is rounded down, request <= limit stays true, and a second rewrite changes
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from admission.core.classify import may_be_offline
from admission.core.patch import with_value, without
from admission.core.pod import Container, Pod, Quantity
from admission.core.policy import Policy
from slacktide import contract
from slacktide.quantity import milli_cores, parse_bytes, parse_cpu_cores

_BATCH = {"cpu": contract.RESOURCE_BATCH_CPU, "memory": contract.RESOURCE_BATCH_MEMORY}


def as_batch(pod: Pod, policy: Policy) -> tuple[object, tuple[str, ...]]:
    """The pod's document as an offline pod, and what to tell its owner."""
    document: object = pod.document
    warnings: list[str] = []
    for container in pod.containers:
        requests = _batch_requests(container)
        limits = _as_batch_resources(container.limits)
        document = _with_resources(document, container, "requests", container.requests, requests)
        document = _with_resources(document, container, "limits", container.limits, limits)
        if container.runs_along:
            warnings += [
                f"container {container.name[:40]!r} asks for no {name}: it is placed as if it "
                "used none"
                for name, batch in _BATCH.items()
                if batch not in requests
            ]
    document = _below_online(document, pod, policy)
    return _gated(document, pod, policy), tuple(warnings)


def _batch_requests(container: Container) -> dict[str, Quantity]:
    """Requests; a missing one is the limit, as the API server defaults it."""
    limits = _as_batch_resources(container.limits)
    missing = {batch: limits[batch] for batch in _BATCH.values() if batch in limits}
    return {**missing, **_as_batch_resources(container.requests)}


def _as_batch_resources(resources: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """CPU and memory under their oversold names; what the owner already asked there stands."""
    moved = {
        _BATCH[name]: _as_batch_quantity(name, value)
        for name, value in resources.items()
        if name in _BATCH
    }
    kept = {name: value for name, value in resources.items() if name not in _BATCH}
    return {**moved, **kept}


def _as_batch_quantity(name: str, value: Quantity) -> str:
    """Whole milli-cores or bytes, rounded up: names under kubernetes.io/ are integers."""
    return str(milli_cores(parse_cpu_cores(value)) if name == "cpu" else parse_bytes(value))


def _with_resources(
    document: object,
    container: Container,
    side: str,
    before: Mapping[str, Quantity],
    after: Mapping[str, Quantity],
) -> object:
    if after == before:
        return document
    return with_value(document, (*container.resources_path, side), dict(after))


def _below_online(document: object, pod: Pod, policy: Policy) -> object:
    """The offline scheduler and an offline priority.

    The priority's number goes when its class changes: the API server's Priority plugin runs again
    after a webhook's patch, computes it anew, and refuses a number that does not fit.
    """
    if pod.scheduler in {"", "default-scheduler"}:
        document = with_value(document, ("spec", "schedulerName"), policy.batch_scheduler)
    if pod.priority_class != policy.batch_priority_class and not may_be_offline(pod.priority):
        document = with_value(document, ("spec", "priorityClassName"), policy.batch_priority_class)
        document = without(document, ("spec", "priority"))
        document = without(document, ("spec", "preemptionPolicy"))
    return document


def _gated(document: object, pod: Pod, policy: Policy) -> object:
    """A gate for a gang's member; a pod that already has its node cannot have one."""
    is_member = bool(pod.annotations.get(contract.ANNOTATION_GANG_NAME))
    if not (policy.gate_gangs and is_member) or pod.node or contract.GATE_GANG in pod.gates:
        return document
    gates = [{"name": name} for name in (*pod.gates, contract.GATE_GANG)]
    return with_value(document, ("spec", "schedulingGates"), gates)
