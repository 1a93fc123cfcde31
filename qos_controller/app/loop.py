"""One tick of the fast loop: look, decide, act, write it down; whatever fails, the next tick comes.

While nothing is wrong most ticks are a glance at what can hurt at once, for a fifth of the cost;
as soon as anything stirs, the same tick and those after it look at the whole node.
Always holds: a glance is enough only where the law is at ease, its last decision asked for nothing,
nothing stirred for a fifth of a second and no pod came or went for two; a fault in one step costs
that step of that tick alone, is told once and counted; a tick without a decision grows no quota and
gives no heartbeat, so that a law that keeps failing is met by the watchdog like a loop that stands
still; under `observe`, and while the node is switched off, nothing is written to the node.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from qos_controller.adapters.cgroups.pods_in_tree import PodGroup
from qos_controller.adapters.ticks import Event, Tick, TickWriter
from qos_controller.app.faults import Faults
from qos_controller.app.wishes import Wishes
from qos_controller.core.decision import Action, Evict, SetOpen
from qos_controller.core.node import NodeDecision
from qos_controller.core.pods import Book, Pod
from qos_controller.core.sample import Sample

STAGES: Final = ("cpu_stage", "disk_stage", "memory_stage", "network_stage")
TELL_COUNTS_S: Final = 5.0
"""How often the counts go to the metrics."""
WHOLE_S: Final = 0.2
"""The longest time between two whole looks."""
AWAKE_S: Final = 0.2
"""So long after something stirred each tick looks at all: what is confirmed takes three looks."""
MOVED_S: Final = 2.0
"""The same after a pod came: its groups are made one by one, and the book may come later."""
_EARLY_S: Final = 0.002
"""A tick is never exactly on time."""


class Sensing(Protocol):
    """The loop's eyes."""

    def know(self, pods: Sequence[Pod], groups: Mapping[str, str]) -> None:
        """These are the pods from now on, and the groups that are in the tree, by UID."""

    def stirs(self, now_s: float) -> bool:
        """A glance; whether anybody waits or is slow, so that a whole look is due at once."""

    def read(self, now_s: float, *, pressed: bool) -> Sample:
        """A whole look; what cannot be read is None in it."""

    def counts(self) -> dict[str, float]:
        """What was counted since the start, by name."""

    def close(self) -> None:
        """Lets go of all files and sockets."""


class Acting(Protocol):
    """The loop's hands."""

    def know(self, book: Book, tree: Mapping[str, PodGroup], now_s: float) -> None:
        """These are the pods from now on: standing values for the new, restoring of the rest."""

    def tend(self, now_s: float) -> None:
        """What each tick needs: new groups, thawing in time, reading back."""

    def apply(self, action: Action, now_s: float) -> None:
        """Does it, where this node can."""

    def kill(self, pod: str) -> None:
        """Ends all processes of a pod."""

    def restore(self) -> None:
        """Puts back all that is owned; may go on afterwards."""

    def frozen_share(self, now_s: float) -> float:
        """Share of batch pods that stand still."""

    def counts(self) -> dict[str, float]:
        """What was counted since the start, by name."""


class Tree(Protocol):
    """Which pods have groups on the node now."""

    @property
    def pods(self) -> Mapping[str, PodGroup]:
        """By UID."""

    def look(self, now_s: float) -> bool:
        """Whether anything changed."""


class Judgement(Protocol):
    """The loop's law, which remembers what it has to."""

    @property
    def pressed(self) -> bool:
        """Whether something is wrong."""

    @property
    def at_ease(self) -> bool:
        """Whether nothing is wrong, nor was a moment ago."""

    @property
    def wake_s(self) -> float:
        """When a tick is wanted, be it before its time; long ago: never."""

    def decide(self, sample: Sample, now_s: float) -> NodeDecision:
        """What to do now."""

    def forget(self) -> None:
        """Begin anew, as with a node just met."""

    def told(self, decision: NodeDecision, now_s: float) -> Sequence[Event]:
        """The sentences of this decision that somebody should read later."""

    def describe(self, tick: Tick, decision: NodeDecision) -> None:
        """Fills the stages, the level and the limits in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a loop is made of."""

    book: Callable[[], Book | None]
    """A new book, or None where it is the old one."""
    tree: Tree
    sensing: Sensing
    acting: Acting
    law: Judgement
    diary: TickWriter
    wishes: Wishes
    faults: Faults


