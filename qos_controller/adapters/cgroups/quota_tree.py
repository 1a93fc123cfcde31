"""CPU quotas of a whole subtree in the order in which version 1 takes them.

Version 1 refuses (EINVAL) a quota above the parent's, and a parent's below any child's; version 2
takes the least on the way up and needs no order. So here each group gets the least of what it
wishes and what those above it get: who falls is written from the leaves up, who rises from the top
down. Source: kernel/sched/core.c, tg_cfs_schedulable_down.

Always holds: `in_order` of any two clamped states never passes through a refused one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping


def clamped(
    wishes: Mapping[str, float], granted: Callable[[str, float], float]
) -> dict[str, float]:
    """Each group's quota in cores: the least of its own wish and of what those above it got.

    `granted` says what becomes of a group's cores when they are spelled in whole microseconds of
    its period: a child is held to what its parent's file says, not to what was meant.
    """
    got: dict[str, float] = {}
    for group in _by_depth(wishes):
        above = min((got.get(a, math.inf) for a in _ancestors(group)), default=math.inf)
        got[group] = granted(group, min(wishes[group], above))
    return got


def in_order(
    before: Mapping[str, float], after: Mapping[str, float], *, anew: Collection[str] = ()
) -> list[tuple[str, float]]:
    """(group, cores) to write: falling ones deepest first, then the others from the top.

    Who falls is below what it got before, be it from its own limit or from one above it: only that
    may be written while those above still stand. `anew` are written though they keep their cores.
    """
    changed = [g for g in after if g in anew or after[g] != before.get(g, math.inf)]
    falling = [g for g in changed if after[g] < _least(before, g)]
    others = [g for g in changed if g not in falling]
    ordered = _by_depth(falling)[::-1] + _by_depth(others)
    return [(group, after[group]) for group in ordered]


def _least(quotas: Mapping[str, float], group: str) -> float:
    """What holds a group: its own limit or the least above it."""
    return min(quotas.get(g, math.inf) for g in (group, *_ancestors(group)))


def _by_depth(groups: Iterable[str]) -> list[str]:
    return sorted(groups, key=lambda group: group.count("/"))


def _ancestors(group: str) -> Iterator[str]:
    above = group.rpartition("/")[0]
    while above:
        yield above
        above = above.rpartition("/")[0]
