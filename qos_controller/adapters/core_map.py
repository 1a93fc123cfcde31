"""Which CPUs the node has and which pods are bound to some of them, read from the cgroup tree.

Always holds: a pod's CPUs are those of its containers together, since kubelet's static CPU manager
binds containers and leaves the pod's own group wide; a group that vanishes meanwhile is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.cgroups.naming import Qos, pod_uid
from qos_controller.core.node_picture import CoreMap

_CLASSES: Final[tuple[Qos, ...]] = ("guaranteed", "burstable", "besteffort")
_FILES: Final = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")


def read_core_map(layout: Layout, *, sys: Path = Path("/sys")) -> CoreMap:
    """One walk of all pods' groups; about 60 us a pod."""
    mount = layout.mount_of("cpuset")
    cpus = cpus_in(_text(sys / "devices/system/cpu/online"))
    by_pod: dict[str, tuple[int, ...]] = {}
    for qos in _CLASSES if mount else ():
        for group in _below(Path(mount, layout.directory_of(qos))):
            uid = pod_uid(group.name)
            if uid and (found := _cpus_of_pod(group)):
                by_pod[uid] = found
    return CoreMap(cpus, by_pod)


def cpus_in(text: str) -> tuple[int, ...]:
    """`0-2,7` as numbers; the kernel's list format. Nothing where it is none."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last.isdigit() or not last):
            found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def _cpus_of_pod(group: Path) -> tuple[int, ...]:
    containers = {cpu for child in _below(group) for cpu in _cpus_of(child)}
    return tuple(sorted(containers)) or _cpus_of(group)


def _cpus_of(group: Path) -> tuple[int, ...]:
    return next((cpus for name in _FILES if (cpus := cpus_in(_text(group / name)))), ())


def _below(group: Path) -> list[Path]:
    try:
        return [path for path in group.iterdir() if path.is_dir()]
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