class Loop:
    """The ticks, one after the other."""

    def __init__(self, parts: Parts, *, observe: bool) -> None:
        self._parts = parts
        self._observe = observe
        self._off = False
        self._book = Book(node="", written_s=0.0)
        self._told_s = -TELL_COUNTS_S
        self._last: Sample | None = None
        self._tick = blank_tick()
        self._whole_s = self._awake_s = float("-inf")
        self._looked_s: float | None = None
        self.late_ticks = 0
        self.ticks = 0

    @property
    def acts(self) -> bool:
        """Whether anything may be written to the node."""
        return not (self._observe or self._off)

    @property
    def wake_s(self) -> float:
        """When a pause of batch ends: a tick then is worth more than one at its time."""
        return self._parts.law.wake_s

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is wrong: a moment for housekeeping."""
        tick = self._tick
        return not (tick.cpu_stage or tick.disk_stage or tick.memory_stage or tick.network_stage)

    def tick(self, now_s: float) -> None:
        """One tick. Raises nothing that a node can cause."""
        began_s = time.perf_counter()
        parts, faults = self._parts, self._parts.faults
        self.ticks += 1
        moved = faults.kept("tree", parts.tree.look, now_s)
        # A glance that failed has not seen that all is still.
        stirs = faults.kept("glance", parts.sensing.stirs, now_s) is not False
        if moved or stirs:
            self._awake_s = max(self._awake_s, now_s + (MOVED_S if moved else AWAKE_S))
        elif now_s < self._whole_s:
            faults.kept("diary", self._write_again, now_s, began_s)
            return
        self._whole_tick(now_s, began_s, moved=moved is True)

    def _whole_tick(self, now_s: float, began_s: float, *, moved: bool) -> None:
        parts, faults = self._parts, self._parts.faults
        self._whole_s = now_s
        faults.kept("pods", self._look_around, now_s, moved=moved)
        # A look that failed is the last one again: old news, on which nothing grows.
        sample = faults.kept("sense", self._look, now_s) or self._last
        if self.acts:
            faults.kept("tend", parts.acting.tend, now_s)
            self._kill_unanswered(now_s)
        if sample is None:
            parts.diary.beat(now_s)
            return
        self._last = sample
        decision = faults.kept("decide", parts.law.decide, sample, now_s)
        if decision is None:
            return
        for action in decision.actions:
            faults.kept("act", self._do, action, decision, now_s)
        faults.kept("diary", self._write_down, sample, decision, now_s, began_s)
        if self._is_still(decision, now_s):
            self._whole_s = now_s + WHOLE_S - _EARLY_S
        if now_s - self._told_s >= TELL_COUNTS_S:
            self._told_s = now_s
            faults.kept("counts", self._tell_counts)

    def _is_still(self, decision: NodeDecision, now_s: float) -> bool:
        """Whether glances are enough for a while; an eviction's answer is waited for awake."""
        if decision.actions or self._tick.frozen or self._parts.wishes.waiting:
            return False
        return self._parts.law.at_ease and now_s >= self._awake_s

    def _look(self, now_s: float) -> Sample:
        return self._parts.sensing.read(now_s, pressed=self._parts.law.pressed)

    def _look_around(self, now_s: float, *, moved: bool) -> None:
        """Who is here: the book says what they are, the tree where."""
        parts, book = self._parts, self._parts.book()
        if book is not None:
            self._book = book
            self._switch(now_s)
        elif not moved:
            return
        groups = {uid: group.path for uid, group in parts.tree.pods.items()}
        parts.sensing.know(self._book.pods, groups)
        if self.acts:
            parts.acting.know(self._book, parts.tree.pods, now_s)

    def _switch(self, now_s: float) -> None:
        """Off puts all back at once; on begins anew."""
        if self._book.off == self._off:
            return
        self._off = self._book.off
        if self._off:
            self._say(now_s, "the node is switched off: all is put back, and only watched")
            if not self._observe:
                self._parts.acting.restore()
        else:
            self._say(now_s, "the node is switched on again")
            self._parts.law.forget()

    def _do(self, action: Action, decision: NodeDecision, now_s: float) -> None:
        if not self.acts:
            return
        if isinstance(action, Evict):
            reason = str(decision.reason)
            self._say(now_s, reason, kind="eviction", pod=action.task)
            self._parts.wishes.evict(action, reason=reason, now_s=now_s)
        elif isinstance(action, SetOpen):
            self._parts.wishes.send({"wish": "open", "open": action.open})
        else:
            self._parts.acting.apply(action, now_s)

    def _kill_unanswered(self, now_s: float) -> None:
        """Memory cannot wait for an answer that does not come."""
        for pod in self._parts.wishes.unanswered(now_s):
            if pod not in self._parts.tree.pods:
                continue
            if self._parts.faults.kept("kill", self._kill, pod):
                said = "memory runs out and nobody evicted it within 1 s: killed by the agent"
                self._say(now_s, said, kind="eviction", pod=pod)

    def _kill(self, pod: str) -> bool:
        self._parts.acting.kill(pod)
        return True

    def _write_down(
        self, sample: Sample, decision: NodeDecision, now_s: float, began_s: float
    ) -> None:
        parts, tick = self._parts, self._tick
        for event in parts.law.told(decision, now_s):
            parts.diary.event(event)
        before_s, self._looked_s = self._looked_s, now_s
        see(tick, sample, sample.signals.covered_s if before_s is None else now_s - before_s)
        tick.monotonic_s, tick.unix_s = now_s, time.time()
        parts.law.describe(tick, decision)
        tick.frozen = parts.acting.frozen_share(now_s) if self.acts else 0.0
        tick.tick_cost_s = time.perf_counter() - began_s
        parts.diary.tick(tick)

    def _write_again(self, now_s: float, began_s: float) -> None:
        """After a glance all is still as it was told last."""
        self._parts.diary.again(now_s, time.time(), time.perf_counter() - began_s)

    def _tell_counts(self) -> None:
        parts = self._parts
        parts.wishes.send(
            {
                "wish": "counts",
                "ticks": self.ticks,
                "late_ticks": self.late_ticks,
                "unheard_wishes": parts.wishes.unheard,
                "faults": parts.faults.counts,
                "sensing": parts.sensing.counts(),
                "acting": parts.acting.counts(),
            }
        )

    def _say(self, now_s: float, text: str, *, kind: str = "agent", pod: str = "") -> None:
        self._parts.diary.event(
            Event(monotonic_s=now_s, unix_s=time.time(), kind=kind, pod=pod, text=text)
        )


