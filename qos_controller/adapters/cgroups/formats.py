"""How numbers are spelled in control files: pure conversions, both ways.

Always holds: what `quota_us` gives is accepted by the kernel (at least 1 ms, kernel/sched/core.c
min_cfs_quota_period); weights round to their scale's ends, never beyond.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

PERIOD_US = 100_000
LEAST_QUOTA_US = 1_000
_PAGE_BYTES = 4_096


def quota_us(cores: float, period_us: int = PERIOD_US) -> int:
    """Microseconds a period; -1 for no limit."""
    if math.isinf(cores):
        return -1
    return max(LEAST_QUOTA_US, int(cores * period_us))


def cores_of(quota_us: int, period_us: int) -> float:
    """The other way round."""
    return math.inf if quota_us < 0 else quota_us / period_us


def weight_of(shares: int) -> int:
    """cpu.weight 1..10000 for cpu.shares 2..262144, as kubelet and runc convert them."""
    bounded = min(max(shares, 2), 262_144)
    return 1 + (bounded - 2) * 9_999 // 262_142


def whole_pages(size_bytes: float) -> int:
    """What the kernel makes of a size."""
    return int(size_bytes) // _PAGE_BYTES * _PAGE_BYTES


def cpu_list(cpus: Iterable[int]) -> str:
    """`0-2,5` for 0, 1, 2, 5."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def cpus_in(listed: str) -> tuple[int, ...]:
    """The other way round; empty for an empty list.

    Raises:
        ValueError: where it is no list of CPUs.
    """
    cpus: list[int] = []
    for part in listed.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            cpus += range(int(first), int(last or first) + 1)
    return tuple(cpus)
