"""How kubelet names the groups of pods, for both of its drivers: words in, words out.

    cgroupfs   kubepods/besteffort/pod<uid>/<container>
    systemd    kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<uid with _>.slice/
               cri-containerd-<container>.scope

Source: kubelet's pkg/kubelet/cm/cgroup_manager_linux.go (CgroupName.ToSystemd, ToCgroupfs).
Always holds: `pod_uid(pod_directory(...))` gives the same UID; a name of nobody's gives "".
"""

from __future__ import annotations

from typing import Literal

Style = Literal["cgroupfs", "systemd"]
Qos = Literal["guaranteed", "burstable", "besteffort"]


def style_of(kubepods: str) -> Style:
    """Which driver made this directory of all pods."""
    return "systemd" if kubepods.endswith(".slice") else "cgroupfs"


def class_directory(kubepods: str, qos: Qos) -> str:
    """Where the pods of a QoS class lie, as a path like `kubepods`; guaranteed has no own level."""
    if qos == "guaranteed":
        return kubepods
    if style_of(kubepods) == "cgroupfs":
        return f"{kubepods}/{qos}"
    stem = kubepods.rsplit("/", 1)[-1].removesuffix(".slice")
    return f"{kubepods}/{stem}-{qos}.slice"


def pod_directory(kubepods: str, qos: Qos, uid: str) -> str:
    """Where one pod lies."""
    above = class_directory(kubepods, qos)
    if style_of(kubepods) == "cgroupfs":
        return f"{above}/pod{uid}"
    stem = above.rsplit("/", 1)[-1].removesuffix(".slice")
    return f"{above}/{stem}-pod{uid.replace('-', '_')}.slice"


def pod_uid(name: str) -> str:
    """The UID in the last part of a pod's path; empty where this is no pod's group."""
    if name.endswith(".slice"):
        _, pod, uid = name.removesuffix(".slice").rpartition("-pod")
        return uid.replace("_", "-") if pod else ""
    uid = name.removeprefix("pod")
    return uid if uid != name else ""


def container_id(name: str) -> str:
    """The container's identifier, without the runtime's prefix and the unit's suffix."""
    return name.removesuffix(".scope").rsplit("-", 1)[-1]
