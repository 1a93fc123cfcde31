"""Tells people in Kubernetes' words: an Event on the pod, and one on the node.

Always holds: telling never delays what it tells of; at most `MOST_WAITING` wait, at most `PER_S` a
second are sent after a first few, and what would be late is left out and counted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import structlog

from qos_controller.adapters.node_pods import NodePod
from slacktide.contract import GROUP
from slacktide.kube.writing import Writer

PER_S: Final = 1.0
BURST: Final = 10
MOST_WAITING: Final = 50
MOST_BYTES: Final = 1_000  # the API server takes 1,024
FROM: Final = f"{GROUP}/agent"

Kind = Literal["Normal", "Warning"]

log = structlog.get_logger()


@dataclass(slots=True)
class Telling:
    """Events of one node's agent."""

    node: str
    writer: Writer  # of `PER_S`
    left_out: int = 0
    _due: asyncio.Queue[dict[str, Any]] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def of_pod(self, pod: NodePod, kind: Kind, reason: str, message: str) -> None:
        """On a pod."""
        meta = pod.metadata
        about = {"kind": "Pod", "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
        self._put(about, meta.namespace, kind, reason, message)

    def of_node(self, kind: Kind, reason: str, message: str) -> None:
        """On this node: kubelet's Events name a node by its name as its UID."""
        about = {"kind": "Node", "name": self.node, "uid": self.node}
        self._put(about, "default", kind, reason, message)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            event = await self._due.get()
            path = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
            written = await self.writer.post(path, event)
            if not written.done:
                log.info("event not written", status=written.status, why=written.said)

    def _put(
        self, about: dict[str, str], namespace: str, kind: Kind, reason: str, message: str
    ) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{about['name'][:200]}.", "namespace": namespace},
            "involvedObject": {"apiVersion": "v1", **about},
            "type": kind,
            "reason": reason,
            "message": message.encode()[:MOST_BYTES].decode(errors="ignore"),
            "source": {"component": FROM, "host": self.node},
            "reportingComponent": FROM,
            "reportingInstance": self.node,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self._due.put_nowait(event)
        except asyncio.QueueFull:
            self.left_out += 1
