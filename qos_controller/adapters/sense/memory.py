"""Memory of the node and of groups, as the kernel counts it.

Working set: use less the file pages that nobody has touched lately, as kubelet's eviction counts it
(cAdvisor: usage - total_inactive_file). A group without a limit, or with one beyond the node's
memory, has no capacity of its own.
v1 tells dirty pages and those being written back per group in `memory.stat` (only of pages charged
to it), v2 calls them file_dirty and file_writeback.
Cost: a group 1.0 us for its use and 8.5 us for its memory.stat, the node's /proc/meminfo 6.5 us.
Source: Linux Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst, filesystems/proc.rst.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.kept import KeptFile
from qos_controller.adapters.sense.numbers import number_of_line, only_number
from qos_controller.adapters.sense.places import stat_file

_KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMemory:
    """One look at one group, bytes."""

    working_set_bytes: float
    dirty_bytes: float
    """Dirty pages and pages being written back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMemory:
    """One look at /proc/meminfo, bytes."""

    total_bytes: float
    available_bytes: float
    dirty_bytes: float
    writeback_bytes: float


class MemoryOfGroup:
    """One group's files."""

    __slots__ = ("_cold", "_dirty", "_limit", "_stat", "_use", "_writeback")

    def __init__(self, layout: Layout, group: str) -> None:
        def kept(v1: str, v2: str, size_bytes: int = 64) -> KeptFile:
            path = stat_file(layout, "memory", group, v1=v1, v2=v2)
            return KeptFile(path, size_bytes=size_bytes)

        self._use = kept("memory.usage_in_bytes", "memory.current")
        self._limit = kept("memory.limit_in_bytes", "memory.max")
        self._stat = kept("memory.stat", "memory.stat", 8192)
        v1 = layout.is_v1("memory")
        self._cold = b"total_inactive_file" if v1 else b"inactive_file"
        self._dirty = b"total_dirty" if v1 else b"file_dirty"
        self._writeback = b"total_writeback" if v1 else b"file_writeback"

    def read(self) -> GroupMemory | None:
        """Now; None where the group or the controller is missing."""
        used = only_number(self._use.read())
        if used is None:
            return None
        stat = self._stat.read()
        cold = number_of_line(stat, self._cold) or 0
        dirty = number_of_line(stat, self._dirty) or 0
        writeback = number_of_line(stat, self._writeback) or 0
        return GroupMemory(
            working_set_bytes=float(max(0, used - cold)), dirty_bytes=float(dirty + writeback)
        )

    def limit_bytes(self) -> float | None:
        """Its limit; None for `max` and where there is none to read."""
        limit = only_number(self._limit.read())
        return None if limit is None else float(limit)

    def close(self) -> None:
        """Lets go of the files."""
        for file in (self._use, self._limit, self._stat):
            file.close()


class MemoryOfNode:
    """The file /proc/meminfo."""

    __slots__ = ("_file",)

    def __init__(self, proc: str = "/proc") -> None:
        self._file = KeptFile(f"{proc}/meminfo")

    def read(self) -> NodeMemory | None:
        """Now; None where it cannot be understood."""
        text = self._file.read()
        total, available = _kib(text, b"MemTotal:"), _kib(text, b"MemAvailable:")
        if not total or available is None:
            return None
        return NodeMemory(
            total_bytes=total,
            available_bytes=available,
            dirty_bytes=_kib(text, b"Dirty:") or 0.0,
            writeback_bytes=_kib(text, b"Writeback:") or 0.0,
        )

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()


def _kib(text: bytes | None, key: bytes) -> float | None:
    """The value of `Key:   123 kB` in bytes."""
    at = -1 if text is None else text.find(key)
    if text is None or at < 0:
        return None
    end = text.find(b" kB", at)
    number = only_number(text[at + len(key) : end]) if end > 0 else None
    return None if number is None else float(number * _KIB)
