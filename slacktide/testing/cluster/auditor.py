"""Watches a namespace's gangs from outside and never looks away: who was bound in part, how long.

It knows nothing of the planner: what it says comes from the API server's own events.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from slacktide.contract import ANNOTATION_GANG_MIN
from slacktide.testing.cluster.control_plane import ControlPlane

PATIENCE_S: Final = 60.0


@dataclass(slots=True)
class Seen:
    """What the auditor knows of a gang."""

    size: int
    nodes: dict[str, str] = field(default_factory=dict)  # UID -> node, of those bound and there
    there: set[str] = field(default_factory=set)  # UIDs
    released: set[str] = field(default_factory=set)  # UIDs of those that no gate holds
    whole: bool = False  # was, once
    partly_since_s: float | None = None
    longest_s: float = 0.0  # in part
    first_s: float = 0.0
    span_s: float = 0.0  # first to last bind of the time it became whole
    moved: list[str] = field(default_factory=list)  # UIDs seen on two nodes


class Auditor:
    """Watches all pods from before a test, and never looks away."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane, self.path = plane, f"/api/v1/namespaces/{namespace}/pods"
        self.gangs: dict[str, Seen] = {}
        self._lock, self._ended = threading.Condition(), False
        self._versions: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """It looks away now."""
        self._ended = True

    def wait(
        self,
        holds: Callable[[dict[str, Seen]], bool],
        what: str,
        *,
        within_s: float = PATIENCE_S,
    ) -> None:
        """Returns when what was seen holds; generous, since others use this machine too."""
        with self._lock:
            if not self._lock.wait_for(lambda: holds(self.gangs), within_s):
                shown = {name: (len(s.nodes), len(s.there)) for name, s in self.gangs.items()}
                raise AssertionError(f"not seen in {within_s:g} s: {what}: {shown}")

    def wait_whole(self, *names: str, within_s: float = PATIENCE_S) -> None:
        """Returns when all of these gangs are bound whole."""
        self.wait(
            lambda gangs: all(
                name in gangs and len(gangs[name].nodes) >= gangs[name].size for name in names
            ),
            f"{len(names)} gangs whole",
            within_s=within_s,
        )

    def longest_partly_s(self) -> float:
        """The longest that any gang was bound in part."""
        now_s = time.monotonic()
        with self._lock:
            return max(
                (
                    max(s.longest_s, now_s - s.partly_since_s if s.partly_since_s else 0.0)
                    for s in self.gangs.values()
                ),
                default=0.0,
            )

    def _run(self) -> None:
        while not self._ended:
            try:
                with self._plane.client() as client:
                    listed = client.get(self.path).raise_for_status().json()
                    for one in listed["items"]:
                        self._take("MODIFIED", one)
                    query = {
                        "watch": "true",
                        "resourceVersion": listed["metadata"]["resourceVersion"],
                    }
                    with client.stream("GET", self.path, params=query, timeout=3_600) as lines:
                        for line in lines.iter_lines():
                            event = json.loads(line)
                            if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                                self._take(event["type"], event["object"])
                            if self._ended:
                                return
            except httpx.HTTPError:
                time.sleep(0.05)

    def _take(self, kind: str, pod: Mapping[str, Any]) -> None:
        meta, spec = pod["metadata"], pod["spec"]
        name, uid = meta["labels"].get("gang", ""), meta["uid"]
        least = int(meta.get("annotations", {}).get(ANNOTATION_GANG_MIN, "1"))
        with self._lock:
            seen = self.gangs.setdefault(name, Seen(least))
            gone = kind == "DELETED" or "deletionTimestamp" in meta
            seen.there.discard(uid) if gone else seen.there.add(uid)
            if gone or spec.get("schedulingGates"):
                seen.released.discard(uid)
            else:
                seen.released.add(uid)
            if gone:
                seen.nodes.pop(uid, None)
            elif node := spec.get("nodeName"):
                if seen.nodes.get(uid, node) != node:
                    seen.moved.append(uid)
                seen.nodes[uid] = node
            _note(seen, time.monotonic())
            self._lock.notify_all()


def _note(seen: Seen, now_s: float) -> None:
    """Brings the times of a gang up to date."""
    bound = len(seen.nodes)
    if bound and seen.partly_since_s is None and not seen.whole:
        seen.partly_since_s = seen.first_s = now_s
    if bound >= seen.size and not seen.whole:
        seen.whole, seen.span_s = True, now_s - seen.first_s
    if seen.partly_since_s is not None and (seen.whole or not bound):
        seen.longest_s = max(seen.longest_s, now_s - seen.partly_since_s)
        seen.partly_since_s = None


@contextmanager
def audited(plane: ControlPlane, namespace: str) -> Iterator[Auditor]:
    """A namespace of its own and who watches it; its pods are gone afterwards."""
    with plane.client() as client:
        body = {"metadata": {"name": namespace}}
        client.post("/api/v1/namespaces", json=body).raise_for_status()
    auditor = Auditor(plane, namespace)
    try:
        yield auditor
    finally:
        auditor.stop()
        with plane.client() as client:
            now = {"gracePeriodSeconds": "0"}
            client.delete(f"/api/v1/namespaces/{namespace}/pods", params=now).raise_for_status()


def held_milli(auditor: Auditor, milli: Mapping[str, int]) -> dict[str, int]:
    """What bound tasks hold of each node, by what a task of each gang asks for."""
    held: dict[str, int] = {}
    for name, seen in auditor.gangs.items():
        for node in seen.nodes.values():
            held[node] = held.get(node, 0) + milli[name]
    return held
