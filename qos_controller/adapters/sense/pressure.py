"""Growth of a group's stall counters: CPU, memory, I/O (`cpu.pressure` and its sisters).

`full` of cpu.pressure grows, in a group below the root, while tasks of the group are ready and none
of them runs, CPU by CPU, because others hold the CPUs or because the group is throttled; a group
that merely has more work than CPUs raises `some` alone. `full` of io and memory: no task of the
group gets on. Source: Linux kernel/sched/psi.c and Documentation/accounting/psi.rst.
The kernel adds a reading up from each CPU weighted in whole jiffies, and what it cuts off is lost
for ever, so files are never read more often than every `SHORTEST_S`.
In the hybrid the files lie in the unified tree and need no controller there.
Cost: 2.0 us in the kernel a file, 4 us with parsing; `some` alone 3 us.
"""

from __future__ import annotations

from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.growth import Growth
from qos_controller.adapters.sense.kept import KeptFile
from qos_controller.adapters.sense.numbers import only_number
from qos_controller.adapters.sense.places import file_in

SHORTEST_S: Final = 0.019
_TOTAL: Final = b"total="


class Pressure:
    """One resource's stall in one group."""

    __slots__ = ("_file", "_full", "_next_s", "_some", "full_share", "some_share")

    def __init__(self, layout: Layout, group: str, resource: str) -> None:
        path = file_in(layout.unified, group, f"{resource}.pressure")
        self._file = KeptFile(path, size_bytes=512)
        self._some, self._full = Growth(), Growth()
        self._next_s = 0.0
        self.some_share: float | None = None
        self.full_share: float | None = None

    def read(self, now_s: float, *, still_s: float = 0.0) -> None:
        """Sets the shares of time stalled since the last reading, 0..1; None: not known yet.

        `still_s`: until then nobody in the group is known to have waited.
        """
        if now_s < self._next_s:
            return
        self._next_s = now_s + SHORTEST_S
        text = self._file.read() or b""
        full_at = text.find(b"\nfull ")
        some = _total(text, 0, full_at if full_at >= 0 else len(text))
        full = _total(text, full_at, len(text)) if full_at >= 0 else None
        self.some_share = _share(self._some.see(some, now_s, still_s=still_s))
        self.full_share = _share(self._full.see(full, now_s, still_s=still_s))

    def read_some(self, now_s: float) -> float | None:
        """As `read`, for `some` alone; a file is read either way, never both."""
        if now_s >= self._next_s:
            self._next_s = now_s + SHORTEST_S
            text = self._file.read() or b""
            end = text.find(b"\n")
            some = _total(text, 0, end if end >= 0 else len(text))
            self.some_share = _share(self._some.see(some, now_s))
        return self.some_share

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()


def _total(text: bytes, start: int, end: int) -> int | None:
    """The counter at the end of the line that lies between the two, microseconds."""
    at = text.rfind(_TOTAL, start, end)
    return None if at < 0 else only_number(text[at + len(_TOTAL) : end])


def _share(microseconds_per_s: float | None) -> float | None:
    """Readings are not taken at exactly the kernel's times, so a share may come out at 1.02."""
    if microseconds_per_s is None:
        return None
    return microseconds_per_s * 1e-6 if microseconds_per_s < 1e6 else 1.0
