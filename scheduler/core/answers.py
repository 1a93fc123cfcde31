"""What a round that nobody acts on says about each gang that asks: its cause, its place, its start.

The planner is asked, and nothing is assumed or written; so the answer is what it would say now.

Always holds: every gang that asks has an answer with a cause; of gangs that are alike in all that
the planner looks at, the cause is found once, and the sentence for as many as somebody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from scheduler.core.explain import Blocked
from scheduler.core.foresee import NEVER, Starts
from scheduler.core.gang_facts import Answer, Cause
from scheduler.core.plan import Plan
from scheduler.core.queue_order import in_line
from scheduler.core.snapshot import Snapshot
from scheduler.core.ways_in.shape import Key

UNTOLD = "one of very many that wait: slacktide explain gang tells of it"


@dataclass(frozen=True, slots=True)
class DryRound:
    """A round, and nothing done about it."""

    snapshot: Snapshot
    outcome: Plan
    keys: tuple[Key, ...]  # [G] the gang of each row
    starts: Starts  # as foreseen
    more: Callable[[int], str] = lambda _: ""  # what the sentence of a row ends with

    def answers(
        self, *, most_reasons: int, about: Callable[[Key], bool] = lambda _: True
    ) -> dict[Key, Answer]:
        """By gang; sentences for the first `most_reasons` that `about` says are read."""
        found = {
            self.keys[row]: self._next(row)
            for row in [placement.gang for placement in self.outcome.placements]
        }
        known: dict[Hashable, Blocked] = {}
        told = 0
        for row, position, line in self._lines():
            key = self.keys[row]
            if key in found:  # another role of it has asked already
                continue
            cause = self._cause(row, known)
            tell = told < most_reasons and about(key)
            told += tell
            found[key] = Answer(
                cause=cause.name,
                reason=_without_place(self.outcome.reason(row)) + self.more(row)
                if tell
                else UNTOLD,
                position=position,
                line=line,
                start_s=self._start_s(row),
                start_after_s=self.starts.until_s,
            )
        return found

    def row(self, key: Key) -> int | None:
        """The row that stands for a gang; None where it does not ask."""
        return self.keys.index(key) if key in self.keys else None

    def _next(self, row: int) -> Answer:
        reason = f"there is room for it now: {self.outcome.reason(row)}"
        return Answer(cause=Cause.NEXT_ROUND.name, reason=reason, start_s=self._start_s(row))

    def _lines(self) -> list[tuple[int, int, int]]:
        """(row, position, length of its line) of all that are left, line after line."""
        gangs, pending = self.snapshot.gangs, self.outcome.pending
        line = in_line(gangs, pending[gangs.leads[pending] == pending])
        queues, lengths = np.unique(gangs.queue[line], return_counts=True)
        length = dict(zip(queues.tolist(), lengths.tolist(), strict=True))
        found: list[tuple[int, int, int]] = []
        position, before = 0, -1
        for row, queue in zip(line.tolist(), gangs.queue[line].tolist(), strict=True):
            position = position + 1 if queue == before else 1
            before = queue
            found.append((row, position, length[queue]))
        return found

    def _cause(self, row: int, known: dict[Hashable, Blocked]) -> Blocked:
        alike = self._alike(row)
        if alike not in known:
            known[alike] = self.outcome.blocked(row)
        return known[alike]

    def _alike(self, row: int) -> Hashable:
        """Equal for gangs with the same cause."""
        gangs, reservation = self.snapshot.gangs, self.outcome.reservation
        holds = reservation is not None and reservation.gang == row
        if holds or np.count_nonzero(gangs.leads == row) > 1:
            return row
        whole = (gangs.queue, gangs.min_available, gangs.duration_s)
        amounts = float(gangs.cpu_cores[row]), float(gangs.memory_bytes[row])
        kind = -1 if gangs.kind is None else int(gangs.kind[row])
        return *amounts, kind, *(int(column[row]) for column in whole)

    def _start_s(self, row: int) -> float | None:
        start_s = int(self.starts.start_s[row])
        return None if start_s == NEVER else float(start_s)


def _without_place(reason: str) -> str:
    """The planner's sentence without the place in line, which stands beside it."""
    before, found, after = reason.partition(" in its queue, ")
    return after if found and before.startswith("waits, number") else reason
