"""A pods tree of the bench's own, shaped like kubelet's, in every hierarchy that is mounted.

    slacktide-bench-PID/            the heaviest group of the machine
        client/                     who measures: heavier than all pods together
        agent/                      the arm's own processes
        kubepods/burstable/podUID/CONTAINER, kubepods/besteffort/podUID/CONTAINER

Always holds: nothing outside `slacktide-bench-*` is ever written; `remove` works on what is left
of a crashed bench too, thaws before it kills, and returns only when every group is gone.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "slacktide-bench-"
HEAVIEST = 262_144

# Joins every group given before `--`, waits for a line on stdin if told so, becomes the command.
_JOIN = (
    'while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; '
    'if [ "$1" = wait ]; then read _; fi; shift; exec "$@"'
)


def hierarchies(root: Path = ROOT) -> tuple[Path, ...]:
    """Every mounted hierarchy; links to a shared one (cpu -> cpu,cpuacct) are the same one."""
    if (root / "cgroup.procs").exists():
        return (root,)
    return tuple(
        path
        for path in sorted(root.iterdir())
        if (path / "cgroup.procs").exists() and not path.is_symlink()
    )


@dataclass(frozen=True, slots=True)
class Group:
    """One group, by its path below every hierarchy."""

    path: str

    def __truediv__(self, name: str) -> Group:
        """A group below this one."""
        return Group(f"{self.path}/{name}")

    def make(self) -> Group:
        """Makes it and its parents, everywhere."""
        for hierarchy in hierarchies():
            made = hierarchy
            for part in self.path.split("/"):
                made /= part
                if not made.exists():
                    made.mkdir()
                    _inherit_cpus(made)
        return self

    def write(self, file: str, value: object) -> None:
        """Writes a controller's file: `cpu.shares` lies in the hierarchy `cpu`."""
        _write(self.file(file), str(value))

    def read(self, file: str) -> str:
        """What a controller's file says."""
        return self.file(file).read_text()

    def file(self, file: str) -> Path:
        """Where a controller's file lies; `cgroup.*` and pressure are the unified one's."""
        v2 = file.startswith("cgroup.") or file.endswith(".pressure")
        return ROOT / ("unified" if v2 else file.split(".", maxsplit=1)[0]) / self.path / file

    def cpu_s(self) -> float:
        """CPU seconds that it has used."""
        return int(self.read("cpuacct.usage")) * 1e-9

    def pids(self) -> list[int]:
        """Its processes, of the groups below too."""
        found: list[int] = []
        for path, _, files in os.walk(ROOT / "cpu" / self.path):
            if "cgroup.procs" in files:
                with contextlib.suppress(OSError):
                    found += map(int, Path(path, "cgroup.procs").read_text().split())
        return found

    def start(
        self,
        command: Sequence[str],
        *,
        wait: bool = False,
        within: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        output: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Starts a command in it; with `wait` it begins at the first line on its stdin.

        `within` is a prefix that is there before the wait, as a pod's network is.
        """
        procs = [str(h / self.path / "cgroup.procs") for h in hierarchies()]
        return subprocess.Popen(  # noqa: S603 -- the bench's own commands
            [
                *within,
                *("/bin/sh", "-c", _JOIN, "join", *procs, "--"),
                *("wait" if wait else "now", *command),
            ],
            stdin=subprocess.PIPE if wait else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
        )

    def kill(self) -> None:
        """Kills all in it, frozen or not, and waits until it is empty."""
        deadline_s = time.monotonic() + 10
        while self.pids() and time.monotonic() < deadline_s:
            for path, _, files in os.walk(ROOT / "freezer" / self.path):
                if "freezer.state" in files:
                    _try_write(Path(path, "freezer.state"), "THAWED")
            _try_write(ROOT / "unified" / self.path / "cgroup.kill", "1")
            time.sleep(0.01)

    def remove(self) -> None:
        """Kills all in it and takes it away, with the groups below."""
        self.kill()
        deadline_s = time.monotonic() + 5
        for hierarchy in hierarchies():
            for path, _, _ in os.walk(hierarchy / self.path, topdown=False):
                while not _removed(Path(path)) and time.monotonic() < deadline_s:
                    time.sleep(0.01)


def left_behind() -> Iterator[Group]:
    """Trees whose bench is dead."""
    names = {path.name for h in hierarchies() for path in h.glob(f"{PREFIX}*")}
    for name in sorted(names):
        if not Path("/proc", name.removeprefix(PREFIX)).exists():
            yield Group(name)


def _inherit_cpus(made: Path) -> None:
    for file in ("cpuset.cpus", "cpuset.mems"):
        if (made / file).exists():
            _write(made / file, (made.parent / file).read_text())


def _write(path: Path, value: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _try_write(path: Path, value: str) -> None:
    with contextlib.suppress(OSError):
        _write(path, value)


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
