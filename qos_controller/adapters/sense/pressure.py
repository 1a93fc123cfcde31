"""Growth of a group's stall counters: CPU, memory, I/O (`cpu.pressure` and its sisters).

`full` of cpu.pressure grows, in a group below the root, while tasks of the group are ready and none
of them runs, CPU by CPU, because others hold the CPUs or because the group is throttled; a group
that merely has more work than CPUs raises `some` alone. `full` of io and memory: no task of the
group gets on. Source: Linux kernel/sched/psi.c and Documentation/accounting/psi.rst.
The kernel adds a reading up from each CPU weighted in whole jiffies, and what it cuts off is lost
for ever, so files are never read more often than every `SHORTEST_S`.
In the hybrid the files lie in the unified tree and need no controller there.
Cost: 2.0 us in the kernel, 3.5 us with parsing, each file.
"""

from __future__ import annotations

from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.growth import Growth
from qos_controller.adapters.sense.kept import KeptFile
from qos_controller.adapters.sense.numbers import number_after
from qos_controller.adapters.sense.places import file_in

SHORTEST_S: Final = 0.020
_SLACK_S: Final = 0.001


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

    @property
    def there(self) -> bool:
        """Whether this kernel tells it for this group."""
        return self._file.there

    def read(self, now_s: float) -> float | None:
        """The share of time fully stalled since the last reading, 0..1; None: not known yet."""
        if now_s < self._next_s:
            return self.full_share
        text = self._file.read()
        self._next_s = now_s + SHORTEST_S - _SLACK_S
        some = number_after(text, b"total=")
        line = -1 if text is None else text.find(b"full")
        full = None if line < 0 else number_after(text, b"total=", line)
        self.some_share = _share(self._some.see(some, now_s))
        self.full_share = _share(self._full.see(full, now_s))
        return self.full_share

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()


def _share(microseconds_per_s: float | None) -> float | None:
    """Readings are not taken at exactly the kernel's times, so a share may come out at 1.02."""
    return None if microseconds_per_s is None else min(1.0, microseconds_per_s * 1e-6)
