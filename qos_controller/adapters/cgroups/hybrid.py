"""One driver for whatever this node is: each controller by the version it is mounted in.

Always holds: a controller is spoken to in one version only; freezing prefers the unified tree,
where it costs 8 us instead of 150 (static keys are patched for version 1's freezer).
"""

from __future__ import annotations

from qos_controller.adapters.cgroups.driver import Driver
from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.cgroups.v1 import V1
from qos_controller.adapters.cgroups.v2 import V2


class Composed:
    """Fulfils `Driver`: version 1, version 2 or both."""

    def __init__(self, layout: Layout) -> None:
        v1, v2 = V1(layout), V2(layout)

        def speaker(controller: str) -> Driver:
            return v1 if layout.is_v1(controller) else v2

        cpu, cpuset, memory = speaker("cpu"), speaker("cpuset"), speaker("memory")
        disk: Driver = v1 if layout.is_v1("blkio") else v2
        self.cpu_weight = cpu.cpu_weight
        self.cpu_idle = cpu.cpu_idle
        self.cpu_quota = cpu.cpu_quota
        self.cpu_period = cpu.cpu_period
        self.periods_us = cpu.periods_us
        self.quota_files = cpu.quota_files
        self.quota_in = cpu.quota_in
        self.cpu_burst = cpu.cpu_burst
        self.cpus = cpuset.cpus
        self.memory_limit = memory.memory_limit
        self.memory_high = memory.memory_high
        self.disk_limit = disk.disk_limit
        self.disk_weight = disk.disk_weight
        self.freeze = (v2 if layout.unified else v1).freeze
        self.freeze_by_v1 = v1.freeze
        """Where the runtime put the processes into version 1's groups alone."""


def driver_of(layout: Layout) -> Composed:
    """The driver for this node."""
    return Composed(layout)
