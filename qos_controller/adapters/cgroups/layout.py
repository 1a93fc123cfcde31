"""Which controllers this node has, in which version and where, found by looking.

Nothing is configured: a directory with `cgroup.controllers` is the unified tree, every other one
whose name lists controllers is a mount of version 1, and where neither shares nor weights lie is
told by what is there. Always holds: paths below are relative to any mount, so one pod has one path
in all hierarchies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from qos_controller.adapters.cgroups.naming import (
    Qos,
    Style,
    class_directory,
    pod_directory,
    style_of,
)
from slacktide.errors import BadInput

DEFAULT_ROOT = "/sys/fs/cgroup"
_V1 = frozenset(
    {"cpu", "cpuacct", "cpuset", "memory", "freezer", "blkio", "pids", "hugetlb", "devices"}
)
# kubelet alone, kubelet under kind (--cgroup-root=/kubelet) with either driver.
_KUBEPODS = (
    "kubepods",
    "kubepods.slice",
    "kubelet/kubepods",
    "kubelet.slice/kubelet-kubepods.slice",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things are on this node."""

    root: str
    v1: Mapping[str, str] = field(default_factory=dict)
    """Controller to its mount; empty on pure version 2."""
    unified: str = ""
    """Mount of the unified tree; empty on pure version 1."""
    v2_controllers: frozenset[str] = frozenset()
    """What kubepods' children have in the unified tree; none in a usual hybrid."""
    kubepods: str
    """Directory of all pods, relative to every mount."""

    @property
    def mode(self) -> Literal["v1", "v2", "hybrid"]:
        """Pure version 2 has no mount of version 1; hybrid has both."""
        if not self.v1:
            return "v2"
        return "hybrid" if self.unified else "v1"

    @property
    def style(self) -> Style:
        """Kubelet's cgroup driver."""
        return style_of(self.kubepods)

    def directory_of(self, qos: Qos) -> str:
        """The group of a QoS class, relative."""
        return class_directory(self.kubepods, qos)

    def directory_of_pod(self, qos: Qos, uid: str) -> str:
        """One pod's group, relative."""
        return pod_directory(self.kubepods, qos, uid)

    @property
    def pods_mount(self) -> str:
        """The hierarchy in which pods are looked for: it has every pod, and CPU first of all."""
        return self.v1.get("cpu") or next(iter(self.v1.values()), "") or self.unified

    def mount_of(self, controller: str) -> str:
        """Where this controller's files of a group lie; empty where the node has none."""
        if controller in self.v1:
            return self.v1[controller]
        return self.unified if controller in self.v2_controllers else ""

    def is_v1(self, controller: str) -> bool:
        """Whether this controller speaks version 1 here."""
        return controller in self.v1


def find_layout(root: str = DEFAULT_ROOT, pods_root: str = "") -> Layout:
    """Looks once; about a millisecond.

    `pods_root` is the directory, relative to each mount, in which `kubepods` lies. Where no kubelet
    has made its directory yet, its usual name is taken: cgroupfs.

    Raises:
        BadInput: where there are no cgroups at all.
    """
    v1, unified = _mounts(root)
    if not v1 and not unified:
        raise BadInput(
            f"{root} holds no cgroups; mount the node's /sys/fs/cgroup there (hostPath) or name "
            "its place with --cgroup-root"
        )
    mounts = [*v1.values(), unified] if unified else [*v1.values()]
    kubepods = _kubepods(mounts, pods_root.strip("/"))
    return Layout(
        root=root,
        v1=v1,
        unified=unified,
        v2_controllers=_enabled(Path(unified, kubepods)) if unified else frozenset(),
        kubepods=kubepods,
    )


def _mounts(root: str) -> tuple[dict[str, str], str]:
    if _is_unified(Path(root)):
        return {}, root
    v1: dict[str, str] = {}
    unified = ""
    try:
        mounts = sorted(path for path in Path(root).iterdir() if path.is_dir())
    except OSError:
        return {}, ""
    for path in mounts:
        if _is_unified(path):
            unified = str(path)
        else:
            v1 |= {name: str(path) for name in path.name.split(",") if name in _V1}
    return v1, unified


def _is_unified(path: Path) -> bool:
    return (path / "cgroup.controllers").exists()


def _kubepods(mounts: list[str], pods_root: str) -> str:
    below = f"{pods_root}/" if pods_root else ""
    for name in _KUBEPODS:
        if any(Path(mount, below + name).is_dir() for mount in mounts):
            return below + name
    return below + _KUBEPODS[0]


def _enabled(kubepods: Path) -> frozenset[str]:
    """What kubepods hands to its children; before it exists, what the tree could hand it."""
    for path in (kubepods / "cgroup.subtree_control", kubepods.parent / "cgroup.controllers"):
        try:
            return frozenset(path.read_text().split())
        except OSError:
            continue
    return frozenset()
