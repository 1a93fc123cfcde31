"""Nodes as columns that events keep, so a round costs what changed and not what there is.

What is sold of a node is its allocatable `batch-*`, over one horizon that stands for all. Where
nodes have forecasts those bound it further, over several (`node_forecasts`, `supply_age`).

Always holds: `held` is the exact sum (whole milli-cores and bytes) of what was taken and not given
back; a node that went keeps its row until another takes it, closed and with nothing to sell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from scheduler.adapters.gpu_nodes import KeptGpus
from scheduler.core.kinds import Constraints
from scheduler.core.node_table import NodeTable
from scheduler.core.snapshot import NodeColumns
from slacktide.contract import RESOURCE_BATCH_CPU, RESOURCE_BATCH_MEMORY
from slacktide.errors import BadInput
from slacktide.kube.objects import Node, Taint
from slacktide.quantity import parse

HORIZON_S: Final = 3_600  # allocatable stands until it changes; tasks that overran count anew
FIRST_ROWS: Final = 64
MILLI: Final = 1_000.0


class KeptNodes:
    """The nodes that sell, by name."""

    def __init__(self) -> None:
        self.row_of: dict[str, int] = {}
        self.gpus = KeptGpus()
        self._names: list[str] = []
        self._labels: list[Mapping[str, str]] = []
        self._taints: list[tuple[Taint, ...]] = []
        self._table: NodeTable | None = None  # as long as no name, label or taint changes
        self._uids: dict[str, str] = {}  # a node that came back under its name is another one
        self._free_rows: list[int] = []
        self._sold = np.zeros((2, FIRST_ROWS), np.int64)  # milli-cores, bytes
        self._held = np.zeros((2, FIRST_ROWS), np.int64)
        self._open = np.zeros(FIRST_ROWS, np.bool_)

    def __contains__(self, name: str) -> bool:
        return name in self._uids

    def put(self, node: Node) -> bool:
        """Takes a node that is new or changed. Returns whether it sells something else now."""
        row = self._row(node.metadata.name)
        self._uids[node.metadata.name] = node.metadata.uid
        sold, is_open = _sold(node), _is_open(node)
        labels, taints = node.metadata.labels or {}, node.spec.taints
        same = tuple(self._sold[:, row]) == sold and self._open[row] == is_open
        if labels != self._labels[row] or taints != self._taints[row]:
            self._labels[row], self._taints[row], self._table = labels, taints, None
            same = False
        self._sold[:, row], self._open[row] = sold, is_open
        return self.gpus.put(node) or not same

    def remove(self, node: Node) -> None:
        """Takes a node's end; what tasks hold of it ends with them."""
        name = node.metadata.name
        row = self.row_of.get(name)
        if row is not None and self._uids.get(name) == node.metadata.uid:
            del self._uids[name]
            self.gpus.remove(name)
            self._sold[:, row], self._open[row] = 0, False
            self.tidy(name)

    def hold(self, name: str, *, cpu_milli: int, memory_bytes: int) -> int:
        """A task holds that much more (or less) of a node; also of one that is not known yet.

        Returns:
            The node's row.
        """
        row = self._row(name)
        self._held[:, row] += (cpu_milli, memory_bytes)
        return row

    def tidy(self, name: str) -> None:
        """Forgets a node that is gone once nothing holds of it."""
        row = self.row_of[name]
        if name not in self._uids and not self._held[:, row].any():
            self._forget(name)

    def is_open(self, name: str) -> bool:
        """Whether it takes something new."""
        row = self.row_of.get(name)
        return row is not None and bool(self._open[row])

    def table(self) -> NodeTable:
        """Names, labels and taints, for what gangs ask beyond room."""
        if self._table is None:
            self._table = NodeTable(tuple(self._names), tuple(self._labels), tuple(self._taints))
        return self._table

    def columns(self, constraints: Constraints | None = None) -> NodeColumns:
        """As they are now, free of what is held; a copy."""
        rows = len(self._names)
        sold, free = self._sold[:, :rows], self._sold[:, :rows] - self._held[:, :rows]
        return NodeColumns(
            names=tuple(self._names),
            horizons_s=np.array([HORIZON_S]),
            free_cpu_cores=(free[0] / MILLI)[:, None],
            free_memory_bytes=free[1].astype(np.float64)[:, None],
            cpu_cores=sold[0] / MILLI,
            memory_bytes=sold[1].astype(np.float64),
            open=self._open[:rows].copy(),
            constraints=constraints,
            gpus=self.gpus.columns(self.row_of),
        )

    def _row(self, name: str) -> int:
        row = self.row_of.get(name)
        if row is not None:
            return row
        self._table = None
        if self._free_rows:
            row = self._free_rows.pop()
            self._names[row] = name
        else:
            row = len(self._names)
            self._names.append(name)
            self._labels.append({})
            self._taints.append(())
            self._grow()
        self.row_of[name] = row
        return row

    def _grow(self) -> None:
        if len(self._names) > len(self._open):
            self._sold = np.concatenate([self._sold, np.zeros_like(self._sold)], axis=1)
            self._held = np.concatenate([self._held, np.zeros_like(self._held)], axis=1)
            self._open = np.concatenate([self._open, np.zeros_like(self._open)])

    def _forget(self, name: str) -> None:
        row = self.row_of.pop(name)
        self._names[row], self._labels[row], self._taints[row] = "", {}, ()
        self._table = None
        self._free_rows.append(row)


def _sold(node: Node) -> tuple[int, int]:
    """What a node sells; nothing where its amounts cannot be read."""
    holds = node.status.allocatable or {}
    try:
        cpu, memory = (int(parse(holds.get(name, 0))) for name in _NAMES)
    except BadInput:
        return 0, 0
    return max(cpu, 0), max(memory, 0)


_NAMES: Final = (RESOURCE_BATCH_CPU, RESOURCE_BATCH_MEMORY)


def _is_open(node: Node) -> bool:
    """Whether it takes new batch tasks; taints are for each gang to bear."""
    ready = any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)
    leaving = node.metadata.deletion_timestamp is not None
    return ready and not (node.spec.unschedulable or leaving)
