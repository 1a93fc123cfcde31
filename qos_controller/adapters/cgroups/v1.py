"""Control groups version 1: one mount a controller, one number a file.

Rules of the kernel that the formats hide: a group's quota may not exceed its parent's
(quota_tree.py orders the writes), cpu.shares of an idle group is EINVAL, a cpuset must stay inside
its parent's, and blkio throttles are flat: a parent's limit does not bind its children
(block/blk-throttle.c, throtl_pd_init), so disk limits are for groups that hold processes.
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
    whole_pages,
)
from qos_controller.adapters.cgroups.layout import Layout


class V1:
    """Fulfils `Driver` for the controllers that are mounted in version 1."""

    def __init__(self, layout: Layout) -> None:
        self._mounts = layout.v1
        self.periods_us: dict[str, int] = {}

    def cpu_weight(self, group: str, shares: int) -> Writes:
        """cpu.shares."""
        return self._one("cpu", group, "cpu.shares", str(min(max(shares, 2), 262_144)), "weight")

    def cpu_idle(self, group: str, *, idle: bool) -> Writes:
        """cpu.idle; the shares go first, since leaving idleness sets them to 1024."""
        writes = self._one("cpu", group, "cpu.idle", str(int(idle)), "idle")
        if not idle:
            return writes
        return self._one("cpu", group, "cpu.shares", "2", "weight", checked=False) + writes

    def cpu_quota(self, group: str, cores: float, *, safe_cores: float) -> Writes:
        """cpu.cfs_quota_us."""
        period_us = self.periods_us.get(group, PERIOD_US)
        safe, value = str(quota_us(safe_cores, period_us)), str(quota_us(cores, period_us))
        return self._one("cpu", group, "cpu.cfs_quota_us", value, "quota", safe=safe)

    def cpu_period(self, group: str, period_us: int) -> Writes:
        """cpu.cfs_period_us."""
        self.periods_us[group] = period_us
        return self._one("cpu", group, "cpu.cfs_period_us", str(period_us), "weight")

    def quota_files(self, group: str) -> tuple[str, ...]:
        """Quota and period."""
        mount = self._mounts.get("cpu")
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        return tuple(f"{mount}/{group}/{name}" for name in names) if mount else ()

    def quota_in(self, contents: Sequence[bytes]) -> tuple[float, int]:
        """Cores and period; ValueError where they say none."""
        quota, period_us = (int(content) for content in contents)
        return cores_of(quota, period_us), period_us

    def cpu_burst(self, group: str, cores: float) -> Writes:
        """cpu.cfs_burst_us; the kernel refuses more than the quota."""
        burst_us = str(max(0, int(cores * self.periods_us.get(group, PERIOD_US))))
        return self._one("cpu", group, "cpu.cfs_burst_us", burst_us, "weight")

    def cpus(self, group: str, cpus: Sequence[int]) -> Writes:
        """cpuset.cpus."""
        return self._one("cpuset", group, "cpuset.cpus", cpu_list(cpus), "cpuset")

    def freeze(self, group: str, *, frozen: bool) -> Writes:
        """freezer.state, twenty times slower than version 2's."""
        state = "FROZEN" if frozen else "THAWED"
        return self._one(
            "freezer", group, "freezer.state", state, "freeze", safe="THAWED", checked=not frozen
        )

    def memory_limit(self, group: str, limit_bytes: float) -> Writes:
        """memory.limit_in_bytes; below the use it reclaims first, so that is slow."""
        lifted = math.isinf(limit_bytes)
        value = "-1" if lifted else str(whole_pages(limit_bytes))
        name = "memory.limit_in_bytes"
        return self._one(
            "memory", group, name, value, "memory", checked=not lifted, slow=not lifted
        )

    def memory_high(self, group: str, limit_bytes: float) -> Writes:
        """Version 1 has none: its soft limit works only when the whole node is short."""
        del group, limit_bytes
        return ()

    def disk_limit(
        self, group: str, device: str, *, read_bytes_per_s: float, write_bytes_per_s: float
    ) -> Writes:
        """blkio.throttle.{read,write}_bps_device of a group that holds processes."""
        return self._throttle(group, device, "read", read_bytes_per_s) + self._throttle(
            group, device, "write", write_bytes_per_s
        )

    def disk_weight(self, group: str, weight: int) -> Writes:
        """blkio.bfq.weight."""
        value = str(min(max(weight, 1), 1_000))
        return self._one("blkio", group, "blkio.bfq.weight", value, "disk")

    def _throttle(self, group: str, device: str, way: str, bytes_per_s: float) -> Writes:
        lifted = f"{device} 0"
        free = math.isinf(bytes_per_s)
        value = lifted if free else f"{device} {max(1, int(bytes_per_s))}"
        return self._one(
            "blkio",
            group,
            f"blkio.throttle.{way}_bps_device",
            value,
            "disk",
            device=device,
            lifted=lifted,
            checked=not free,
        )

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
        mount = self._mounts.get(controller)
        if mount is None:
            return ()
        path = f"{mount}/{group}/{name}"
        return (Write(path, value, kind, safe, device, lifted, checked, slow),)
