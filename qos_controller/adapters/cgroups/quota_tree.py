"""CPU quotas of a whole subtree in the order in which version 1 takes them.

Version 1 refuses (EINVAL) a quota above the parent's, and a parent's below any child's; version 2
takes the least on the way up and needs no order. So here each group gets the least of what it
wishes and what those above it get: who falls is written from the leaves up, who rises from the top
down. Source: kernel/sched/core.c, tg_cfs_schedulable_down.

Always holds: `in_order` of any two clamped states never passes through a refused one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping


def clamped(wishes: Mapping[str, float]) -> dict[str, float]:
    """Each group's quota in cores: the least of its own wish and all wishes above it."""
    return {
        group: min(wishes.get(above, math.inf) for above in _with_ancestors(group))
        for group in wishes
    }


def in_order(before: Mapping[str, float], after: Mapping[str, float]) -> list[tuple[str, float]]:
    """(group, cores) to write: falling ones deepest first, then rising ones from the top."""
    falling = [group for group in after if after[group] < before.get(group, math.inf)]
    rising = [group for group in after if after[group] > before.get(group, math.inf)]
    ordered = _by_depth(falling)[::-1] + _by_depth(rising)
    return [(group, after[group]) for group in ordered]


def _by_depth(groups: Iterable[str]) -> list[str]:
    return sorted(groups, key=lambda group: group.count("/"))


def _with_ancestors(group: str) -> Iterator[str]:
    while group:
        yield group
        group = group.rpartition("/")[0]
