"""What the hardware and the kernel beside the groups offer: CPUs, caches, other kernels' files.

Read once at start. Always holds: what cannot be read is not there, and nothing depends on it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from qos_controller.adapters.cgroups.disks import block_devices
from qos_controller.adapters.cgroups.formats import cpus_in
from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.core.topology import Cpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One node's hardware."""

    cpus: tuple[Cpu, ...]
    devices: tuple[str, ...] = ()
    """Block devices as `254:0`."""
    resctrl: str = ""
    """Mount of resctrl; empty where caches cannot be divided."""
    bvt: bool = False
    """Whether groups have cpu.bvt_warp_ns (Alibaba Cloud Linux, OpenCloudOS)."""


def find_machine(layout: Layout, *, sys_root: str = "/sys") -> Machine:
    """Looks once; a few milliseconds."""
    cpu = layout.mount_of("cpu")
    resctrl = Path(sys_root, "fs/resctrl")
    return Machine(
        cpus=find_cpus(sys_root),
        devices=block_devices(sys_root),
        resctrl=str(resctrl) if (resctrl / "schemata").exists() else "",
        bvt=bool(cpu) and Path(cpu, layout.kubepods, "cpu.bvt_warp_ns").exists(),
    )


def find_cpus(sys_root: str = "/sys") -> tuple[Cpu, ...]:
    """All CPUs that are on line; at least those that the scheduler would give us."""
    devices = Path(sys_root, "devices/system")
    try:
        online = cpus_in((devices / "cpu/online").read_text())
    except (OSError, ValueError):
        online = tuple(range(os.cpu_count() or 1))
    numa = _numa_of(devices / "node")
    return tuple(Cpu(cpu, _core_of(devices / "cpu", cpu), numa.get(cpu, 0)) for cpu in online)


def _core_of(cpus: Path, cpu: int) -> int:
    """The first of its siblings: a number that is unique on the node, as core_id is not."""
    for name in ("core_cpus_list", "thread_siblings_list"):
        try:
            return min(cpus_in((cpus / f"cpu{cpu}/topology/{name}").read_text()), default=cpu)
        except (OSError, ValueError):
            continue
    return cpu


def _numa_of(nodes: Path) -> dict[int, int]:
    found: dict[int, int] = {}
    for node in nodes.glob("node[0-9]*"):
        try:
            number = int(node.name.removeprefix("node"))
            found |= dict.fromkeys(cpus_in((node / "cpulist").read_text()), number)
        except (OSError, ValueError):
            continue
    return found
