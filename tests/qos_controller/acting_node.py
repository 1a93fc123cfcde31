"""A node made of a tree on disk, a ledger and an actuator: what the tests of acting share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qos_controller.adapters.cgroups.actuator import Actuator
from qos_controller.adapters.cgroups.files import KeptFiles
from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.cgroups.machine import Machine
from qos_controller.adapters.cgroups.owned import Ledger
from qos_controller.adapters.cgroups.pods_in_tree import PodsInTree
from qos_controller.core.pods import Pod
from qos_controller.core.topology import Cpu
from slacktide.testing.cgroup_tree import DEVICE, CgroupTree, Mode, Qos, Style

MACHINE = Machine(cpus=(Cpu(0, 0), Cpu(1, 1)), devices=(DEVICE,))
NODE_FILES = {
    "proc/sys/vm/dirty_bytes": "0",
    "proc/sys/vm/dirty_ratio": "20",
    "proc/sys/vm/dirty_background_bytes": "0",
    "proc/sys/vm/dirty_background_ratio": "10",
    f"sys/dev/block/{DEVICE}/queue/max_sectors_kb": "4096",
    f"sys/dev/block/{DEVICE}/queue/iosched/async_depth": "256",
}


def a_pod(uid: str, *, batch: bool = True, managed: bool = True) -> Pod:
    return Pod(uid=uid, namespace="default", name=uid, batch=batch, managed=managed)


class ActingNode:
    """Say who is there with `lives`, then act."""

    def __init__(self, root: Path, mode: Mode = "hybrid", style: Style = "cgroupfs") -> None:
        self.root = root
        for name, content in NODE_FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"{content}\n")
        self.tree = CgroupTree(root / "cgroup", mode, style)
        self.said: list[str] = []
        self.now_s = 0.0
        self.layout = find_layout(str(root / "cgroup"))
        self.pods = PodsInTree(self.layout)
        self.book: dict[str, Pod] = {}
        (root / "run").mkdir()
        self.files = KeptFiles(self.tree, say=self.said.append)
        self.actuator = Actuator(
            self.layout,
            MACHINE,
            self.files,
            Ledger(str(root / "run")),
            safe_cores=0.5,
            proc_root=str(root / "proc"),
            sys_root=str(root / "sys"),
            cpu_manager_state=str(root / "cpu_manager_state"),
        )

    def lives(self, uid: str, qos: Qos, *containers: str, pod: Pod | None = None) -> str:
        """A pod that the book knows; answers with its group."""
        group = self.tree.make_pod(uid, qos, *containers)
        self.knows(pod or a_pod(uid))
        return group

    def knows(self, *pods: Pod) -> None:
        """The book says so, and everybody looks again."""
        self.book |= {pod.uid: pod for pod in pods}
        self.looks()

    def looks(self, *, after_s: float = 10.0) -> None:
        """A rescan later."""
        self.now_s += after_s
        self.pods.look(self.now_s)
        self.actuator.see(self.book.values(), self.pods.pods, self.now_s)

    def ticks(self, seconds: float, *, tick_s: float = 0.05) -> list[str]:
        """Lets time pass; what drifted, by path and value found."""
        found = []
        for _ in range(round(seconds / tick_s)):
            self.now_s += tick_s
            found += [
                f"{drift.path.rpartition('/')[2]} {drift.found}"
                for drift in self.actuator.tick(self.now_s)
            ]
        return found

    def says(self, controller: str, group: str, name: str) -> str:
        return self.tree.file(controller, group, name).read_text().strip()

    def node_says(self, name: str) -> str:
        return (self.root / name).read_text().strip()

    def everything(self, *, but: Iterable[str] = ()) -> dict[str, str]:
        """All control files and what they say."""
        roots = [self.root / "cgroup", self.root / "proc", self.root / "sys"]
        return {
            str(path): path.read_text()
            for root in roots
            for path in root.rglob("*")
            if path.is_file() and path.name not in but
        }

    def close(self) -> None:
        self.actuator.close()
        self.pods.close()
