"""Tells owners what became of their gangs: an Event on a pod, and the reason as its annotation.

Messages of Events never change, so the API server counts them instead of keeping each; what does
change (how many, where) is the annotation's, and so is when room that is kept for a gang is
predicted to be there. Both are few: an Event once for each gang and cause, and no more than `PER_S`
writes a second together; what would be late is left out, since the next round knows better.

Always holds: telling never delays placing; a reason is written on pods that wait, never on others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from scheduler.adapters.board import Board
from scheduler.adapters.release import Operations, annotated
from scheduler.app.committing import path_of
from scheduler.app.outcome import Outcome, Placed, Waits
from scheduler.core.explain import Blocked
from scheduler.core.lifecycle import Phase
from scheduler.core.member import Member, Stage
from scheduler.core.ways_in.shape import Key
from slacktide.contract import ANNOTATION_REASON, ANNOTATION_RESERVED, GROUP
from slacktide.kube.cache import Cache
from slacktide.kube.objects import Pod
from slacktide.kube.writing import JSON, Writer

PER_S: Final = 20.0
MOST_LATE: Final = 200  # in the queue
MOST_REMEMBERED: Final = 100_000  # gangs whose last cause is known

Said = tuple[str, str, str]  # type, reason, message

PLACED: Final = ("Normal", "GangPlaced", "every task that the gang needs has a place")
UNREADY: Final = ("Normal", "GangIncomplete", "not all that it needs is there yet")
WITHDRAWN: Final = (
    "Warning",
    "GangWithdrawn",
    "it was bound in part for too long and is taken back to start whole",
)
CLAIMS: Final = ("Normal", "GangMakesClaim", "running tasks are evicted so that it starts")
EVICTED: Final = ("Warning", "GangEvicted", "it makes room for a gang that has the better claim")
ENTERED: Final[Mapping[Phase, Said]] = {
    Phase.PREEMPTED: ("Warning", "GangPreempted", "it lost its place, and is tried again"),
    Phase.RESUMED: ("Normal", "GangResumed", "all that it needs runs again"),
    Phase.SUSPENDED: ("Normal", "GangSuspended", "its owner suspended it"),
    Phase.FAILED: ("Warning", "GangFailed", "it has failed, or its time is up"),
}
WAITS: Final[Mapping[Blocked, str]] = {
    Blocked.LARGER_THAN_CLUSTER: "the gang is larger than the nodes hold",
    Blocked.QUEUE_AT_MAX: "its queue is at its maximum",
    Blocked.HOLDS_RESERVATION: "it has the reservation and is the next to start",
    Blocked.BEHIND_RESERVATION: "starting now would delay a gang that has the reservation",
    Blocked.NO_NODE_ALLOWED: "there is no node that it may run on",
    Blocked.GPUS: "there are no such GPUs left on nodes that have room for it",
    Blocked.NEIGHBOURS: "who runs there already keeps it away",
    Blocked.NOT_TOGETHER: "its roles do not fit at one time",
    Blocked.NODES_CLOSED: "there would be room on nodes that are closed",
    Blocked.NO_ROOM_NOW: "other batch tasks hold the room",
    Blocked.ONLINE_NEEDS_THE_ROOM: "online needs the room",
}

SILENT: Final = ("", "", "")  # no Event: only the sentence is another


class Note(NamedTuple):
    """What is written on a pod that waits; nothing where the sentence is empty."""

    reason: str = ""
    start_s: int | None = None  # of the reservation that its gang holds


NOTHING: Final = Note()


@dataclass(slots=True)
class Notices:
    """What is still to be told."""

    board: Board
    pods: Cache[Pod]
    writer: Writer
    me: str
    left_out: int = 0
    _said: dict[Key, tuple[str, Note]] = field(default_factory=dict)  # the cause told last
    _due: asyncio.Queue[tuple[Member, Said, Note]] = field(
        default_factory=lambda: asyncio.Queue(MOST_LATE)
    )

    def of_round(self, outcome: Outcome) -> None:
        """Takes what a round decided."""
        for placed in outcome.placed:
            self._of_placed(placed)
        for waits in outcome.waits:
            self._of_waiting(waits)
        for unready in outcome.unready:
            self._tell(unready.gang, UNREADY[1], unready.member, UNREADY, Note(unready.reason))

    def of_withdrawn(self, gang: Key) -> None:
        """Takes a gang that is being withdrawn."""
        first = next(iter(self.board.members(gang)), None)
        if first is not None:
            self._tell(gang, WITHDRAWN[1], first, WITHDRAWN)

    def of_claim(self, victims: Iterable[Member], gang: Key, first: Member) -> None:
        """Takes who makes way for whom."""
        self._tell(gang, CLAIMS[1], first, CLAIMS)
        for one in victims:
            self._said.pop(one.gang, None)
            self._tell(one.gang, EVICTED[1], one, EVICTED)

    def of_life(self, gang: Key, phase: Phase) -> None:
        """Takes the phase that a gang has entered."""
        first = next(iter(self.board.members(gang)), None)
        if first is not None and phase in ENTERED:
            self._tell(gang, phase.value, first, ENTERED[phase])

    async def run(self) -> None:
        """Tells for ever."""
        while True:
            one, said, note = await self._due.get()
            if said[2]:
                await self.writer.post(
                    f"/api/v1/namespaces/{one.namespace}/events", event(one, said, self.me)
                )
            now = self.board.member(one.uid)
            pod = self.pods.get(one.uid)
            if note.reason and pod is not None and now is not None and now.stage is Stage.WAITING:
                await self.writer.patch(path_of(one), noted(pod, note), kind=JSON)

    def _of_placed(self, placed: Placed) -> None:
        if len(placed.members) > 1 or placed.gang in self._said:
            self._tell(placed.gang, PLACED[1], placed.members[0], PLACED)

    def _of_waiting(self, waits: Waits) -> None:
        said = ("Warning", "GangWaits", WAITS[waits.blocked])
        note = Note(waits.reason, waits.start_s)
        self._tell(waits.gang, waits.blocked.name, waits.member, said, note)

    def _tell(self, gang: Key, cause: str, one: Member, said: Said, note: Note = NOTHING) -> None:
        before, known = self._said.get(gang, ("", NOTHING))
        if before == cause:
            if said is not UNREADY or note == known:
                return
            said = SILENT
        if len(self._said) >= MOST_REMEMBERED:
            self._said.clear()
        try:
            self._due.put_nowait((one, said, note))
        except asyncio.QueueFull:
            self.left_out += 1
        else:
            self._said[gang] = (cause, note)


def noted(pod: Pod, note: Note) -> Operations:
    """The operations that write it down; what an earlier one said of a reservation goes."""
    operations = annotated(pod, ANNOTATION_REASON, note.reason)
    path = f"/metadata/annotations/{ANNOTATION_RESERVED.replace('/', '~1')}"
    if note.start_s is not None:
        at = datetime.fromtimestamp(note.start_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        operations.append({"op": "add", "path": path, "value": at})
    elif ANNOTATION_RESERVED in (pod.metadata.annotations or {}):
        operations.append({"op": "remove", "path": path})
    return operations


def event(one: Member, said: Said, me: str) -> dict[str, Any]:
    """An Event about a pod."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kind, reason, message = said
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{one.name[:200]}.", "namespace": one.namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": one.name,
            "namespace": one.namespace,
            "uid": one.uid,
        },
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": f"{GROUP}/scheduler"},
        "reportingComponent": f"{GROUP}/scheduler",
        "reportingInstance": me,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
