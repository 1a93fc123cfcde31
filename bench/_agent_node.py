"""A node of one's own for the agent: pods with processes in real groups, a book, the agent.

Used by the benches of the agent's life (kills, soak) and by its tests. Always holds: nothing
outside the tree's own name is written; `close` leaves no group and no process behind.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bench.qos.groups import ROOT, Group, hierarchies
from qos_controller.adapters.book_file import NAME, write_book
from qos_controller.app.settings import AgentSettings, to_argument
from qos_controller.core.pods import Book, Pod

AGENT = ("-m", "qos_controller.app.agent_process")
SPIN = ("/bin/sh", "-c", "while :; do :; done")
IDLE = ("/bin/sleep", "3600")
WRITTEN = (
    "cpu.shares",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.cfs_burst_us",
    "cpu.idle",
    "cpuset.cpus",
    "memory.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "blkio.throttle.read_bps_device",
    "blkio.throttle.write_bps_device",
    "blkio.bfq.weight",
    "freezer.state",
    "cgroup.freeze",
)


def has_real_groups() -> bool:
    """Whether this process may make groups in a hybrid or pure version 1 tree."""
    return os.geteuid() == 0 and (ROOT / "cpu/cpu.shares").exists()


class OwnNode:
    """Pods and, once started, their agent."""

    def __init__(self, name: str, run_dir: Path) -> None:
        self.top = Group(name)
        self.run_dir = run_dir
        self.pods: dict[str, Pod] = {}
        self.groups: dict[str, Group] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self.agent: subprocess.Popen[bytes] | None = None
        self.settings = AgentSettings(
            node="own",
            run_dir=str(run_dir),
            pods_root=name,
            own_group=f"{name}/agent",
            alone=True,
            port=0,
            latency_port=0,
        )
        for below in ("burstable", "besteffort"):
            (self.top / "kubepods" / below).make()

    def add(self, number: int, *, batch: bool, command: Sequence[str] = IDLE) -> Pod:
        """One more pod with one container; call `tell` when the agent may know."""
        uid = f"{number:08x}-0000-4000-8000-000000000000"
        pod = Pod(uid=uid, namespace="own", name=f"pod-{number}", batch=batch)
        if batch:
            pod = replace(pod, batch_cpu_cores=1.0, qos_class="BE")
        qos = "besteffort" if batch else "burstable"
        group = self.top / "kubepods" / qos / f"pod{uid}"
        self.pods[uid], self.groups[uid] = pod, group
        container = (group / "container").make()
        self._processes.append(container.start(command))
        # It joins one hierarchy after the other and then becomes the command.
        pid = self._processes[-1].pid
        wait_until(lambda: container.pids() and _is(pid, command[0]), within_s=60)
        return pod

    def tell(self, *, off: bool = False) -> None:
        """Writes the book."""
        book = Book(node="own", written_s=time.time(), pods=tuple(self.pods.values()), off=off)
        write_book(self.run_dir / NAME, book)

    def start(self, module: Sequence[str] = AGENT, *more: str) -> subprocess.Popen[bytes]:
        """The whole agent, or another module with the same settings."""
        if self.agent is not None:
            self.agent.wait()
        with (self.run_dir / "agent.err").open("ab") as said:
            self.agent = subprocess.Popen(  # noqa: S603  the agent itself
                [sys.executable, *module, to_argument(self.settings), *more],
                stderr=said,
                stdout=said,
            )
        return self.agent

    def said(self) -> str:
        """All that the agent's processes wrote to stderr."""
        return (self.run_dir / "agent.err").read_text(errors="replace")

    def pids(self) -> dict[str, int]:
        """The agent's processes by name, of those that live."""
        return {name: pid for pid, name in self._processes_of_agent()}

    def _processes_of_agent(self) -> list[tuple[int, str]]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().split(b"\0")
                if any(self.settings.run_dir.encode() in word for word in line[1:]):
                    found.append((int(entry.name), _name(line)))
        return found

    def snapshot(self) -> dict[str, str]:
        """What every file says that the agent may write, and every process' priorities."""
        held = {}
        for hierarchy in hierarchies():
            for path, _, files in os.walk(hierarchy / self.top.path / "kubepods"):
                for name in set(files) & set(WRITTEN):
                    held[f"{path}/{name}"] = Path(path, name).read_text()
        for pid in (self.top / "kubepods").pids():
            with suppress(OSError):
                held[f"oom {pid}"] = Path(f"/proc/{pid}/oom_score_adj").read_text()
        return held

    def frozen(self) -> list[str]:
        """Groups that stand still now."""
        return [
            group.path
            for group in (self.top / "kubepods/besteffort", *self.groups.values())
            if group.read("cgroup.freeze").strip() == "1"
            or group.read("freezer.state").strip() != "THAWED"
        ]

    def close(self) -> None:
        """Ends the agent hard, and takes the groups away."""
        while found := self._processes_of_agent():
            for pid, _ in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            if self.agent is not None:
                self.agent.wait()
        self.top.remove()
        for process in self._processes:
            process.wait()


def wait_until(holds: Callable[[], object], *, within_s: float = 5.0) -> float:
    """Seconds until it held; raises TimeoutError."""
    began_s = time.monotonic()
    while not holds():
        if time.monotonic() - began_s > within_s:
            raise TimeoutError(f"not within {within_s:g} s")
        time.sleep(0.002)
    return time.monotonic() - began_s


def _is(pid: int, command: str) -> bool:
    """Whether that process has become this command."""
    line = Path(f"/proc/{pid}/cmdline").read_bytes()
    return line.startswith(command.encode()) and b"cgroup.procs" not in line


def _name(line: Iterable[bytes]) -> str:
    """From its command line: the loop is told its parent after the settings."""
    words = list(line)
    if any(word.endswith(b"watchdog.py") for word in words):
        return "watchdog"
    return "loop" if words[2].endswith((b"_loop", b"loop_process")) else "agent"
