"""How many gangs are on their way at one time.

kube-scheduler takes pods as they come, so gangs that are let go together are bound together: each
takes as long as all. A few after another are each bound in their own time, and as long as some are
always on their way nothing is bound later for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

AT_ONCE: Final = 48  # tasks: what a kube-scheduler of 500 binds a second has under way in 0.1 s


def to_let_go(on_way: int, sizes: Iterable[int], *, at_once: int = AT_ONCE) -> int:
    """How many of the next gangs may go.

    Args:
        on_way: tasks that were let go and are not bound yet.
        sizes: tasks of the gangs that wait for their turn, in their order; no gang is divided, so
            the last that goes may be larger than what is left.
        at_once: tasks on their way from which on no further gang goes.
    """
    gangs = 0
    for size in sizes:
        if on_way >= at_once:
            break
        on_way += size
        gangs += 1
    return gangs
