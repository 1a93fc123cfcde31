"""The loop's own place on a node that is short of everything: memory locked, first in line.

Each wish may be refused (a container without the capability), and the loop is right without it,
only later; so each answers None or why not, in words, and raises nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path
from typing import Final

_LOCK_CURRENT, _LOCK_FUTURE, _LOCK_ON_FAULT = 1, 2, 4  # <sys/mman.h>
_SET_DEATH_SIGNAL: Final = 1  # <linux/prctl.h> PR_SET_PDEATHSIG
NICE: Final = -20
OOM_SCORE: Final = -999
FIRST: Final = 10
"""The loop's CPU weight, as a multiple of an ordinary group's."""


def privileged(own_group: str, cgroup_root: Path) -> list[str]:
    """Asks for all of it; the refusals."""
    asked = (
        lock_memory(),
        be_first(),
        be_last_killed(),
        join(os.getpid(), own_group, cpu_trees(cgroup_root), weight=FIRST),
    )
    return [refusal for refusal in asked if refusal]


def lock_memory() -> str | None:
    """A page fault on a thrashing disk takes seconds; locked pages have none."""
    libc = ctypes.CDLL(None, use_errno=True)
    # On fault: what is never touched is never loaded, so the resident size stays as it is.
    if libc.mlockall(_LOCK_CURRENT | _LOCK_FUTURE | _LOCK_ON_FAULT) == 0:
        return None
    return f"memory is not locked: {os.strerror(ctypes.get_errno())}"


def be_first() -> str | None:
    """Above every other task of its group."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    except OSError as why:
        return f"priority is not raised: {why.strerror}"
    return None


def be_last_killed() -> str | None:
    """The kernel's out-of-memory killer looks elsewhere first."""
    try:
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    except OSError as why:
        return f"oom_score_adj stays: {why.strerror}"
    return None


def join(pid: int, group: str, trees: list[Path], *, weight: int = 1) -> str | None:
    """Moves a process to that group of those trees, with that many times the usual CPU weight.

    An empty `group` leaves it where it is.
    """
    if not group:
        return None
    asked = ((tree / group, _join(pid, tree / group, weight)) for tree in trees)
    refusals = [f"{place}: {why}" for place, why in asked if why]
    return f"no group of its own: {', '.join(refusals)}" if refusals else None


def leave(group: str, trees: list[Path]) -> None:
    """Removes that group of the agent's where it is empty."""
    for tree in trees if group else ():
        with contextlib.suppress(OSError):
            (tree / group).rmdir()


def trees(cgroup_root: Path) -> list[Path]:
    """The cgroup trees below that folder: itself on v2, one a controller on v1 and hybrid."""
    if (cgroup_root / "cgroup.procs").exists():
        return [cgroup_root]
    if not cgroup_root.is_dir():
        return []
    # systemd's named tree holds no resources, and its owner minds.
    found = {
        below.resolve(): below
        for below in sorted(cgroup_root.iterdir())
        if below.name != "systemd" and (below / "cgroup.procs").exists()
    }
    return list(found)


def cpu_trees(cgroup_root: Path) -> list[Path]:
    """Only the tree that shares out CPU: memory stays on the container's account on v1."""
    return [
        tree for tree in trees(cgroup_root) if tree == cgroup_root or (tree / "cpu.shares").exists()
    ]


def end_with_parent(parent: int) -> bool:
    """SIGTERM for this process when its parent ends; False where it has ended already."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, int(signal.SIGTERM))
    return os.getppid() == parent


def _join(pid: int, place: Path, weight: int) -> str | None:
    try:
        made = not place.is_dir()
        place.mkdir(parents=True, exist_ok=True)
        if made and not (place / "cgroup.controllers").exists():  # on v2 empty means all
            _fill_cpuset(place)
        for name, usual in (("cpu.shares", 1024), ("cpu.weight", 100)):
            if (place / name).exists():
                (place / name).write_text(str(weight * usual))
        (place / "cgroup.procs").write_text(str(pid))
    except OSError as why:
        return why.strerror or str(why)
    return None


def _fill_cpuset(place: Path) -> None:
    """A fresh v1 cpuset group has no CPUs and takes no process until it has."""
    above = list(place.parents)
    for group in [place, *above][::-1]:
        for name in ("cpuset.cpus", "cpuset.mems"):
            file = group / name
            if file.exists() and not file.read_text().strip():
                file.write_text((group.parent / name).read_text())
