"""What each signal and each actuator costs on this very node, measured in a group of its own.

The group `slacktide-doctor-PID` is made at the top of the tree, holds one sleeping child and is
removed in the end, whatever happens. No pod is touched.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from qos_controller.adapters.cgroups.files import DONE, KeptFiles
from qos_controller.adapters.cgroups.layout import Layout

_REPEATS: Final = 200
_PATIENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One measured thing."""

    name: str
    median_s: float
    p99_s: float
    repeats: int


def measure(layout: Layout) -> list[Cost]:
    """About 0.2 s. What this node lacks, or does not let us do, is left out."""
    found: list[Cost] = []
    with _own_groups(layout) as (cpu, unified):
        files = KeptFiles(say=lambda _: None)
        try:
            for name, path, value in (
                ("write a quota", cpu / "cpu.cfs_quota_us", "50000"),
                ("write a quota", cpu / "cpu.max", "50000 100000"),
                ("write a weight", cpu / "cpu.shares", "2"),
                ("write a weight", cpu / "cpu.weight", "1"),
            ):
                found += _timed(name, path, partial(_writes, files, str(path), value))
            for name, path in (
                ("read cpu.pressure", unified / "cpu.pressure"),
                ("read cpu.stat", cpu / "cpu.stat"),
            ):
                found += _timed(name, path, partial(_reads, files, str(path)))
            found += _frozen(unified)
        finally:
            files.close()
    return found


@contextmanager
def _own_groups(layout: Layout) -> Iterator[tuple[Path, Path]]:
    """A group in the CPU's hierarchy and in the unified one; they may be the same."""
    name = f"slacktide-doctor-{os.getpid()}"
    mounts = [mount for mount in (layout.mount_of("cpu"), layout.unified) if mount]
    groups = [Path(mount, name) for mount in dict.fromkeys(mounts)]
    try:
        for group in groups:
            group.mkdir()
        yield groups[0], groups[-1]
    finally:
        for group in groups:
            with suppress(OSError):
                group.rmdir()


def _writes(files: KeptFiles, path: str, value: str) -> bool:
    return files.write(path, value) == DONE


def _reads(files: KeptFiles, path: str) -> bool:
    return files.read(path) is not None


def _timed(name: str, path: Path, work: Callable[[], bool]) -> list[Cost]:
    if not path.exists() or not work():
        return []
    took = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return [_cost(name, took)]


def _frozen(group: Path) -> list[Cost]:
    """From the write of cgroup.freeze until the kernel says that all of the group stand still."""
    if not (group / "cgroup.freeze").exists():
        return []
    sleeper = subprocess.Popen(["/bin/sleep", "60"])  # its end is below
    took = []
    try:
        (group / "cgroup.procs").write_text(str(sleeper.pid))
        for _ in range(20):
            began = time.perf_counter()
            (group / "cgroup.freeze").write_text("1")
            while "frozen 1" not in (group / "cgroup.events").read_text():
                if time.perf_counter() - began > _PATIENCE_S:
                    return []
            took.append(time.perf_counter() - began)
            (group / "cgroup.freeze").write_text("0")
    except OSError:
        return []
    finally:
        with suppress(OSError):
            (group / "cgroup.freeze").write_text("0")
        sleeper.send_signal(signal.SIGKILL)
        sleeper.wait()
    return [_cost("freeze, until all stand still", took)]


def _cost(name: str, took: list[float]) -> Cost:
    took.sort()
    worst = took[min(int(len(took) * 0.99), len(took) - 1)]
    return Cost(name=name, median_s=statistics.median(took), p99_s=worst, repeats=len(took))
