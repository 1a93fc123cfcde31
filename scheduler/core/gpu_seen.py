"""Which tasks have come, so that GPUs are kept usable for those that usually come.

Counts fade: after `HALF_LIFE` further tasks one counts half, so what was usual last month gives way
to what is usual now. Only what has come is counted, never what will.
"""

from __future__ import annotations

from typing import Final

from scheduler.core.gpu_usable import Expected, TaskClass

HALF_LIFE: Final = 4_000  # tasks
MOST_CLASSES: Final = 40  # looked at for each placement: they make up nearly all of what comes
MOST_KEPT: Final = 4_096
_GROWTH: Final = 2.0 ** (1.0 / HALF_LIFE)
_LARGE: Final = 1e100


class SeenTasks:
    """How often each class of GPU tasks came."""

    def __init__(self) -> None:
        self._count: dict[TaskClass, float] = {}
        self._one = 1.0  # what the next task counts: growth stands for the others' fading
        self._expected: Expected | None = None

    def add(self, task: TaskClass) -> None:
        """One came."""
        self._count[task] = self._count.get(task, 0.0) + self._one
        self._one *= _GROWTH
        self._expected = None
        if self._one > _LARGE or len(self._count) > MOST_KEPT:
            self._tidy()

    def expected(self) -> Expected:
        """The classes that come most or take most GPU time, and how often each comes."""
        if self._expected is None:
            self._expected = Expected.of({task: self._often(task) for task in self._first()})
        return self._expected

    def _often(self, task: TaskClass) -> float:
        return self._count[task] / self._one

    def _time(self, task: TaskClass) -> float:
        return self._often(task) * task.share_milli * task.devices

    def _first(self) -> list[TaskClass]:
        """By share of all tasks or of all their time, whichever is more: few may take much."""
        often = sum(map(self._often, self._count)) or 1.0
        time = sum(map(self._time, self._count)) or 1.0
        share = {
            task: max(self._often(task) / often, self._time(task) / time) for task in self._count
        }
        return sorted(share, key=lambda task: (-share[task], task))[:MOST_CLASSES]

    def _tidy(self) -> None:
        """Counts in a smaller unit, and only those that matter."""
        kept = sorted(self._count, key=lambda task: (-self._count[task], task))[: MOST_KEPT // 2]
        self._count = {task: self._count[task] / self._one for task in kept}
        self._one = 1.0
