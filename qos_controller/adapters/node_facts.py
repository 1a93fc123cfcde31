"""What a node offers, found by looking; nothing on it is changed.

Whether the kernel can limit what batch sends is tried for real, in a network namespace of a child
process that is gone with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout, find_layout
from qos_controller.adapters.egress import Egress
from qos_controller.adapters.rtnetlink import Netlink
from qos_controller.core.node_checks import NodeFacts
from slacktide.errors import BadInput

# Programs that write quotas, weights or cpusets of pods, by the first 15 letters of their names.
OTHER_AGENTS: Final = {
    "koordlet": "koordlet (Koordinator)",
    "katalyst-agent": "katalyst-agent (Katalyst)",
    "vc-agent": "vc-agent (Volcano)",
    "volcano-agent": "volcano-agent (Volcano)",
    "crane-agent": "crane-agent (Crane)",
    "caelus": "caelus (Caelus)",
    "rubik": "rubik (openEuler)",
}
CAPABILITIES: Final = {
    12: "CAP_NET_ADMIN",
    14: "CAP_IPC_LOCK",
    19: "CAP_SYS_PTRACE",
    21: "CAP_SYS_ADMIN",
    23: "CAP_SYS_NICE",
    24: "CAP_SYS_RESOURCE",
}
_NEW_NETWORK: Final = 0x40000000
_PROBE_LIMIT_S: Final = 20.0


def read_facts(
    *,
    cgroup_root: str,
    pods_root: str = "",
    run_dir: Path,
    proc: Path = Path("/proc"),
    sys_dir: Path = Path("/sys"),
    kubelet: Path = Path("/var/lib/kubelet"),
) -> NodeFacts:
    """Looks everywhere once; about half a second, most of it the network's trial."""
    try:
        layout: Layout | None = find_layout(cgroup_root, pods_root)
    except BadInput:
        layout = None
    mount = layout.mount_of("cpu") if layout else ""
    return NodeFacts(
        kernel=platform.release(),
        mode=layout.mode if layout else "",
        kubepods=layout.kubepods if layout else "",
        style=layout.style if layout else "",
        pods_there=bool(layout) and Path(mount, layout.kubepods).is_dir() if layout else False,
        root=os.geteuid() == 0,
        capabilities=_capabilities(proc),
        controllers=frozenset([*layout.v1, *layout.v2_controllers]) if layout else frozenset(),
        cpu_writable=_cpu_writable(layout),
        psi=_anywhere(layout, "cpu.pressure", v2=True),
        freezer=_freezer(layout),
        cpu_idle=_anywhere(layout, "cpu.idle"),
        cpu_burst=_anywhere(layout, "cpu.cfs_burst_us", "cpu.max.burst"),
        cpu_manager=_cpu_manager(kubelet),
        egress=try_egress(),
        schedstat=(proc / "self/schedstat").exists(),
        btf=(sys_dir / "kernel/btf/vmlinux").exists(),
        resctrl=(sys_dir / "fs/resctrl/schemata").exists(),
        disk_schedulers=_disk_schedulers(sys_dir),
        other_agents=_other_agents(proc),
        run_dir_writable=_can_write(run_dir),
    )


def try_egress() -> str:
    """Makes the whole ceiling in a namespace of its own; empty, or what the kernel refuses."""
    command = [sys.executable, "-c", f"import {__name__} as probe; probe._in_a_new_network()"]
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and our own module
            command,
            capture_output=True,
            text=True,
            timeout=_PROBE_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "the trial did not end"
    return done.stdout.strip() or ("" if done.returncode == 0 else "the trial failed")


def _in_a_new_network() -> None:
    """The child's part: says on stdout what is refused."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        sys.stdout.write(f"no network namespace to try it in: {os.strerror(ctypes.get_errno())}")
        return
    with Netlink() as netlink, tempfile.TemporaryDirectory() as folder:
        egress = Egress(Path(folder), netlink)
        egress.follow({"lo": next(one for one in netlink.links() if one.name == "lo")})
        egress.set_ceiling(1e6)
        sys.stdout.write("; ".join(egress.refused.values()))


def _groups(layout: Layout, *, v2: bool = False) -> Iterable[Path]:
    """Groups below a root, in which every file of a group is that the kernel has."""
    mounts = {layout.unified} if v2 else {layout.mount_of("cpu"), layout.unified}
    for mount in filter(None, mounts):
        yield Path(mount, layout.kubepods)
        yield from (path for path in Path(mount).iterdir() if path.is_dir())


def _anywhere(layout: Layout | None, *names: str, v2: bool = False) -> bool:
    if layout is None:
        return False
    return any((group / name).exists() for group in _groups(layout, v2=v2) for name in names)


def _freezer(layout: Layout | None) -> str:
    if _anywhere(layout, "cgroup.freeze", v2=True):
        return "v2"
    return "v1" if layout is not None and layout.is_v1("freezer") else ""


def _cpu_writable(layout: Layout | None) -> bool:
    mount = layout.mount_of("cpu") if layout else ""
    return bool(mount) and os.access(mount, os.W_OK) and not _read_only(mount)


def _read_only(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _capabilities(proc: Path) -> frozenset[str]:
    for line in _text(proc / "self/status").splitlines():
        if line.startswith("CapEff:"):
            bits = int(line.split()[1], 16)
            return frozenset(name for bit, name in CAPABILITIES.items() if bits >> bit & 1)
    return frozenset()


def _cpu_manager(kubelet: Path) -> str:
    try:
        return str(json.loads((kubelet / "cpu_manager_state").read_text())["policyName"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _disk_schedulers(sys_dir: Path) -> dict[str, str]:
    """Of disks that hardware stands behind: the one in brackets."""
    found = {}
    for disk in sorted((sys_dir / "block").glob("*")):
        text = _text(disk / "queue/scheduler")
        if (disk / "device").exists() and text:
            found[disk.name] = text.partition("[")[2].partition("]")[0] or text.strip()
    return found


def _other_agents(proc: Path) -> tuple[str, ...]:
    names = {_text(path / "comm").strip() for path in proc.glob("[0-9]*")}
    return tuple(sorted(said for name, said in OTHER_AGENTS.items() if name[:15] in names))


def _can_write(run_dir: Path) -> bool:
    there = next(path for path in (run_dir, *run_dir.parents) if path.exists())
    return os.access(there, os.W_OK)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
