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
from pathlib import Path
from types import FrameType
from typing import Final

from qos_controller.adapters.book_file import NAME as BOOK
from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.cgroups.pods_in_tree import PodsInTree
from qos_controller.adapters.recording import Recording
from qos_controller.adapters.ticks import TickWriter
from qos_controller.app.acting import NodeHands
from qos_controller.app.book_watch import BookWatch
from qos_controller.app.faults import Faults, say
from qos_controller.app.law import NodeLaw
from qos_controller.app.loop import Judgement, Loop, Parts
from qos_controller.app.own_process import end_with_parent, privileged
from qos_controller.app.pace import Pace
from qos_controller.app.sensing import NodeSenses
from qos_controller.app.settings import AgentSettings, from_argument
from qos_controller.app.wishes import Wishes
from slacktide.errors import BadInput

LOCK: Final = "loop.lock"
COLLECT_S: Final = 10.0
"""Nothing in the loop makes cycles by design; this catches what a library may."""
COLLECT_BY_S: Final = 60.0
HOLD_ATTEMPTS: Final = 40
WRONG_USE: Final = 2
"""It can never work here, so it is not started again."""


class Told:
    """Whether SIGTERM or SIGINT came."""

    def __init__(self) -> None:
        self.to_end = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.to_end = True


def run(settings: AgentSettings, *, law: Judgement, pace: Pace | None = None) -> None:
    """Until SIGTERM; the parts are made after the node has been put back."""
    told = Told()
    settings.run.mkdir(parents=True, exist_ok=True)
    faults = Faults(say)
    lock = hold(settings.run / LOCK)
    layout = find_layout(settings.cgroup_root, settings.pods_root)
    hands = NodeHands(settings, layout, faults)
    if not settings.observe:
        put_back_former(hands)
    for refusal in privileged(loop_group(settings.own_group), Path(settings.cgroup_root)):
        say(refusal)
    parts = Parts(
        book=BookWatch(settings.run / BOOK, faults),
        tree=PodsInTree(layout),
        sensing=NodeSenses(settings, layout, faults),
        acting=hands,
        law=law,
        diary=TickWriter(settings.run / "ticks", unix_s=time.time()),
        wishes=Wishes(settings.run),
        faults=faults,
    )
    try:
        loop = Loop(parts, observe=settings.observe)
        _ticks(loop, pace or Pace(settings.tick_s), told)
    finally:
        if not settings.observe:
            hands.restore()
        parts.sensing.close()
        os.close(lock)


def put_back_former(hands: NodeHands) -> None:
    """A loop that was killed could not."""
    former = hands.put_back_former()
    if former.put_back or former.refused:
        said = f"{former.put_back} files of a former agent put back, {former.gone} were gone"
        say(said + "".join(f"; refused: {refusal}" for refusal in former.refused))


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


def _ticks(loop: Loop, pace: Pace, told: Told) -> None:
    """Ticks until told to end; what the collector knows by now lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.disable()
    collected_s = pace.wait()
    while not told.to_end:
        now_s = pace.wait(loop.wake_s)
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
    recording = Recording(Path(settings.record), say) if settings.record else None
    try:
        run(settings, law=NodeLaw(recording=recording))
    except BadInput as why:
        say(str(why))
        sys.exit(WRONG_USE)
    finally:
        if recording is not None:
            recording.close()


if __name__ == "__main__":
    main()
