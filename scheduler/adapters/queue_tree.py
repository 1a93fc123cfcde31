"""The queues as the planner wants them: one for all until Queue objects say otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.core.queues import TOP, QueueTree, QueueUse

DEFAULT: Final = "default"
MILLI: Final = 1_000.0


class Queues:
    """A tree and where each queue is in it; a queue that nobody declared is the default one."""

    def __init__(self) -> None:
        self._tree = QueueTree(
            names=(DEFAULT,),
            parent=np.array([TOP]),
            guaranteed_cpu_cores=np.zeros(1),
            max_cpu_cores=np.array([np.inf]),
            weight=np.ones(1),
        )

    @property
    def tree(self) -> QueueTree:
        """As it is now."""
        return self._tree

    def index(self, name: str) -> int:
        """Where a task's queue is in the tree."""
        names = self._tree.names
        return names.index(name if name in names else DEFAULT)

    def indexes(self, names: Iterable[str]) -> dict[str, int]:
        """The same for several."""
        return {name: self.index(name) for name in names}

    def use(self, used: Mapping[str, Sequence[int]]) -> QueueUse:
        """What each queue holds; `used` is milli-cores and bytes by the name tasks carry."""
        cores, size = np.zeros(len(self._tree.names)), np.zeros(len(self._tree.names))
        for name, (cpu_milli, memory_bytes) in used.items():
            at = self.index(name)
            cores[at] += cpu_milli / MILLI
            size[at] += memory_bytes
        return QueueUse(cpu_cores=cores, memory_bytes=size)
