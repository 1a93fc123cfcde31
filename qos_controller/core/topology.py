"""The node's CPUs as the hardware groups them, and the choice of whole cores among them.

Always holds: two hyper-threads of one core are never given to two owners; cores of one NUMA node
are preferred, the fullest node that still has room first, so that the others stay whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cpu:
    """One logical CPU."""

    cpu: int
    core: int
    """Physical core, unique on the node."""
    numa: int = 0


def whole_cores(
    cpus: Collection[Cpu], *, wanted_cpus: int, taken: Collection[int]
) -> tuple[int, ...] | None:
    """At least `wanted_cpus` CPUs as whole cores that are free; None where they do not suffice.

    `taken` are CPUs with an owner; a core with one of them is not free.
    """
    by_core: dict[tuple[int, int], list[int]] = defaultdict(list)
    for cpu in cpus:
        by_core[cpu.numa, cpu.core].append(cpu.cpu)
    free = {key: found for key, found in by_core.items() if not set(found) & set(taken)}
    by_numa: dict[int, list[list[int]]] = defaultdict(list)
    for (numa, _), found in sorted(free.items()):
        by_numa[numa].append(found)
    pools = sorted(by_numa.values(), key=lambda pool: sum(map(len, pool)))
    whole = [core for pool in reversed(pools) for core in pool]
    for pool in [*pools, whole]:
        chosen = _first(pool, wanted_cpus)
        if chosen is not None:
            return chosen
    return None


def _first(cores: list[list[int]], wanted_cpus: int) -> tuple[int, ...] | None:
    chosen: list[int] = []
    for core in cores:
        if len(chosen) >= wanted_cpus:
            break
        chosen += core
    return tuple(sorted(chosen)) if len(chosen) >= wanted_cpus else None
