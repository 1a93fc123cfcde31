"""Where a gang stands, read from its pods alone, so that a planner that was killed goes on.

    not ready    its way in says what it waits for: nobody asks for a place yet
    waits        nothing of it has a place: ask for what each role needs, together
    half         a plan was written on some members only: ask for the rest, before anybody else
    released     all it needs have a place, and are not bound yet
    partly       some are bound and too few: withdrawn when none was added for a window
    whole        every role has its least bound; others may join one by one

A gang that was whole once is never withdrawn: when a member of it dies, the others go on and the
new one asks for a place like any other. One that has lost all its members starts anew, whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from scheduler.core.member import Member, Stage
from scheduler.core.members import Gang
from scheduler.core.roles import Role


class Ask(NamedTuple):
    """Identical tasks of one role that want a place."""

    role: str
    waiting: tuple[Member, ...]  # all that do, the oldest first
    least: int  # of them, or none


@dataclass(frozen=True, slots=True)
class Standing:
    """One gang now."""

    gang: Gang
    asks: tuple[Ask, ...]  # by role, those that start together; empty where nobody wants a place
    together: bool  # the asks are met all or none; else each by itself
    half: bool  # some of it has a place already, too few
    partly: bool  # some of it is bound, too few, and it never was whole
    whole: bool  # it is, or was once
    placed: int  # members that are bound, or were and are done


class _Count(NamedTuple):
    role: Role
    waiting: tuple[Member, ...]
    have: int  # have a place
    placed: int  # and use it

    @property
    def missing(self) -> int:
        return max(self.role.least - self.have, 0)


def standing(gang: Gang, members: Mapping[str, Member], *, was_whole: bool) -> Standing:
    """Where a gang stands.

    Args:
        gang: its roles, as its way in tells them.
        members: by UID, as far as they are known to have come; a pod that is none does not count.
        was_whole: it was whole before, as far as anybody remembers.
    """
    counts = [_counted(role, members) for role in gang.roles]
    placed = sum(count.placed for count in counts)
    have = sum(count.have for count in counts)
    missing = sum(count.missing for count in counts)
    whole = placed > 0 and (was_whole or all(c.placed >= c.role.least for c in counts))
    asks = _needed(counts) if missing else _more(counts)
    return Standing(
        gang=gang,
        asks=asks if gang.ready else (),
        together=missing > 0,
        half=have > 0 and missing > 0 and not whole,
        partly=placed > 0 and not whole,
        whole=whole,
        placed=placed,
    )


def _counted(role: Role, members: Mapping[str, Member]) -> _Count:
    own = [members[one.uid] for one in role.members if one.uid in members]
    placed = sum(one.placed for one in own)
    return _Count(
        role=role,
        waiting=tuple(one for one in own if one.stage is Stage.WAITING),
        have=placed + sum(one.stage is Stage.RELEASED for one in own),
        placed=placed,
    )


def _needed(counts: Iterable[_Count]) -> tuple[Ask, ...]:
    """What has to be placed together; nobody asks where one role has too few to ask for."""
    short = [count for count in counts if count.missing]
    if any(len(count.waiting) < count.missing for count in short):
        return ()
    return tuple(_ask(count, least=count.missing) for count in short)


def _more(counts: Iterable[_Count]) -> tuple[Ask, ...]:
    """Who may join a gang that has what it needs."""
    return tuple(ask for count in counts if (ask := _ask(count, least=1)).waiting)


def _ask(count: _Count, *, least: int) -> Ask:
    return Ask(count.role.name, count.waiting, least)


def inferred_whole(members: Iterable[Member]) -> bool:
    """Whether a gang met for the first time was whole before anybody of us looked.

    It was where every placed member was bound and every member that waits was created after the
    plan: a plan that was written on some members only leaves others waiting that are as old.
    """
    gone = (Stage.LEAVING, Stage.FAILED)
    present = [one for one in members if one.stage not in gone]
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
