"""How long a pod was stopped by its own CPU limit.

A throttled group's tasks are ready and do not run, so `full` of its cpu.pressure grows though
nobody else is to blame: this share is taken off before the law looks at it.
v1: `throttled_time` of cpu.stat, nanoseconds; v2: `throttled_usec`. Both add up over CPUs, so for
a pod on many CPUs more is taken off than was its own: a pod at its limit is its own first problem.
The pod's group and its containers' are looked at, since kubelet limits both; the most counts.
Cost: 1.3 us in the kernel, 2.1 us with parsing, each group.
Source: Linux Documentation/scheduler/sched-bwc.rst, "Statistics".
"""

from __future__ import annotations

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.growth import Growth
from qos_controller.adapters.sense.kept import KeptFile
from qos_controller.adapters.sense.numbers import number_of_line
from qos_controller.adapters.sense.places import stat_file


class Throttling:
    """One group's throttled time."""

    __slots__ = ("_file", "_growth", "_key", "_per_s", "share")

    def __init__(self, layout: Layout, group: str) -> None:
        path = stat_file(layout, "cpu", group, v1="cpu.stat", v2="cpu.stat")
        self._file = KeptFile(path, size_bytes=512)
        v1 = layout.is_v1("cpu")
        self._key, self._per_s = (b"throttled_time", 1e-9) if v1 else (b"throttled_usec", 1e-6)
        self._growth = Growth()
        self.share: float | None = None

    def read(self, now_s: float) -> float | None:
        """Share of the time since the last reading, 0..1."""
        rate = self._growth.see(number_of_line(self._file.read(), self._key), now_s)
        self.share = None if rate is None else min(1.0, rate * self._per_s)
        return self.share

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()
