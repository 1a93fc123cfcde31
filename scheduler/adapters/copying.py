"""A pod that nobody owns, made anew: gated, under another name, and for the one it replaces.

Always holds: a pod has one copy, since the copy's name follows from its UID; a copy counts as a
task only once the pod that it is for is gone (`board`), so no task is counted twice.
"""

from __future__ import annotations

from typing import Any, Final

from scheduler.adapters.release import REQUIRED, pin_to
from scheduler.core.member import decision_of
from slacktide.contract import (
    ANNOTATION_DECISION,
    ANNOTATION_EVICTION,
    ANNOTATION_GPU_DEVICES,
    ANNOTATION_REASON,
    ANNOTATION_REPLACES,
    ANNOTATION_RESERVED,
    ANNOTATION_SUBMITTED,
    GATE_GANG,
)

LONGEST_NAME: Final = 63  # of a pod, whose name is its host's
OF_THE_SERVER: Final = ("nodeName", "serviceAccount", "priority", "preemptionPolicy")
MARKS: Final = (
    ANNOTATION_DECISION,
    ANNOTATION_EVICTION,
    ANNOTATION_GPU_DEVICES,
    ANNOTATION_REASON,
    ANNOTATION_RESERVED,
)


def copy_of(pod: dict[str, Any]) -> dict[str, Any]:
    """The manifest of its successor."""
    meta, spec = pod["metadata"], dict(pod["spec"])
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in MARKS}
    for name in OF_THE_SERVER:
        spec.pop(name, None)
    decision = decision_of((meta.get("annotations") or {}).get(ANNOTATION_DECISION))
    if decision is not None:
        spec["affinity"] = unpinned(spec.get("affinity") or {}, decision.node)
    spec["schedulingGates"] = [{"name": GATE_GANG}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": copy_name(meta["name"], meta["uid"]),
            "namespace": meta["namespace"],
            "labels": meta.get("labels") or {},
            "annotations": _since(meta) | notes | {ANNOTATION_REPLACES: meta["uid"]},
        },
        "spec": spec,
    }


def copy_name(name: str, uid: str) -> str:
    """What the successor of a pod is called."""
    first, suffix = name.rpartition("-again-")[0] or name, f"-again-{uid[:8]}"
    return first[: LONGEST_NAME - len(suffix)] + suffix


def _since(meta: dict[str, Any]) -> dict[str, str]:
    """Since when the task waits, for a successor of a first pod."""
    stamp = meta.get("creationTimestamp")
    return {ANNOTATION_SUBMITTED: stamp} if stamp else {}


def unpinned(affinity: dict[str, Any], node: str) -> dict[str, Any]:
    """Without what `release.pinned` added for that node."""
    of_nodes = dict(affinity.get("nodeAffinity") or {})
    required = of_nodes.pop(REQUIRED, None) or {}
    terms = [_without_pin(term, pin_to(node)) for term in required.get("nodeSelectorTerms", ())]
    if any(terms):
        of_nodes[REQUIRED] = {"nodeSelectorTerms": terms}
    rest = {name: part for name, part in affinity.items() if name != "nodeAffinity"}
    return {**rest, "nodeAffinity": of_nodes} if of_nodes else rest


def _without_pin(term: dict[str, Any], pin: dict[str, Any]) -> dict[str, Any]:
    fields = [field for field in term.get("matchFields") or () if field != pin]
    rest = {name: part for name, part in term.items() if name != "matchFields"}
    return {**rest, "matchFields": fields} if fields else rest
