"""Cgroups as the kernel shows them: every hierarchy that is mounted, and what lives in a subtree.

Nothing here knows which controllers lie where: a subtree is looked for in each hierarchy, so a node
with v1, v2 or both is emptied by the same lines.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from slacktide.errors import BadInput

EMPTY_S: Final = 30.0
_LOOK_S: Final = 0.02


def hierarchies() -> list[Path]:
    """Where cgroup hierarchies of both versions are mounted."""
    lines = Path("/proc/mounts").read_text().splitlines()
    return [Path(where) for _, where, kind, *_ in map(str.split, lines) if kind in _KINDS]


_KINDS: Final = frozenset({"cgroup", "cgroup2"})


def join(name: str, pid: int) -> None:
    """Moves a process, and so all that it starts, into a group of its own at the top."""
    for top in hierarchies():
        group = top / name
        group.mkdir(exist_ok=True)
        if not (group / "cpuset.cpus").is_file() or _given_cpus(group):
            (group / "cgroup.procs").write_text(str(pid))


def _given_cpus(group: Path) -> bool:
    """A new v1 cpuset has no CPU and takes nobody; on v2 an empty file means all."""
    if (group / "cgroup.controllers").is_file():
        return True
    for name in ("cpuset.cpus", "cpuset.mems"):
        (group / name).write_text((group.parent / name).read_text())
    return True


def subtree(name: str) -> Iterator[Path]:
    """All groups under the top group `name`, in all hierarchies, the deepest first."""
    for top in hierarchies():
        for folder, _, _ in os.walk(top / name, topdown=False):
            yield Path(folder)


def of_pods() -> list[Path]:
    """The group of each pod of this node, in all hierarchies."""
    return [group for group in subtree("kubepods") if group.name.startswith("pod")]


def where(uid: str) -> list[Path]:
    """The group of the pod with that UID, in all hierarchies."""
    return [group for group in of_pods() if group.name == f"pod{uid}"]


def processes(group: Path) -> list[int]:
    """Those in the group itself; none where it is gone."""
    with suppress(OSError):
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    return []


def empty(name: str) -> None:
    """Kills all that lives under the top group `name`, frozen or not, and removes it.

    Raises:
        BadInput: when something does not die.
    """
    give_up = time.monotonic() + EMPTY_S
    while left := list(subtree(name)):
        for group in left:
            _thaw(group)
            for pid in processes(group):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for group in left:
            with suppress(OSError):  # busy until its processes have gone
                group.rmdir()
        if time.monotonic() > give_up:
            raise BadInput(f"{left[0]} is not empty after {EMPTY_S:g} s: {processes(left[0])}")
        time.sleep(_LOOK_S)


def _thaw(group: Path) -> None:
    """A v1 freezer holds even who is killed."""
    with suppress(OSError):
        (group / "freezer.state").write_text("THAWED")
