"""Control groups version 2: one tree, and each controller only where its parent enabled it.

The core files (freeze, kill, pressure) need no controller, so they work in a hybrid's unified tree
too. The kernel takes the least of all limits on the way to the root: no order of writes is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from qos_controller.adapters.cgroups.driver import Kind, Write, Writes
from qos_controller.adapters.cgroups.formats import (
    PERIOD_US,
    cores_of,
    cpu_list,
    quota_us,
    weight_of,
    whole_pages,
)
from qos_controller.adapters.cgroups.layout import Layout


class V2:
    """Fulfils `Driver` for the controllers that kubepods' children have in the unified tree."""

    def __init__(self, layout: Layout) -> None:
        self._root = layout.unified
        self._enabled = layout.v2_controllers
        self.periods_us: dict[str, int] = {}

    def cpu_weight(self, group: str, shares: int) -> Writes:
        """cpu.weight."""
        return self._one("cpu", group, "cpu.weight", str(weight_of(shares)), "weight")

    def cpu_idle(self, group: str, *, idle: bool) -> Writes:
        """cpu.idle; the weight goes first, so that it is put back in the end."""
        writes = self._one("cpu", group, "cpu.idle", str(int(idle)), "idle")
        if not idle:
            return writes
        return self._one("cpu", group, "cpu.weight", "1", "weight", checked=False) + writes

    def cpu_quota(self, group: str, cores: float, *, safe_cores: float) -> Writes:
        """cpu.max."""
        value, safe = self._max(group, cores), self._max(group, safe_cores)
        return self._one("cpu", group, "cpu.max", value, "quota", safe=safe)

    def cpu_period(self, group: str, period_us: int) -> Writes:
        """The second number of cpu.max, from the next quota on."""
        self.periods_us[group] = period_us
        return ()

    def quota_files(self, group: str) -> tuple[str, ...]:
        """cpu.max alone."""
        return (f"{self._root}/{group}/cpu.max",) if "cpu" in self._enabled else ()

    def quota_in(self, contents: Sequence[bytes]) -> tuple[float, int]:
        """Cores and period; ValueError where it says none."""
        quota, period = contents[0].split()
        period_us = int(period)
        return cores_of(-1 if quota == b"max" else int(quota), period_us), period_us

    def cpu_burst(self, group: str, cores: float) -> Writes:
        """cpu.max.burst; the kernel refuses more than the quota."""
        burst_us = str(max(0, int(cores * self.periods_us.get(group, PERIOD_US))))
        return self._one("cpu", group, "cpu.max.burst", burst_us, "weight")

    def cpus(self, group: str, cpus: Sequence[int]) -> Writes:
        """cpuset.cpus; children follow by themselves."""
        return self._one("cpuset", group, "cpuset.cpus", cpu_list(cpus), "cpuset")

    def freeze(self, group: str, *, frozen: bool) -> Writes:
        """cgroup.freeze: stopped within 0.1 ms."""
        if not self._root:
            return ()
        path = f"{self._root}/{group}/cgroup.freeze"
        return (Write(path, str(int(frozen)), "freeze", safe="0", checked=not frozen),)

    def memory_limit(self, group: str, limit_bytes: float) -> Writes:
        """memory.max; below the use it reclaims first, then kills: the law lowers it in steps."""
        return self._size(group, "memory.max", limit_bytes)

    def memory_high(self, group: str, limit_bytes: float) -> Writes:
        """memory.high."""
        return self._size(group, "memory.high", limit_bytes)

    def disk_limit(
        self, group: str, device: str, *, read_bytes_per_s: float, write_bytes_per_s: float
    ) -> Writes:
        """io.max, which sees writeback too."""
        reads, writes = _rate(read_bytes_per_s), _rate(write_bytes_per_s)
        return self._one(
            "io",
            group,
            "io.max",
            f"{device} rbps={reads} wbps={writes}",
            "disk",
            device=device,
            lifted=f"{device} rbps=max wbps=max riops=max wiops=max",
            checked=not reads == writes == "max",
        )

    def disk_weight(self, group: str, weight: int) -> Writes:
        """io.weight (io.cost) and io.bfq.weight, whichever the kernel has."""
        bounded = min(max(weight, 1), 1_000)
        return self._one("io", group, "io.weight", f"default {bounded}", "disk") + self._one(
            "io", group, "io.bfq.weight", str(bounded), "disk"
        )

    def _max(self, group: str, cores: float) -> str:
        period_us = self.periods_us.get(group, PERIOD_US)
        quota = quota_us(cores, period_us)
        return f"{'max' if quota < 0 else quota} {period_us}"

    def _size(self, group: str, name: str, limit_bytes: float) -> Writes:
        lifted = math.isinf(limit_bytes)
        value = "max" if lifted else str(whole_pages(limit_bytes))
        return self._one("memory", group, name, value, "memory", slow=not lifted)

    def _one(
        self,
        controller: str,
        group: str,
        name: str,
        value: str,
        kind: Kind,
        *,
        safe: str = "",
        device: str = "",
        lifted: str = "",
        checked: bool = True,
        slow: bool = False,
    ) -> Writes:
        if controller not in self._enabled:
            return ()
        path = f"{self._root}/{group}/{name}"
        return (Write(path, value, kind, safe, device, lifted, checked, slow),)


def _rate(bytes_per_s: float) -> str:
    return "max" if math.isinf(bytes_per_s) else str(max(1, int(bytes_per_s)))
