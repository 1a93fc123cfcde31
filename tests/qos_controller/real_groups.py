"""Groups of a test's own in the real kernel, laid out as kubelet does it, and gone afterwards."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from qos_controller.adapters.cgroups import processes
from qos_controller.adapters.cgroups.actuator import Actuator
from qos_controller.adapters.cgroups.files import KeptFiles
from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.cgroups.machine import find_machine
from qos_controller.adapters.cgroups.owned import Ledger
from qos_controller.adapters.cgroups.pods_in_tree import PodsInTree
from qos_controller.core.pods import Pod

ROOT = Path("/sys/fs/cgroup")
_WITH_PODS = ("cpu", "cpuset", "memory", "blkio", "freezer")
_CONTROLLERS = "+cpu +cpuset +memory +io"
TOLD = frozenset(
    {
        "blkio.bfq.weight",
        "blkio.throttle.read_bps_device",
        "blkio.throttle.write_bps_device",
        "cgroup.freeze",
        "cpu.cfs_burst_us",
        "cpu.cfs_period_us",
        "cpu.cfs_quota_us",
        "cpu.idle",
        "cpu.max",
        "cpu.shares",
        "cpu.weight",
        "cpuset.cpus",
        "freezer.state",
        "io.max",
        "io.weight",
        "memory.limit_in_bytes",
        "memory.max",
    }
)

needs_real_groups = pytest.mark.skipif(
    not os.environ.get("CI")
    and not (os.geteuid() == 0 and os.access(ROOT, os.W_OK) and any(ROOT.glob("*/cgroup.procs"))),
    reason="needs root and a kernel's control groups that may be written",
)


class RealGroups:
    """A kubepods of one's own; `make` a pod, `run` something in it."""

    def __init__(self, run_dir: str) -> None:
        self.name = f"slacktide-test-{os.getpid()}"
        self.run_dir = run_dir
        self.is_v2 = (ROOT / "cgroup.controllers").exists()
        self._made: list[Path] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        for group in ("", "/kubepods", "/kubepods/besteffort", "/kubepods/burstable"):
            self.make(self.name + group)
        self.now_s = 0.0
        self.attach()

    def attach(self) -> None:
        """Sees what is there and gets ready to act on it."""
        self.layout = find_layout(pods_root=self.name)
        self.pods = PodsInTree(self.layout)
        self.actuator = Actuator(
            self.layout,
            find_machine(self.layout),
            KeptFiles(),
            Ledger(self.run_dir),
            safe_cores=0.5,
            cpu_manager_state="/nonexistent",
        )
        self.looks()

    def make(self, group: str) -> str:
        """In every hierarchy, as kubelet and runc do it."""
        for mount in self.mounts:
            path = mount / group
            path.mkdir()
            self._made.append(path)
            if mount.name == "cpuset":
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (path / name).write_text((path.parent / name).read_text())
            if self.is_v2 and "/pod" not in group:
                for above in (path.parent, path):
                    (above / "cgroup.subtree_control").write_text(_CONTROLLERS)
        return group

    @property
    def mounts(self) -> list[Path]:
        if self.is_v2:
            return [ROOT]
        unified = [ROOT / "unified"] if (ROOT / "unified").is_dir() else []
        return [ROOT / name for name in _WITH_PODS] + unified

    def pod(self, uid: str, qos: str = "besteffort") -> str:
        """A batch pod with one container, known to all; answers with the container's group."""
        above = f"{self.name}/kubepods" + ("" if qos == "guaranteed" else f"/{qos}")
        self.make(f"{above}/pod{uid}")
        if self.is_v2:
            control = ROOT / above / f"pod{uid}" / "cgroup.subtree_control"
            control.write_text(_CONTROLLERS)
        container = self.make(f"{above}/pod{uid}/main")
        self.looks()
        return container

    def looks(self) -> None:
        self.now_s += 10.0
        self.pods.look(self.now_s)
        book = [Pod(uid=u, namespace="d", name=u, batch=True) for u in self.pods.pods]
        self.actuator.see(book, self.pods.pods, self.now_s)

    def run(self, container: str, *command: str) -> subprocess.Popen[bytes]:
        """Starts it in a container, as a runtime would: in every hierarchy."""
        shell = "read go; exec " + " ".join(command)
        process = subprocess.Popen(
            ["sh", "-c", shell], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        self._processes.append(process)
        for mount in self.mounts:
            (mount / container / "cgroup.procs").write_text(str(process.pid))
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
        return process

    def says(self, controller: str, group: str, name: str) -> str:
        mount = ROOT if self.is_v2 else ROOT / (controller or "unified")
        return (mount / group / name).read_text().strip()

    def everything(self) -> dict[str, str]:
        """What the agent may have written, and what it says."""
        return {
            str(path): path.read_text()
            for mount in self.mounts
            for path in (mount / self.name).rglob("*")
            if path.name in TOLD
        }

    def close(self) -> None:
        self.actuator.restore()
        self.actuator.close()
        self.pods.close()
        files = KeptFiles()
        for path in self._made:
            processes.kill_all(f"{path}/{processes.PROCESSES}", files)
        files.close()
        for process in self._processes:
            process.communicate()
        for path in reversed(self._made):
            eventually(lambda path=path: _removed(path))  # type: ignore[misc]  # bound at once


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def eventually(is_so: Callable[[], bool], *, within_s: float = 10.0) -> bool:
    """Whether it becomes so in time."""
    until_s = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.002)
    return True


@contextmanager
def real_groups() -> Iterator[RealGroups]:
    memory = "/dev/shm"  # noqa: S108  a folder of one's own; the ledger belongs into memory
    with TemporaryDirectory(dir=memory if Path(memory).is_dir() else None) as run_dir:
        groups = RealGroups(run_dir)
        try:
            yield groups
        finally:
            groups.close()
