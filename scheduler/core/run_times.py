"""How long a gang will run, where its owner does not say: as its queue's finished gangs did.

Users name a queue, often a class of run times, and rarely a duration. The 90th percentile of what
ran is wrong for one gang in ten, which then outlives the horizon it was judged at; a queue with too
few finished gangs says nothing, and such a gang is judged as one that runs longest.

It is learnt from what finishes while this process looks, and anew after a restart: until then gangs
are judged more carefully than they need be, which costs room and harms nobody.

Always holds: bounded in queues and in run times of each, the oldest go first; a prediction uses
only gangs that have finished.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from scheduler.core.member import Member
from scheduler.core.members import Gang
from scheduler.core.ways_in.shape import Key
from slacktide.contract import ANNOTATION_DURATION

ENOUGH: Final = 20  # finished gangs; below it a 90th percentile is the maximum of a handful
PERCENTILE: Final = 0.9
REMEMBERED: Final = 500  # of each queue: some days of most, so that it follows what changes
MOST_QUEUES: Final = 2_000
DEFAULT_S: Final = 3_600  # where nobody forecasts, so that it hardly matters


@dataclass(slots=True)
class RunTimes:
    """By queue."""

    _finished_s: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    _predicted_s: dict[str, int] = field(default_factory=dict)  # until one more finishes

    def learn(self, queue: str, run_s: float) -> None:
        """A gang of the queue has finished after so long."""
        finished = self._finished_s.setdefault(queue, deque(maxlen=REMEMBERED))
        finished.append(max(run_s, 1.0))
        self._finished_s.move_to_end(queue)
        self._predicted_s.pop(queue, None)
        if len(self._finished_s) > MOST_QUEUES:
            forgotten, _ = self._finished_s.popitem(last=False)
            self._predicted_s.pop(forgotten, None)

    def predicted_s(self, queue: str) -> int | None:
        """The queue's percentile (nearest rank), None where too few have finished."""
        if len(self._finished_s.get(queue, ())) < ENOUGH:
            return None
        if queue not in self._predicted_s:
            ordered = sorted(self._finished_s[queue])
            self._predicted_s[queue] = math.ceil(ordered[math.ceil(PERCENTILE * len(ordered)) - 1])
        return self._predicted_s[queue]

    def reason(self, queue: str) -> str:
        """Where the duration of a gang of that queue comes from."""
        many = len(self._finished_s.get(queue, ()))
        predicted_s = self.predicted_s(queue)
        if predicted_s is None:
            return (
                f"how long it runs is not known (annotate {ANNOTATION_DURATION}; {many} gangs of "
                f"its queue have finished, {ENOUGH} would tell)"
            )
        return f"{PERCENTILE:.0%} of {many} finished gangs of its queue ran {predicted_s} s at most"


@dataclass(slots=True)
class Durations:
    """How long gangs are taken to run: as stated, as predicted, else as the longest."""

    run_times: RunTimes = field(default_factory=RunTimes)
    _running: set[Key] = field(default_factory=set)  # seen to run by this process

    def looked(self, gang: Gang, members: Iterable[Member], *, now_s: float) -> None:
        """Learns from a gang that has finished since it was last looked at."""
        if gang.outcome is None:
            if gang.started:
                self._running.add(gang.key)
            return
        begun_s = [one.decision.at_s for one in members if one.decision is not None]
        if gang.key in self._running and gang.outcome.done and begun_s:
            self.run_times.learn(gang.queue, now_s - min(begun_s))
        self._running.discard(gang.key)

    def gone(self, gang: Key) -> None:
        """There is no pod of it any more."""
        self._running.discard(gang)

    def of(self, gang: Gang, *, longest_s: int | None) -> int:
        """How long it is taken to run; `longest_s` is the longest that anybody forecasts."""
        if gang.duration_s is not None:
            return int(gang.duration_s)
        return self.run_times.predicted_s(gang.queue) or longest_s or DEFAULT_S

    def said(self, gang: Gang, *, longest_s: int | None) -> str:
        """What to add to a sentence about it where its duration was not stated, and matters."""
        if gang.duration_s is not None or longest_s is None:
            return ""
        return f"; {self.run_times.reason(gang.queue)}"
