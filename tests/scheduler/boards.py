"""Batch pods and selling nodes as the API server sends them, for the planner's memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from scheduler.adapters.board import Board
from scheduler.adapters.queue_tree import Queues
from scheduler.app.lives import Lives
from scheduler.app.rounds import Rounds
from scheduler.core.member import Decision, decision_text
from scheduler.core.ways_in.shape import Groups
from slacktide.contract import (
    ANNOTATION_DECISION,
    ANNOTATION_GANG_MIN,
    ANNOTATION_GANG_NAME,
    GATE_GANG,
    RESOURCE_BATCH_CPU,
)
from slacktide.kube.cache import Change
from slacktide.kube.forecasts import NodeForecast
from slacktide.kube.objects import Node, Pod

AT_S = 1_767_225_600  # 2026-01-01T00:00:00Z
NOW_S = AT_S + 600.0


def batch_pod(
    name: str,
    *,
    gang: str = "",
    least: int = 1,
    milli: int = 1_000,
    after_s: int = 0,
    gates: tuple[str, ...] = (GATE_GANG,),
    decision: Decision | None = None,
    node: str = "",
    phase: str = "Pending",
    leaving: bool = False,
    nominated: str = "",
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Pod:
    """One task; with a decision or a node it has no gate any more."""
    notes = dict(annotations or {})
    if gang:
        notes |= {ANNOTATION_GANG_NAME: gang, ANNOTATION_GANG_MIN: str(least)}
    if decision is not None:
        notes[ANNOTATION_DECISION] = decision_text(decision)
    stamp = f"2026-01-01T00:{after_s // 60:02}:{after_s % 60:02}Z"
    meta: dict[str, Any] = {
        "name": name,
        "namespace": "team",
        "uid": f"uid-{name}",
        "creationTimestamp": stamp,
        "annotations": notes,
        "labels": labels or {},
    }
    if leaving:
        meta["deletionTimestamp"] = stamp
    wants = {"requests": {RESOURCE_BATCH_CPU: str(milli)}}
    gone = decision is not None or node
    body = {
        "metadata": meta,
        "spec": {
            "containers": [{"name": "task", "resources": wants}],
            "schedulingGates": [] if gone else [{"name": gate} for gate in gates],
            "nodeName": node,
            **spec,
        },
        "status": {"phase": phase, "nominatedNodeName": nominated},
    }
    return msgspec.json.decode(msgspec.json.encode(body), type=Pod)


def selling_node(name: str, *, milli: int = 4_000, uid: str = "", **spec: Any) -> Node:
    """A ready node."""
    body = {
        "metadata": {"name": name, "uid": uid or f"uid-{name}"},
        "spec": spec,
        "status": {
            "allocatable": {RESOURCE_BATCH_CPU: str(milli)},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    return msgspec.json.decode(msgspec.json.encode(body), type=Node)


def forecast(
    name: str,
    *cores: float,
    gib: float = 64,
    after_s: float = 600.0,
    hours: tuple[int, ...] = (1, 4, 24),
) -> NodeForecast:
    """What a node is forecast to leave free; `after_s` is when that was made."""
    horizons = [
        {"seconds": 3_600 * hour, "reclaimable": {"cpu": f"{each}", "memory": f"{gib}Gi"}}
        for hour, each in zip(hours, cores, strict=True)
    ]
    made = datetime.fromtimestamp(AT_S + after_s, UTC).isoformat()
    return raw_forecast(name, {"madeAt": made, "horizons": horizons})


def raw_forecast(name: str, status: object) -> NodeForecast:
    """With whatever a server lets through as its status."""
    body = {"metadata": {"name": name, "uid": f"f-{name}"}, "status": status}
    return msgspec.json.decode(msgspec.json.encode(body), type=NodeForecast)


class Planner:
    """The planner's memory and its rounds, over pods that a test holds."""

    def __init__(
        self, nodes: list[Node], pods: list[Pod], *, run: str = "a", groups: Groups | None = None
    ) -> None:
        self.pods = {pod.metadata.uid: pod for pod in pods}
        self.board = Board()
        self.board.nodes_changed([Change(None, node) for node in nodes])
        self.board.pods_changed([Change(None, pod) for pod in pods])
        groups = groups or Groups()
        self.lives = Lives(self.board, self.pods.get, groups)
        self.rounds = Rounds(
            self.board, Queues(), pod_of=self.pods.get, groups=groups, lives=self.lives, run=run
        )
        self.rounds.begin(epoch=0, now_s=NOW_S)

    def sees(self, pod: Pod) -> None:
        """An event of the watch."""
        before = self.pods.get(pod.metadata.uid)
        self.pods[pod.metadata.uid] = pod
        self.board.pods_changed([Change(before, pod)])

    def gone(self, pod: Pod) -> None:
        """A deletion."""
        del self.pods[pod.metadata.uid]
        self.board.pods_changed([Change(pod, None)])

    def decided_once(self) -> tuple[dict[str, str], dict[str, str]]:
        """A round: the node of each pod that got one, and why the eldest of others waits."""
        outcome = asyncio.run(self.rounds.once(now_s=NOW_S, steady_s=0.0))
        placed = {one.name: one.node for gang in outcome.placed for one in gang.members}
        return placed, {waits.member.name: waits.reason for waits in outcome.waits}
