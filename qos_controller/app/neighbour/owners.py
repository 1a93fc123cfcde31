"""Who else may own a node's batch limits: two agents that write the same files would fight.

Names of containers and images as their charts have them: koordlet (koordinator), katalyst-agent,
crane-agent, volcano-agent (image vc-agent), rubik-agent (openEuler), caelus. Always holds: only a
DaemonSet's pod counts, so a tenant's pod with such a name switches nothing off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from qos_controller.adapters.node_pods import NodePod

NAMES: Final = frozenset(
    {"koordlet", "katalyst-agent", "crane-agent", "volcano-agent", "vc-agent", "rubik-agent"}
    | {"rubik", "caelus"}
)


def other_owner(pods: Iterable[NodePod]) -> str:
    """The first that is found, as namespace/name (agent); empty where there is none."""
    for pod in pods:
        if pod.has_ended or not _is_daemon(pod):
            continue
        for part in pod.spec.containers:
            for name in (part.name, _image(part.image)):
                if name in NAMES:
                    return f"{pod.metadata.namespace}/{pod.metadata.name} ({name})"
    return ""


def _is_daemon(pod: NodePod) -> bool:
    return any(one.kind == "DaemonSet" and one.controller for one in pod.metadata.owner_references)


def _image(reference: str) -> str:
    """registry:5000/a/koordlet:v1@sha256:... is koordlet."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
