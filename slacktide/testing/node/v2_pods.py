"""Pods without a kubelet on cgroup v2 alone: the groups that it would make, with real processes.

Needs a machine whose /sys/fs/cgroup is the unified tree, as `python -m scripts.v2_machine` boots.
Always holds: `remove` leaves no group and no process.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from slacktide.testing.node.groups import empty

ROOT: Final = Path("/sys/fs/cgroup")
CONTROLLERS: Final = ("cpu", "cpuset", "io", "memory", "pids")
STAND: Final = 'echo $$ > "$0/cgroup.procs" && exec "$@"'

Style = Literal["cgroupfs", "systemd"]
Qos = Literal["burstable", "besteffort"]


def is_pure_v2() -> bool:
    """Whether this machine has cgroup v2 alone, with the controllers that pods need."""
    try:
        there = (ROOT / "cgroup.controllers").read_text().split()
    except OSError:
        return False
    return set(CONTROLLERS) <= set(there)


class Pods:
    """The tree below `kubepods` or `kubepods.slice`."""

    def __init__(self, style: Style = "cgroupfs") -> None:
        """Makes the groups of all pods and of both classes."""
        self.style = style
        self.top = "kubepods" if style == "cgroupfs" else "kubepods.slice"
        self._running: list[subprocess.Popen[bytes]] = []
        _enable(ROOT)
        self.below(self.top)
        for qos in ("burstable", "besteffort"):
            self.below(self.of_class(qos))

    def of_class(self, qos: str) -> str:
        """The group of a QoS class, relative."""
        return (
            f"{self.top}/{qos}" if self.style == "cgroupfs" else f"{self.top}/kubepods-{qos}.slice"
        )

    def of_pod(self, uid: str, qos: Qos) -> str:
        """A pod's group, relative."""
        if self.style == "cgroupfs":
            return f"{self.of_class(qos)}/pod{uid}"
        return f"{self.of_class(qos)}/kubepods-{qos}-pod{uid.replace('-', '_')}.slice"

    def run(self, uid: str, qos: Qos, command: Sequence[str]) -> Path:
        """A pod of one container that runs this; its group."""
        pod = self.below(self.of_pod(uid, qos))
        (pod / "cpu.weight").write_text("1" if qos == "besteffort" else "39")
        inside = pod / ("main" if self.style == "cgroupfs" else "cri-containerd-main.scope")
        inside.mkdir()
        program = ["/bin/sh", "-c", STAND, str(inside), *command]
        self._running.append(subprocess.Popen(program, stdin=subprocess.DEVNULL))
        return pod

    def below(self, group: str) -> Path:
        """Makes a group whose children have all controllers."""
        made = ROOT / group
        made.mkdir()
        _enable(made)
        return made

    def remove(self) -> None:
        """Ends all of it."""
        empty(self.top)
        for one in self._running:
            one.wait()


def _enable(group: Path) -> None:
    wanted = " ".join(f"+{name}" for name in CONTROLLERS)
    (group / "cgroup.subtree_control").write_text(wanted)
