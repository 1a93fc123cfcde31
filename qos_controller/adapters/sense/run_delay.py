"""How long ready threads waited for a CPU, thread by thread: the scheduler's own account.

The second number of /proc/<tid>/schedstat, nanoseconds (SCHED_INFO, which task delay accounting
brings; CONFIG_SCHEDSTATS is not needed). It moves when a thread is switched in, so a thread that
still waits is not counted yet. Unlike PSI it counts waits behind the pod's own threads too, so it
is shown to people and blames nobody.
Cost: 9 us a thread; at most `THREADS` a pod, with a period of seconds.
Source: Linux Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat".
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

THREADS: Final = 12


class RunDelay:
    """Of the threads of one pod."""

    __slots__ = ("_at_s", "_before", "_proc", "share")

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._before: dict[int, int] = {}
        self._at_s = 0.0
        self.share: float | None = None
        """Mean share of the time that a thread was ready and did not run."""

    def read(self, now_s: float, tids: Iterable[int]) -> float | None:
        """Over those threads that were there at the last look too."""
        before, elapsed_s = self._before, now_s - self._at_s
        looked = (
            (tid, _waited_ns(f"{self._proc}/{tid}/schedstat")) for tid in list(tids)[:THREADS]
        )
        self._before = {tid: waited for tid, waited in looked if waited is not None}
        self._at_s = now_s
        grown = [after - before[tid] for tid, after in self._before.items() if tid in before]
        if not grown or elapsed_s <= 0.0:
            self.share = None
        else:
            self.share = min(1.0, max(0, sum(grown)) * 1e-9 / elapsed_s / len(grown))
        return self.share


def _waited_ns(path: str) -> int | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        words = os.pread(fd, 128, 0).split()
    except OSError:
        return None
    finally:
        os.close(fd)
    return int(words[1]) if len(words) == 3 and words[1].isdigit() else None
