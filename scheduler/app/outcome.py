"""What a round came to: who was placed, who waits and why, and who cannot be planned yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scheduler.core.explain import Blocked
from scheduler.core.member import Member
from scheduler.core.ways_in.shape import Key


@dataclass(frozen=True, slots=True)
class Placed:
    """A gang that was decided in a round."""

    gang: Key
    members: tuple[Member, ...]  # as assumed: each with its decision


@dataclass(frozen=True, slots=True)
class Waits:
    """A gang that was not, and why."""

    gang: Key
    member: Member  # its eldest
    blocked: Blocked
    reason: str
    start_s: int | None = None  # when it is predicted to start, where room is kept for it


class Unready(NamedTuple):
    """A gang that cannot be planned yet, and what it waits for."""

    gang: Key
    member: Member
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round came to."""

    placed: tuple[Placed, ...] = ()
    waits: tuple[Waits, ...] = ()
    unready: tuple[Unready, ...] = ()  # of those that stay so
    asked: int = 0
