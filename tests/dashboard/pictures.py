"""A picture of a small cluster: one gang runs, two wait in line, one is not complete."""

from __future__ import annotations

from scheduler.core.picture import Picture
from slacktide.contract import LABEL_QUEUE
from tests.scheduler.boards import selling_node
from tests.scheduler.seen import NOW_S, gang, queue, running, view_of

NIGHT = {LABEL_QUEUE: "night"}


def picture(*, done: bool = False) -> Picture:
    """`done`: the one that ran has ended, and the first in line has its place."""
    pods = [*gang("later", 5, labels=NIGHT, after_s=9), *gang("early", 4)[:2]]
    if done:
        pods += running("train", 6, "batch-0", labels=NIGHT)
    else:
        pods += running("sort", 8, "batch-0", labels=NIGHT)
        pods += gang("train", 6, labels=NIGHT, after_s=3)
    nodes = [selling_node("batch-0", milli=10_000)]
    return view_of(nodes, pods, [queue("night", own="4")]).picture(now_s=NOW_S)
