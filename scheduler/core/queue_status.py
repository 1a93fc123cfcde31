"""What the status of a Queue object says: what is used, who waits, and what is odd about it.

Always holds: a queue's use and gangs are those of the queue and all below it; a queue whose
contradictions were mended says so in one sentence and one condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.core.queue_objects import Planted

LONGEST_MESSAGE: Final = 1_024
MILLI: Final = 1_000
SOUND: Final = "Sound"  # the condition's type: True where the queue counts as it is written


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """Of one queue."""

    used_milli: int
    waiting: int  # gangs
    running: int
    message: str  # empty where the queue counts as it is written

    def body(self, since: str) -> dict[str, object]:
        """As it is written; `since` is when the condition changed last."""
        condition = {
            "type": SOUND,
            "status": "False" if self.message else "True",
            "reason": "Mended" if self.message else "AsWritten",
            "message": self.message,
            "lastTransitionTime": since,
        }
        return {
            "used": {"cpu": cores_text(self.used_milli)},
            "pendingGangs": self.waiting,
            "runningGangs": self.running,
            "message": self.message,
            "conditions": [condition],
        }


def statuses(
    planted: Planted,
    *,
    used: Mapping[str, Sequence[int]],
    waiting: Iterable[str],
    running: Iterable[str],
) -> dict[str, QueueStatus]:
    """The status of each queue.

    Args:
        planted: the tree.
        used: milli-cores (and more) by the queue that tasks carry.
        waiting: the queue of each gang that waits.
        running: the queue of each gang that runs.
    """
    tree = planted.tree
    rows = {name: row for row, name in enumerate(tree.names)}
    counts = [[0, 0, 0] for _ in tree.names]

    def add(name: str, column: int, amount: int) -> None:
        if name in rows:
            for above in tree.paths[rows[name]]:
                counts[above][column] += amount

    for name, amounts in used.items():
        add(name, 0, amounts[0])
    for column, names in ((1, waiting), (2, running)):
        for name in names:
            add(name, column, 1)
    return {
        name: QueueStatus(held, waits, runs, planted.problems.get(name, "")[:LONGEST_MESSAGE])
        for name, (held, waits, runs) in zip(tree.names, counts, strict=True)
    }


def cores_text(milli: int) -> str:
    """A quantity: `3`, or `2500m`."""
    return f"{milli // MILLI}" if milli % MILLI == 0 else f"{milli}m"
