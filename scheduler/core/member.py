"""One task of a gang as its pod tells it, and the decision that is written on that pod.

Always holds: a decision counts only once our gate is gone from the pod, since one patch writes the
decision and lifts the gate; so whatever was decided can be read from pods alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from scheduler.core.ways_in.shape import Key

LONGEST_TEXT: Final = 1_024  # characters of a decision; a longer one is not ours


class Stage(Enum):
    """How far a task has come."""

    GATED = "gated"  # others' gates hold it: not ours to place
    WAITING = "waiting"  # for a place
    RELEASED = "released"  # it has a place and is not bound
    BOUND = "bound"
    DONE = "done"  # it has done its part
    FAILED = "failed"  # it takes no room, and no part
    LEAVING = "leaving"  # being deleted


class Decision(msgspec.Struct, frozen=True):
    """Where one task of a gang goes, and with how many others it was decided."""

    plan: str  # unique: the lease's epoch and a count
    node: str
    tasks: int  # placed by the same plan
    epoch: int  # of the lease: who decided
    newest_s: int = 0  # when the youngest of them was created, by the API server's clock
    at_s: int = 0  # when it was decided
    for_s: int = 0  # it was predicted to run so long; 0: as its pod says


_DECISION: Final = msgspec.json.Decoder(Decision)


def decision_text(decision: Decision) -> str:
    """As it is written on the pod."""
    return msgspec.json.encode(decision).decode()


def decision_of(text: str | None) -> Decision | None:
    """What stands on a pod; None where nothing does, or nothing of ours."""
    if not text or len(text) > LONGEST_TEXT:
        return None
    try:
        found = _DECISION.decode(text)
    except msgspec.DecodeError:
        return None
    return found if found.node and found.plan else None


@dataclass(frozen=True, slots=True)
class Member:
    """One task, under the UID of its pod."""

    uid: str
    namespace: str
    name: str
    gang: Key
    queue: str
    cpu_milli: int
    memory_bytes: int
    created_s: int
    duration_s: int
    stage: Stage
    node: str = ""  # bound to, or decided
    decision: Decision | None = None
    owned: bool = False  # a controller makes another one when this one is deleted
    gated: bool = False  # our gate is on it
    replaces: str = ""  # UID of the pod that this one is for, once that one is gone
    plain: bool = False  # asks for batch resources alone, so it may be bound without kube-scheduler
    minds: bool = False  # who else runs beside it
    pinned: bool = False  # its pod may run on certain nodes alone, for as long as it lives
    nominated: str = ""  # the node that kube-scheduler is to try first

    @property
    def holds(self) -> bool:
        """Whether it takes room on `node`."""
        return bool(self.node) and self.stage not in (Stage.DONE, Stage.FAILED)

    @property
    def end_s(self) -> int:
        """When it is predicted to end, if it started when that was decided."""
        if self.decision is None:
            return self.created_s + self.duration_s
        return self.decision.at_s + (self.decision.for_s or self.duration_s)

    @property
    def placed(self) -> bool:
        """Whether it runs or has run."""
        return self.stage in (Stage.BOUND, Stage.DONE)
