"""Follows the loop's diary: where the ladders stand, since when, why, and what online lost.

Always holds: a diary that is not there, is of another version or was made anew (by the next loop)
is looked for at each turn; sums go on over it, for as long as this process lives.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from qos_controller.adapters.ticks import Event, Tick, TickReader
from qos_controller.core.qos_report import OnlineLost, Stages

NAME: Final = "ticks"
SILENT_S: Final = 3.0  # then the watchdog steps in
LONGEST_TICK_S: Final = 1.0  # of a longer pause nothing is known
TELLS_WHY: Final = frozenset({"cpu", "disk", "memory", "network", "eviction", "agent"})


@dataclass(slots=True)
class Following:
    """What the diary has said so far."""

    path: Path
    tick: Tick | None = None
    stages: Stages = field(default_factory=Stages)
    since_s: float = 0.0
    reason: str = ""
    watched_s: float = 0.0
    stalled_s: float = 0.0
    requests: float = 0.0
    slow_requests: float = 0.0
    events: Counter[str] = field(default_factory=Counter)
    ticks: int = 0
    worst_tick_cost_s: float = 0.0
    spent_s: float = 0.0
    """In ticks, all together."""
    starts: int = 0
    """How often a diary was begun."""
    reader: TickReader | None = None
    _inode: int = 0
    _seen: tuple[int, int] = (0, 0)

    @property
    def lost(self) -> OnlineLost:
        """What online lost so far."""
        return OnlineLost(
            watched_s=self.watched_s,
            stalled_s=self.stalled_s,
            requests=self.requests,
            slow_requests=self.slow_requests,
        )

    @property
    def beat_age_s(self) -> float:
        """Seconds since the loop's last sign of life; infinite where there was none."""
        beat = self.reader.heartbeat_s if self.reader is not None else 0.0
        return time.monotonic() - beat if beat else math.inf

    @property
    def alive(self) -> bool:
        """Whether the loop goes on."""
        return self.beat_age_s < SILENT_S

    def look(self) -> None:
        """Takes what is new."""
        self._reopen()
        if self.reader is None:
            return
        ticks = self.reader.ticks(self._seen[0])
        events = self.reader.events(self._seen[1])
        self._seen = self.reader.counts
        for event in events:
            self._hear(event)
        for tick in ticks:
            self._take(tick)

    def close(self) -> None:
        """Lets go of the file."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def _reopen(self) -> None:
        try:
            inode = os.stat(self.path).st_ino  # noqa: PTH116  twice a second
            if inode == self._inode and self.reader is not None:
                return
            fresh = TickReader(self.path)
        except (OSError, ValueError):
            return
        self.close()
        self.reader, self._inode, self._seen = fresh, inode, (0, 0)
        self.tick, self.starts = None, self.starts + 1

    def _hear(self, event: Event) -> None:
        self.events[event.kind] += 1
        if event.kind in TELLS_WHY:
            self.reason = event.text

    def _take(self, tick: Tick) -> None:
        before, self.tick = self.tick, tick
        stages = Stages(
            cpu=tick.cpu_stage,
            disk=tick.disk_stage,
            memory=tick.memory_stage,
            network=tick.network_stage,
        )
        if stages != self.stages or not self.since_s:
            self.stages, self.since_s = stages, tick.unix_s
        self.ticks += 1
        cost_s = _known(tick.tick_cost_s)
        self.spent_s += cost_s
        self.worst_tick_cost_s = max(self.worst_tick_cost_s, cost_s)
        if before is not None:
            self._count(tick, min(max(tick.monotonic_s - before.monotonic_s, 0), LONGEST_TICK_S))

    def _count(self, tick: Tick, lasted_s: float) -> None:
        requests = _known(tick.requests_per_s) * lasted_s
        self.watched_s += lasted_s
        self.stalled_s += _known(tick.online_full_share) * lasted_s
        self.requests += requests
        self.slow_requests += requests * _known(tick.slow_share)


def _known(value: float) -> float:
    return value if math.isfinite(value) else 0.0