def blank_tick() -> Tick:
    """One record that is filled anew each tick, so that the steady loop makes none."""
    values: dict[str, Any] = dict.fromkeys(Tick.__slots__, float("nan"))
    return Tick(**(values | dict.fromkeys(STAGES, 0)))


def see(tick: Tick, sample: Sample, lasted_s: float) -> None:
    """What the senses saw, into the record; None becomes NaN. Requests came in `lasted_s`."""
    signals, nan = sample.signals, float("nan")
    tick.online_used_cores = signals.online_used_cores
    tick.offline_used_cores = signals.offline_used_cores
    tick.system_used_cores = signals.system_used_cores
    tick.online_full_share = _known(signals.online_full_share)
    tick.latency_s = _known(sample.latency_s)
    tick.io_full_share = _known(signals.io_pressure_share)
    requests = signals.requests
    tick.requests_per_s = nan if requests is None or lasted_s <= 0.0 else requests / lasted_s
    tick.slow_share = signals.slow_requests / requests if requests else nan
    memory = sample.memory
    if memory is not None and memory.capacity_bytes > 0.0:
        tick.memory_used_share = memory.used_bytes / memory.capacity_bytes
    elif signals.memory_capacity_bytes:
        tick.memory_used_share = _known(signals.memory_used_bytes) / signals.memory_capacity_bytes
    else:
        tick.memory_used_share = nan


def _known(value: float | None) -> float:
    return float("nan") if value is None else value
