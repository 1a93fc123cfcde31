"""A controller of one look a second, with Koordinator's formulas and our own code.

Source: koordinator-sh/koordinator, pkg/koordlet/qosmanager/plugins (cpusuppress with the cfsQuota
policy, memoryevict), read at commit a7a1b76 (July 2026). Its default cpuset policy never takes
fewer than two CPUs, which is all that this machine has, so the quota policy stands for it.
For disks and network it has nothing that acts by itself.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from bench.qos.rig import Rig
from bench.qos.usage import busy_s

PERIOD_US = 100_000
THRESHOLD = 0.65
LEAST_US = 2_000
GROWTH_PER_S = 0.10
NOTICED = 0.01
EVICT_AT, EVICT_TO = 0.70, 0.68
COOL_DOWN_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One second of the node, in cores."""

    capacity_cores: float
    online_cores: float
    system_cores: float


def suppressed_cores(use: Use) -> float:
    """What batch may use: capacity x 65 % - pods that are not batch - system."""
    return use.capacity_cores * THRESHOLD - use.online_cores - use.system_cores


def next_quota_us(old_us: int, use: Use) -> int:
    """The next quota: never below 2 ms, growing at most 10 % of the node a second.

    `old_us` -1 means no quota yet. A change below 1 % of the node is not made.
    """
    node_us = use.capacity_cores * PERIOD_US
    wanted_us = max(suppressed_cores(use) * PERIOD_US, LEAST_US)
    if old_us > 0 and abs(wanted_us - old_us) < NOTICED * node_us:
        return old_us
    if old_us > 0:
        wanted_us = min(wanted_us, old_us + GROWTH_PER_S * node_us)
    return int(wanted_us)


def memory_to_free_bytes(used_bytes: float, capacity_bytes: float) -> float:
    """Above 70 % of the node's memory, as much as brings it to 68 %; else nothing."""
    if used_bytes <= EVICT_AT * capacity_bytes:
        return 0.0
    return used_bytes - EVICT_TO * capacity_bytes


class Koordinator:
    """Runs the formulas once a second on the rig's batch, until closed."""

    def __init__(self, rig: Rig, cpus: int) -> None:
        self._rig, self._cpus = rig, cpus
        self._over = threading.Event()
        self._evicted_s = -COOL_DOWN_S
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Lets go; quotas are the rig's to put back."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        quota_us = -1
        before = self._read()
        while not self._over.wait(1.0):
            now = self._read()
            quota_us = next_quota_us(quota_us, self._use(before, now))
            before = now
            self._apply(quota_us)
            self._evict()

    def _read(self) -> tuple[float, float, float, float]:
        rig = self._rig
        pods_s = rig.kubepods.cpu_s()
        return time.monotonic(), rig.online.cpu_s(), pods_s, busy_s().busy_s

    def _use(self, before: tuple[float, ...], now: tuple[float, ...]) -> Use:
        seconds, online_s, pods_s, all_s = (b - a for a, b in zip(before, now, strict=True))
        return Use(
            capacity_cores=self._cpus,
            online_cores=online_s / seconds,
            system_cores=max(all_s - pods_s, 0.0) / seconds,
        )

    def _apply(self, quota_us: int) -> None:
        # Generous: where batch hides among ordinary pods the original does not touch it at all.
        group = self._rig.batch if self._rig.scene.ordinary else self._rig.besteffort
        try:
            group.write("cpu.cfs_quota_us", quota_us)
        except OSError:
            return  # the pod is not there yet, or gone

    def _evict(self) -> None:
        limit = self._rig.scene.node_bytes
        if not limit or time.monotonic() - self._evicted_s < COOL_DOWN_S:
            return
        told = dict(line.split() for line in self._rig.kubepods.read("memory.stat").splitlines())
        used = int(self._rig.kubepods.read("memory.usage_in_bytes"))
        if memory_to_free_bytes(used - int(told["total_inactive_file"]), limit) > 0:
            self._evicted_s = time.monotonic()
            self._rig.evict(self._evicted_s)
