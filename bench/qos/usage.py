"""What the node and the groups use, read twenty times a second beside an episode.

Always holds: counters are kept as they are read; differences are taken later, from the results.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.qos.groups import Group
from bench.qos.rig import Rig

EVERY_S = 0.05
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
FIELDS = ("t", "online", "batch", "client", "agent", "ours", "busy", "steal", "done")
"""Seconds of CPU but for `t`, CLOCK_MONOTONIC, and `done`, bytes."""


@dataclass(frozen=True, slots=True)
class Busy:
    """CPU seconds since boot, all CPUs together."""

    busy_s: float
    steal_s: float


def busy_s() -> Busy:
    """From /proc/stat: everything that is not idle, waiting or stolen."""
    first = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _, _, irq, softirq, steal = (int(v) for v in first[1:9])
    return Busy((user + nice + system + irq + softirq) * _TICK_S, steal * _TICK_S)


class Watch:
    """Reads until it is closed; `rows` are in the order of FIELDS."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.rows: list[tuple[float, ...]] = []
        self._written: dict[int, int] = {}
        self._batch_s = self._batch_before_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Reads once more and stops."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        if self._rig.wire:
            self._rig.wire.enter_node()
        while True:
            over = self._over.wait(EVERY_S)
            self.rows.append(self._row())
            if over:
                return

    def _row(self) -> tuple[float, ...]:
        rig, now = self._rig, busy_s()
        ours = _cpu_s(rig.top)
        return (
            time.monotonic(),
            _cpu_s(rig.online),
            _cpu_s(rig.batch),
            _cpu_s(rig.client),
            _cpu_s(rig.agent),
            ours,
            now.busy_s,
            now.steal_s,
            float(self._done()),
        )

    def _done(self) -> int:
        counts = self._rig.scene.counts
        if counts == "sent" and self._rig.wire:
            return self._rig.wire.sent_bytes()
        if counts != "written":
            return 0
        for pid in self._rig.batch.pids():
            with contextlib.suppress(OSError):
                told = Path(f"/proc/{pid}/io").read_text()
                self._written[pid] = int(told.split("wchar: ", 1)[1].split("\n", 1)[0])
        return sum(self._written.values())


def _cpu_s(group: Group) -> float:
    try:
        return group.cpu_s()
    except OSError:
        return 0.0
