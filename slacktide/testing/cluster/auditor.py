"""Watches a namespace's gangs from outside and never looks away: who was bound in part, how long.

It knows nothing of the planner: what it says comes from the API server's own events.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import msgspec

from slacktide.contract import ANNOTATION_GANG_MIN
from slacktide.kube.objects import Event, Page, Pod
from slacktide.testing.cluster.control_plane import ControlPlane

PATIENCE_S: Final = 60.0

_PODS: Final = msgspec.json.Decoder(Page[Pod])
_EVENTS: Final = msgspec.json.Decoder(Event)
_POD: Final = msgspec.json.Decoder(Pod)


@dataclass(slots=True)
class Seen:
    """What the auditor knows of a gang."""

    size: int
    seen_s: float = 0.0  # for the first time
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
        left = list(names)  # those that were whole when last looked are not looked at each time

        def all_whole(gangs: dict[str, Seen]) -> bool:
            while left and _is_whole(gangs, left[-1]):
                left.pop()
            return not left and all(_is_whole(gangs, name) for name in names)

        self.wait(all_whole, f"{len(names)} gangs whole", within_s=within_s)

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
        version = ""
        while not self._ended:
            try:
                version = version or self._listed()
                for event in self._watched(version):
                    version = self._heard(event)
                    if self._ended or not version:
                        break
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)

    def _server(self) -> http.client.HTTPSConnection:
        """The plain client: a benchmark shares its cores with who watches."""
        where = urlsplit(self._plane.url).netloc
        return http.client.HTTPSConnection(where, context=self._plane.tls(), timeout=3_600)

    def _listed(self) -> str:
        """Takes what is there; returns the version of that."""
        with closing(self._server()) as server:
            server.request("GET", self.path)
            page = _PODS.decode(server.getresponse().read())
        for pod in page.items:
            self._take("MODIFIED", pod)
        return page.metadata.resource_version

    def _watched(self, version: str) -> Iterator[Event]:
        """Whatever happens from then on, until the server ends it."""
        with closing(self._server()) as server:
            server.request("GET", f"{self.path}?watch=true&resourceVersion={version}")
            answer = server.getresponse()
            while line := answer.readline():
                yield _EVENTS.decode(line)

    def _heard(self, event: Event) -> str:
        """Takes one event; returns the version it tells, empty when the server has forgotten."""
        if event.type not in ("ADDED", "MODIFIED", "DELETED"):
            return ""
        pod = _POD.decode(event.object)
        self._take(event.type, pod)
        return pod.metadata.resource_version

    def _take(self, kind: str, pod: Pod) -> None:
        meta, uid = pod.metadata, pod.metadata.uid
        name = (meta.labels or {}).get("gang", "")
        least = int((meta.annotations or {}).get(ANNOTATION_GANG_MIN, "1"))
        with self._lock:
            now_s = time.monotonic()
            seen = self.gangs.setdefault(name, Seen(least, seen_s=now_s))
            gone = kind == "DELETED" or meta.deletion_timestamp is not None
            seen.there.discard(uid) if gone else seen.there.add(uid)
            if gone or pod.spec.scheduling_gates:
                seen.released.discard(uid)
            else:
                seen.released.add(uid)
            if gone:
                seen.nodes.pop(uid, None)
            elif node := pod.spec.node_name:
                if seen.nodes.get(uid, node) != node:
                    seen.moved.append(uid)
                seen.nodes[uid] = node
            _note(seen, now_s)
            self._lock.notify_all()


def _is_whole(gangs: Mapping[str, Seen], name: str) -> bool:
    return name in gangs and len(gangs[name].nodes) >= gangs[name].size


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
