"""CPU time of a group, in cores.

v1: `cpuacct.usage`, nanoseconds of the group and all below it. v2: `usage_usec` of `cpu.stat`,
which the kernel keeps in every group even where the cpu controller is v1's.
The counter moves at a switch and at the scheduler's tick (4 ms at HZ=250), so a rate over one tick
of 25 ms is off by up to 16 % of a core per CPU; a rate over 100 ms by 4 %: hence the window.
Cost: 1.4 us a group (v1), 2 us (v2).
Source: Linux Documentation/admin-guide/cgroup-v1/cpuacct.rst, cgroup-v2.rst "CPU Interface Files".
"""

from __future__ import annotations

from collections import deque
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.kept import KeptFile
from qos_controller.adapters.sense.numbers import number_of_line, only_number
from qos_controller.adapters.sense.places import stat_file

WINDOW_S: Final = 0.1


class CpuUse:
    """One group's CPU use over the last `window_s`."""

    __slots__ = ("_file", "_readings", "_v2", "_window_s", "cores")

    def __init__(self, layout: Layout, group: str, *, window_s: float = WINDOW_S) -> None:
        self._v2 = not layout.is_v1("cpuacct")
        path = stat_file(layout, "cpuacct", group, v1="cpuacct.usage", v2="cpu.stat")
        self._file = KeptFile(path, size_bytes=512)
        self._readings: deque[tuple[float, float]] = deque()
        self._window_s = window_s
        self.cores: float | None = None

    def read(self, now_s: float) -> float | None:
        """Cores used since the oldest reading within the window; None until there are two."""
        used_s = self._used_s()
        readings = self._readings
        if used_s is None or (readings and used_s < readings[-1][1]):
            readings.clear()
        if used_s is None:
            self.cores = None
            return None
        while len(readings) > 1 and readings[1][0] <= now_s - self._window_s:
            readings.popleft()
        if readings and now_s > readings[0][0]:
            self.cores = (used_s - readings[0][1]) / (now_s - readings[0][0])
            readings.append((now_s, used_s))
        elif not readings:
            self.cores = None
            readings.append((now_s, used_s))
        return self.cores

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _used_s(self) -> float | None:
        text = self._file.read()
        if self._v2:
            used = number_of_line(text, b"usage_usec")
            return None if used is None else used * 1e-6
        used = only_number(text)
        return None if used is None else used * 1e-9
