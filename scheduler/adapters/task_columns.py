"""The tasks that hold room, as columns that events keep: the planner's bundles, one row a task."""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler.core.gpu import GpuHolds
from scheduler.core.member import Member
from scheduler.core.snapshot import RunningColumns

FIRST_ROWS: Final = 256
MILLI: Final = 1_000.0


class KeptTasks:
    """By UID. A row that is free holds nothing, so it need not be left out."""

    def __init__(self) -> None:
        self.row_of: dict[str, int] = {}
        self._free_rows: list[int] = []
        self._columns = np.zeros((4, FIRST_ROWS), np.int64)  # node, milli-cores, bytes, end

    def put(self, one: Member, node: int) -> None:
        """A task holds its room on the node of that row."""
        row = self._free_rows.pop() if self._free_rows else len(self.row_of)
        if row == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        self.row_of[one.uid] = row
        self._columns[:, row] = (node, one.cpu_milli, one.memory_bytes, one.end_s)

    def remove(self, uid: str) -> None:
        """It holds nothing any more."""
        row = self.row_of.pop(uid)
        self._columns[:, row] = 0
        self._free_rows.append(row)

    def columns(self, gpus: GpuHolds | None = None) -> RunningColumns:
        """As they are now; a copy."""
        rows = len(self.row_of) + len(self._free_rows)
        node, cpu_milli, memory_bytes, end_s = self._columns[:, :rows].copy()
        return RunningColumns(
            node=node,
            cpu_cores=cpu_milli / MILLI,
            memory_bytes=memory_bytes.astype(np.float64),
            end_s=end_s,
            gpus=gpus,
        )
