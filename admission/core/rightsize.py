"""A recommendation applied to an online pod's requests, where that is safe.

Always holds: a request stays within the policy's bounds and at most its limit; limits are never
touched (scaled limits break quotas); what an autoscaler steers by and what the owner forbids stay;
a Guaranteed pod stays Guaranteed; the owner's own numbers are kept in an annotation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from admission.core.patch import with_value
from admission.core.pod import Container, Pod, Quantity
from admission.core.policy import Policy
from slacktide import contract
from slacktide.messages import Recommendation
from slacktide.quantity import format_bytes, format_cpu_cores, parse_bytes, parse_cpu_cores

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class _Resource:
    """How one resource is read, written and bounded."""

    name: str
    wanted: Callable[[Recommendation], float | None]
    read: Callable[[Quantity], float]
    write: Callable[[float], str]
    bounds: Callable[[Policy], tuple[float, float]]


def _format_mebibytes(size_bytes: float) -> str:
    """Whole MiB, rounded up: a person reads it in a manifest."""
    return format_bytes(-int(-size_bytes // _MIB) * _MIB)


_RESOURCES = (
    _Resource(
        "cpu",
        lambda advice: advice.recommended_cpu_request_cores,
        parse_cpu_cores,
        format_cpu_cores,
        lambda policy: (policy.min_cpu_cores, policy.max_cpu_cores),
    ),
    _Resource(
        "memory",
        lambda advice: advice.recommended_memory_request_bytes,
        parse_bytes,
        _format_mebibytes,
        lambda policy: (policy.min_memory_bytes, policy.max_memory_bytes),
    ),
)


def right_sized(
    pod: Pod,
    recommendations: Iterable[Recommendation],
    *,
    scaled_on: frozenset[str],
    policy: Policy,
) -> tuple[object, tuple[str, ...]]:
    """The pod's document with better requests, and the reason for each change or for none.

    Args:
        pod: an online pod.
        recommendations: of its workload, one a container.
        scaled_on: resources ("cpu", "memory") whose use over request an autoscaler steers by.
        policy: bounds and thresholds.
    """
    advice = {item.container: item for item in recommendations}
    refusal = _refusal(pod, policy) if advice else ""
    if refusal:
        return pod.document, (refusal,)
    document: object = pod.document
    originals: dict[str, dict[str, Quantity | None]] = {}
    reasons: list[str] = []
    for container in pod.containers:
        item = advice.get(container.name)
        if item is None or not container.runs_along or item.confidence < policy.min_confidence:
            continue
        for resource in _RESOURCES:
            better = _better(container, item, resource, policy)
            if better is None:
                continue
            if resource.name in scaled_on:
                reasons.append(f"{resource.name} is left to the autoscaler that steers by it")
                continue
            path = (*container.resources_path, "requests", resource.name)
            document = with_value(document, path, better)
            before = container.requests.get(resource.name)
            originals.setdefault(container.name, {})[resource.name] = before
            reasons.append(f"{container.name} {resource.name} {before} -> {better}: {item.reason}")
    return _with_originals(document, pod, originals), tuple(reasons)


def _refusal(pod: Pod, policy: Policy) -> str:
    if not policy.right_size:
        return "right-sizing is off by policy"
    if pod.annotations.get(contract.ANNOTATION_RIGHTSIZE) == "off":
        return f"right-sizing is off by the annotation {contract.ANNOTATION_RIGHTSIZE}"
    if _is_guaranteed(pod):
        return "a Guaranteed pod keeps its requests, which equal its limits"
    return ""


def _is_guaranteed(pod: Pod) -> bool:
    """Kubernetes' class: every container's requests equal its limits, for CPU and memory."""
    return bool(pod.containers) and all(
        resource.name in container.limits
        and resource.read(container.limits[resource.name])
        == resource.read(container.requests.get(resource.name, container.limits[resource.name]))
        for container in pod.containers
        for resource in _RESOURCES
    )


def _better(
    container: Container, advice: Recommendation, resource: _Resource, policy: Policy
) -> str | None:
    """The request to write; None where there is no answer or the change is too small."""
    wanted = resource.wanted(advice)
    if wanted is None or not wanted >= 0.0:
        return None
    low, high = resource.bounds(policy)
    text = resource.write(min(max(wanted, low), high))
    limit = container.limits.get(resource.name)
    if limit is not None and resource.read(text) > resource.read(limit):
        text = str(limit)
    before = container.requests.get(resource.name, limit)
    if before is None:
        return text
    old = resource.read(before)
    changed = abs(resource.read(text) - old)
    return text if changed > 0.0 and changed >= policy.min_change_share * old else None


def _with_originals(
    document: object, pod: Pod, originals: dict[str, dict[str, Quantity | None]]
) -> object:
    """The owner's numbers as an annotation; the first ones kept are the owner's, later are ours."""
    if not originals:
        return document
    merged: dict[str, object] = {**originals, **_kept(pod)}
    for name, values in originals.items():
        kept = merged[name]
        merged[name] = {**values, **kept} if isinstance(kept, dict) else values
    text = json.dumps(merged, sort_keys=True)
    path = ("metadata", "annotations", contract.ANNOTATION_ORIGINAL_REQUESTS)
    return with_value(document, path, text)


def _kept(pod: Pod) -> dict[str, object]:
    try:
        kept = json.loads(pod.annotations.get(contract.ANNOTATION_ORIGINAL_REQUESTS, "{}"))
    except (ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}
