"""How many threads a pod has, and in which states: its load, and whether it waits for disks.

From the state letter of /proc/<tid>/stat: R runs or is ready, D waits without being interruptible
(mostly for a disk), the rest sleep. Read for at most `THREADS` of a pod and scaled to all.
`load` is (running + ready threads) / cores that the pod may use: above 1 it has more to do than
CPUs to do it.
Cost: 30 us for the list and 9 us a thread; a pod's turn comes every few seconds.
Source: Linux Documentation/filesystems/proc.rst, table 1-4.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.kept import KeptFile
from qos_controller.adapters.sense.numbers import only_number
from qos_controller.adapters.sense.places import stat_file
from qos_controller.adapters.sense.processes import threads_of

THREADS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadStates:
    """One look at one pod."""

    threads: int
    """All of them, by the pids controller where it is on, else those seen."""
    ready_share: float
    """Running or ready, of those looked at."""
    blocked_share: float
    looked_at: tuple[int, ...] = ()

    def load(self, cores: float) -> float:
        """Running and ready threads a core."""
        return self.ready_share * self.threads / max(cores, 0.001)


class Threads:
    """One pod's threads."""

    __slots__ = ("_group", "_layout", "_number", "_proc")

    def __init__(self, layout: Layout, group: str, proc: str = "/proc") -> None:
        self._layout, self._group, self._proc = layout, group, proc
        path = stat_file(layout, "pids", group, v1="pids.current", v2="pids.current")
        self._number = KeptFile(path, size_bytes=64)

    def read(self) -> ThreadStates | None:
        """Now; None where the pod has no thread that can be seen."""
        tids = threads_of(self._layout, self._group, most=THREADS)
        states = [state for tid in tids if (state := _state(f"{self._proc}/{tid}/stat"))]
        if not states:
            return None
        return ThreadStates(
            threads=max(only_number(self._number.read()) or 0, len(states)),
            ready_share=states.count(b"R") / len(states),
            blocked_share=states.count(b"D") / len(states),
            looked_at=tuple(tids),
        )

    def close(self) -> None:
        """Lets go of the file."""
        self._number.close()


def _state(path: str) -> bytes:
    """The letter behind the name in brackets; a name may hold brackets and spaces itself."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        text = os.pread(fd, 256, 0)
    except OSError:
        return b""
    finally:
        os.close(fd)
    at = text.rfind(b") ")
    return text[at + 2 : at + 3] if at >= 0 else b""
