"""The queues as the planner wants them: Queue objects where there are any, else one for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.core.queue_objects import Planted, planted
from scheduler.core.queues import QueueTree, QueueUse
from slacktide.kube.queues import Queue

MILLI: Final = 1_000.0


class Queues:
    """A tree and where each queue is in it."""

    def __init__(self) -> None:
        self._planted = planted(())

    def plant(self, objects: Iterable[Queue]) -> None:
        """Takes the Queue objects as they are now."""
        self._planted = planted(objects)

    @property
    def planted(self) -> Planted:
        """The tree, and what was odd about its objects."""
        return self._planted

    @property
    def tree(self) -> QueueTree:
        """As it is now."""
        return self._planted.tree

    @property
    def problems(self) -> Mapping[str, str]:
        """What is odd about some of the objects, by queue."""
        return self._planted.problems

    def leaf(self, name: str) -> tuple[int | None, str]:
        """Where a gang's queue is in the tree, or None and why it cannot wait there."""
        return self._planted.leaf(name)

    def index(self, name: str) -> int:
        """Where it is. Raises `KeyError` for a queue in which nobody can wait."""
        found, why_not = self.leaf(name)
        if found is None:
            raise KeyError(why_not)
        return found

    def use(self, used: Mapping[str, Sequence[int]]) -> QueueUse:
        """What each queue holds; `used` is milli-cores and bytes by the name that tasks carry.

        What runs for a queue that is no more counts for nobody.
        """
        cores, size = np.zeros(len(self.tree.names)), np.zeros(len(self.tree.names))
        for name, (cpu_milli, memory_bytes) in used.items():
            found, _ = self.leaf(name)
            if found is not None:
                cores[found] += cpu_milli / MILLI
                size[found] += memory_bytes
        return QueueUse(cpu_cores=cores, memory_bytes=size)
