"""Plans anew what was nominated to a node that does not take it, without making its pods anew.

kube-scheduler tries a nominated node first. The extender lets the pod through nowhere else, so
where that node refuses it the pod is unschedulable, and kube-scheduler takes the nomination back.
That is the sign: a task with a decision, without a node, whose nomination is gone.

Always holds: a pinned pod is left alone, since no other node may take it; of a gang of which
nothing is bound all are planned anew, so that it starts whole elsewhere; a task that fails again
and again is asked for less and less often.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from scheduler.adapters.board import Board
from scheduler.core.member import Member, Stage
from slacktide.clock import Clock

FIRST_WAIT_S: Final = 1.0  # after a second failure; after the first there is none
LONGEST_WAIT_S: Final = 60.0

log = structlog.get_logger()


@dataclass(slots=True)
class Replanning:
    """Who failed where he was nominated, and how often."""

    board: Board
    clock: Clock
    refuse: Callable[[str, float], None]  # (UID, until)
    _failed: dict[str, int] = field(default_factory=dict)  # UID -> times

    def look(self) -> None:
        """Puts those back to be planned whose nomination was taken back."""
        known = {uid: self.board.member(uid) for uid in self._failed}
        self._failed = {
            uid: self._failed[uid] for uid, one in known.items() if one and not one.placed
        }
        for uid in self.board.released - self.board.assumed.keys():
            one = self.board.member(uid)  # an earlier one of its gang may have put it back by now
            if one is not None and one.stage is Stage.RELEASED and _is_taken_back(one):
                self._again(one)

    def _again(self, failed: Member) -> None:
        log.warning(
            "planned anew",
            pod=f"{failed.namespace}/{failed.name}",
            gang="/".join(failed.gang),
            not_on=failed.node,
        )
        times = self._failed[failed.uid] = self._failed.get(failed.uid, 0) + 1
        if times > 1:
            wait_s = min(FIRST_WAIT_S * 2 ** (times - 2), LONGEST_WAIT_S)
            self.refuse(failed.uid, self.clock.now_s() + wait_s)
        members = list(self.board.members(failed.gang))
        begun = any(one.placed for one in members)
        for one in [failed] if begun else members:
            if one.stage is Stage.RELEASED and not one.pinned:
                self.board.unplace(one.uid)


def _is_taken_back(one: Member) -> bool:
    return not one.pinned and one.nominated != one.node
