"""The fast loop's process: `python -m qos_controller.app.loop_process SETTINGS`.

It imports neither web nor Kubernetes nor numeric libraries, holds its memory, and does one thing.
Always holds: its first act is to thaw and put back what a former one left, its last (SIGTERM) to
put back what it did itself; RUN_DIR/loop.lock is held from before the first until after the last,
so there is one loop at a time and the watchdog knows at once when there is none.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from qos_controller.adapters.book_file import NAME as BOOK
from qos_controller.adapters.ticks import TickWriter
from qos_controller.app.book_watch import BookWatch
from qos_controller.app.faults import Faults, say
from qos_controller.app.loop import Acting, Law, Loop, Parts, Sensing
from qos_controller.app.own_process import end_with_parent, privileged
from qos_controller.app.pace import Pace
from qos_controller.app.settings import AgentSettings, from_argument
from qos_controller.app.wishes import Wishes

LOCK: Final = "loop.lock"
COLLECT_S: Final = 10.0
"""Nothing in the loop makes cycles by design; this catches what a library may."""
COLLECT_BY_S: Final = 60.0
HOLD_ATTEMPTS: Final = 40


class Told:
    """Whether SIGTERM or SIGINT came."""

    def __init__(self) -> None:
        self.to_end = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.to_end = True


def run(
    settings: AgentSettings,
    *,
    sensing: Callable[[AgentSettings, Faults], Sensing],
    acting: Callable[[AgentSettings, Faults], Acting],
    law: Callable[[AgentSettings], Law],
) -> None:
    """Until SIGTERM. The parts are made here, after the node has been put back."""
    told = Told()
    run_dir = settings.run
    run_dir.mkdir(parents=True, exist_ok=True)
    faults = Faults(say)
    lock = hold(run_dir / LOCK)
    try:
        hands = acting(settings, faults)
        if not settings.observe:
            hands.restore()
        for refusal in privileged(loop_group(settings.own_group), Path(settings.cgroup_root)):
            say(refusal)
        diary = TickWriter(run_dir / "ticks", unix_s=time.time())
        eyes = sensing(settings, faults)
        parts = Parts(
            book=BookWatch(run_dir / BOOK, faults),
            sensing=eyes,
            acting=hands,
            law=law(settings),
            diary=diary,
            wishes=Wishes(run_dir),
            faults=faults,
        )
        _ticks(Loop(parts, observe=settings.observe), settings, told)
    finally:
        if not settings.observe:
            hands.restore()
        os.close(lock)


def hold(path: Path) -> int:
    """The lock, once it is free; the watchdog has it for a moment while it acts."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    for attempt in range(HOLD_ATTEMPTS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(attempt * 0.001)
        else:
            return fd
    say(f"waits for {path}: another loop holds it")
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def loop_group(own_group: str) -> str:
    """The loop's group, beside the watchdog's."""
    return f"{own_group}-loop" if own_group else ""


def _ticks(loop: Loop, settings: AgentSettings, told: Told) -> None:
    """Ticks until told to end; what the collector knows by now lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.disable()
    pace = Pace(settings.tick_s)
    collected_s = time.monotonic()
    while not told.to_end:
        now_s = pace.wait()
        loop.late_ticks = pace.late
        loop.tick(now_s)
        if now_s - collected_s >= COLLECT_S and (
            loop.is_quiet or now_s - collected_s >= COLLECT_BY_S
        ):
            gc.collect(1)
            collected_s = now_s


def main() -> None:
    """The process."""
    settings = from_argument(sys.argv[1])
    parent = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if parent and not end_with_parent(parent):
        return
    raise NotImplementedError


if __name__ == "__main__":
    main()
