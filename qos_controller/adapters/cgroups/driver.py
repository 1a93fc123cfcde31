"""What a driver is: wishes in, writes out. It touches nothing itself.

Each method answers with the writes that bring one group to a value, in the order in which the
kernel takes them; `Hand` (hand.py) owns, writes and reads back. So a driver is a table of file
names and formats, and the two versions differ in nothing else. Always holds: a wish that this node
cannot grant is an empty answer; `can` says so before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["freeze", "quota", "idle", "weight", "cpuset", "memory", "disk", "process", "node"]


@dataclass(frozen=True, slots=True)
class Write:
    """One value for one file."""

    path: str
    value: str
    kind: Kind
    safe: str = ""
    """What the watchdog writes when the loop has died; empty: it leaves the file alone."""
    device: str = ""
    """`8:0` where the file has one line a device and this is about that line."""
    lifted: str = ""
    """What takes that device's line away."""
    checked: bool = True
    """Whether reading it back tells anything."""
    slow: bool = False
    """It may block for long (reclaim): never written by the fast loop itself."""


Writes = tuple[Write, ...]


class Driver(Protocol):
    """`group` is a path relative to every mount; shares are on v1's scale."""

    periods_us: dict[str, int]
    """Groups whose quota is dealt out in other slices than of 100 ms."""

    def cpu_weight(self, group: str, shares: int) -> Writes:
        """Its weight among its siblings."""

    def cpu_idle(self, group: str, *, idle: bool) -> Writes:
        """SCHED_IDLE for the group, or no more."""

    def cpu_quota(self, group: str, cores: float, *, safe_cores: float) -> Writes:
        """CPU time a second; infinite lifts it. v1: see quota_tree.py for parents and children."""

    def cpu_period(self, group: str, period_us: int) -> Writes:
        """In what slices the quota is dealt out from now on; write it before the quota."""

    def quota_files(self, group: str) -> tuple[str, ...]:
        """Where `quota_in` reads; empty where no CPU controller is."""

    def quota_in(self, contents: Sequence[bytes]) -> tuple[float, int]:
        """Cores and period in what `quota_files` held.

        Raises:
            ValueError: where they hold no such thing.
        """

    def cpu_burst(self, group: str, cores: float) -> Writes:
        """Unused quota that one period may add; at most the quota."""

    def cpus(self, group: str, cpus: Sequence[int]) -> Writes:
        """Only these CPUs."""

    def freeze(self, group: str, *, frozen: bool) -> Writes:
        """Stop all its processes, or let them go on."""

    def memory_limit(self, group: str, limit_bytes: float) -> Writes:
        """It may not grow beyond; infinite lifts it."""

    def memory_high(self, group: str, limit_bytes: float) -> Writes:
        """From here on its allocations wait for reclaim."""

    def disk_limit(
        self, group: str, device: str, *, read_bytes_per_s: float, write_bytes_per_s: float
    ) -> Writes:
        """Bytes a second from and to one device; infinite lifts."""

    def disk_weight(self, group: str, weight: int) -> Writes:
        """1..1000 among its siblings."""
