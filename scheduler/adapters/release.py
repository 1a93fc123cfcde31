"""What is written on a pod to let it go: the decision, its pin and the lifted gate in one patch.

In place of the pin, which lasts as long as the pod, a node may be nominated beforehand: a patch of
the pod's status, which kube-scheduler heeds first and takes back where it fails.

Always holds: a patch names the UID it was meant for and the gate it found, so it is refused where
another planner was faster or another pod has the name by now; the same patch sent twice changes
nothing the second time.

Source: a pod's node affinity may be narrowed while a gate is on it, and no longer (Kubernetes'
ValidatePodUpdate): requirements may be added to each of its terms, terms may not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from scheduler.core.member import Decision, Member, decision_text
from slacktide.contract import ANNOTATION_DECISION, GATE_GANG
from slacktide.kube.objects import Pod

Operations = list[dict[str, Any]]
REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def release(pod: Pod, member: Member, decision: Decision, *, pin: bool) -> Operations:
    """The patch that lets a pod go to its node. `pin`: to no other, as long as it lives."""
    operations: Operations = [{"op": "test", "path": "/metadata/uid", "value": member.uid}]
    if member.gated:
        gates = [gate.name for gate in pod.spec.scheduling_gates]
        at = f"/spec/schedulingGates/{gates.index(GATE_GANG)}"
        operations.append({"op": "test", "path": f"{at}/name", "value": GATE_GANG})
        operations.append({"op": "remove", "path": at})
        if pin:
            affinity = pinned(pod.spec.affinity, decision.node)
            operations.append({"op": "add", "path": "/spec/affinity", "value": affinity})
    return [*operations, *annotated(pod, ANNOTATION_DECISION, decision_text(decision))]


def nomination(member: Member, decision: Decision) -> Operations:
    """The patch of a pod's status that has kube-scheduler try its node first."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": member.uid},
        {"op": "add", "path": "/status/nominatedNodeName", "value": decision.node},
    ]


def annotated(pod: Pod, name: str, text: str) -> Operations:
    """The operations that set one annotation."""
    if not pod.metadata.annotations:
        return [{"op": "add", "path": "/metadata/annotations", "value": {name: text}}]
    key = name.replace("~", "~0").replace("/", "~1")
    return [{"op": "add", "path": f"/metadata/annotations/{key}", "value": text}]


def pinned(affinity: msgspec.Raw, node: str) -> dict[str, Any]:
    """A pod's affinity, narrowed to one node."""
    whole: dict[str, Any] = {}
    if affinity:
        whole = msgspec.json.decode(affinity, type=dict[str, Any])
    of_nodes = dict(whole.get("nodeAffinity") or {})
    required = dict(of_nodes.get(REQUIRED) or {})
    terms: Sequence[dict[str, Any]] = required.get("nodeSelectorTerms") or [{}]
    narrowed = [
        {**term, "matchFields": [*term.get("matchFields", ()), pin_to(node)]} for term in terms
    ]
    of_nodes[REQUIRED] = {"nodeSelectorTerms": narrowed}
    return {**whole, "nodeAffinity": of_nodes}


def pin_to(node: str) -> dict[str, Any]:
    """The requirement that only that node meets."""
    return {"key": "metadata.name", "operator": "In", "values": [node]}


def binding(member: Member, decision: Decision) -> dict[str, Any]:
    """The object that binds a pod at once; its annotations become the pod's."""
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {
            "name": member.name,
            "namespace": member.namespace,
            "uid": member.uid,
            "annotations": {ANNOTATION_DECISION: decision_text(decision)},
        },
        "target": {"apiVersion": "v1", "kind": "Node", "name": decision.node},
    }
