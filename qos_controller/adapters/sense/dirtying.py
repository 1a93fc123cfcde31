"""Bytes that a pod's processes dirty: who is to blame for writeback that v1 can lay at no door.

`write_bytes` of /proc/<pid>/io counts a page when it is dirtied, less `cancelled_write_bytes` when
a file is cut before it was written, so it names the writer seconds before the device is busy.
A process that came or went between two looks counts from the next look on.
Always holds: at most `PROCESSES` a pod; the same pids are looked at until one goes.
Cost: 9 us a process (open, read, close: the file is the caller's alone, and pids come and go).
Source: Linux Documentation/filesystems/proc.rst, "/proc/<pid>/io"; task_io_accounting_ops.h.
"""

from __future__ import annotations

import os
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.numbers import number_of_line
from qos_controller.adapters.sense.processes import processes_of

PROCESSES: Final = 8


class Dirtying:
    """One pod's processes."""

    __slots__ = ("_at_s", "_before", "_group", "_layout", "_proc", "bytes_per_s")

    def __init__(self, layout: Layout, group: str, proc: str = "/proc") -> None:
        self._layout, self._group, self._proc = layout, group, proc
        self._before: dict[int, int] = {}
        self._at_s = 0.0
        self.bytes_per_s: float | None = None

    def read(self, now_s: float) -> float | None:
        """Since the last look; None at first and where nobody may read it."""
        before, elapsed_s = self._before, now_s - self._at_s
        if before and elapsed_s <= 0.0:
            return self.bytes_per_s
        self._before, self._at_s = self._look(before), now_s
        grown = [after - before[pid] for pid, after in self._before.items() if pid in before]
        self.bytes_per_s = max(0, sum(grown)) / elapsed_s if grown else None
        return self.bytes_per_s

    def _look(self, before: dict[int, int]) -> dict[int, int]:
        written = self._written(before)
        if not written or len(written) < len(before):
            written = self._written(processes_of(self._layout, self._group, most=PROCESSES))
        return written

    def _written(self, pids: dict[int, int] | list[int]) -> dict[int, int]:
        looked = ((pid, _written_bytes(f"{self._proc}/{pid}/io")) for pid in pids)
        return {pid: written for pid, written in looked if written is not None}


def _written_bytes(path: str) -> int | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.pread(fd, 512, 0)
    except OSError:
        return None
    finally:
        os.close(fd)
    written = number_of_line(text, b"write_bytes:")
    if written is None:
        return None
    return written - (number_of_line(text, b"cancelled_write_bytes:") or 0)
