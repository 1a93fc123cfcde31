"""Where a gang stands, read from its members alone, so that a planner that was killed goes on.

    too few      fewer members than it needs: nobody asks for a place yet
    waits        nothing of it has a place: ask for `least` to `tasks`
    half         a plan was written on some members only: ask for the rest, before anybody else
    released     all it needs have a place, and are not bound yet
    partly       some are bound and too few: for at most a window, then it is withdrawn
    whole        at least `least` are bound; others may join one by one

A gang that was whole once is never withdrawn: when a member of it dies, the others go on and the
new one asks for a place like any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.core.member import Member, Stage


@dataclass(frozen=True, slots=True)
class Standing:
    """One gang now. It asks for a place where `tasks > 0`."""

    waiting: tuple[Member, ...]  # who would be placed, the oldest first
    tasks: int  # to be placed at most
    least: int  # to be placed, or none
    half: bool  # some of it has a place already, too few
    partly: bool  # some of it is bound, too few, and it never was whole
    whole: bool  # it is, or was once

    @property
    def asks(self) -> bool:
        """Whether it wants a place now."""
        return self.tasks > 0


def standing(members: Iterable[Member], *, was_whole: bool) -> Standing:
    """Where a gang stands. `was_whole`: it was, as far as anybody remembers."""
    present = [one for one in members if one.stage is not Stage.LEAVING]
    waiting = sorted(
        (one for one in present if one.stage is Stage.WAITING),
        key=lambda one: (one.created_s, one.namespace, one.name),
    )
    least = max((one.least for one in present), default=1)
    total = max((one.total for one in present), default=0) or len(present)
    placed = sum(one.placed for one in present)
    have = placed + sum(one.stage is Stage.RELEASED for one in present)
    missing = max(least - have, 1)
    whole = was_whole or placed >= least
    tasks = min(len(waiting), max(total - have, 0)) if len(waiting) >= missing else 0
    return Standing(
        waiting=tuple(waiting[:tasks]),
        tasks=tasks,
        least=min(missing, tasks),
        half=0 < have < least and not whole,
        partly=0 < placed < least and not whole,
        whole=whole,
    )


def inferred_whole(members: Iterable[Member]) -> bool:
    """Whether a gang met for the first time was whole before anybody of us looked.

    It was where every placed member was bound and every member that waits was created after the
    plan: a plan that was written on some members only leaves others waiting that are as old.
    """
    present = [one for one in members if one.stage is not Stage.LEAVING]
    placed = [one for one in present if one.placed]
    if not placed or any(one.stage is Stage.RELEASED for one in present):
        return False
    newest_s = max(one.decision.newest_s if one.decision else one.created_s for one in placed)
    return all(one.created_s > newest_s for one in present if not one.placed)


def to_withdraw(members: Iterable[Member]) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
    """Whom to delete to take a partly placed gang back: first the bound, then the released.

    In that order, because while a released one is left the gang is known not to have been whole:
    a planner killed between the two goes on withdrawing.
    """
    there = sorted(members, key=lambda one: one.name)
    bound = tuple(one for one in there if one.stage is Stage.BOUND)
    return bound, tuple(one for one in there if one.stage is Stage.RELEASED)
