"""NodeForecasts as columns that events keep, and which horizons the planner goes by.

The horizons are those that most forecasts have; a forecast with others is read at the shortest of
its own that reaches as far, and sells nothing where none does. So one node with odd horizons cannot
take everybody's long ones away. A forecast that cannot be read, or is not plausible, counts as
missing, which closes its node while anybody has a forecast.

Always holds: amounts are finite and at least 0; an event costs what it changes, except one that
changes which horizons most have.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import structlog

from scheduler.core.node_table import NodeTable
from scheduler.core.snapshot import NodeColumns
from scheduler.core.supply_age import Rung, Supply, rungs
from slacktide.errors import BadInput
from slacktide.kube.forecasts import Amounts, NodeForecast, status_of
from slacktide.messages import FloatArray, IntArray
from slacktide.quantity import parse_bytes, parse_cpu_cores

MOST_HORIZONS: Final = 16  # as the definition allows
LONGEST_S: Final = 400 * 86_400
MOST_CORES: Final = 1e6  # of a node: nobody builds larger ones
MOST_BYTES: Final = 1 << 50
FIRST_ROWS: Final = 64
NONE: Final = 0  # the row that stands for no forecast

log = structlog.get_logger()


class Read(NamedTuple):
    """One forecast that can be read."""

    made_s: float
    horizons_s: tuple[int, ...]
    cpu_cores: FloatArray  # [own horizons]
    memory_bytes: FloatArray


class KeptForecasts:
    """By the name of their node, whether that is known or not."""

    def __init__(self) -> None:
        self._read: dict[str, Read | None] = {}  # None: it is there and cannot be read
        self.problems: dict[str, str] = {}  # of those that cannot be read
        self._sets: Counter[tuple[int, ...]] = Counter()
        self._horizons_s: tuple[int, ...] = ()
        self._row_of: dict[str, int] = {}
        self._free_rows: list[int] = []
        self._reserve(FIRST_ROWS)
        self._rows: IntArray | None = None  # of the nodes of `_table`
        self._table: NodeTable | None = None

    def __len__(self) -> int:
        """How many there are, readable or not; with none of them allocatable is what is sold."""
        return len(self._read)

    @property
    def longest_s(self) -> int | None:
        """The longest that is forecast; None where nobody forecasts."""
        return self._horizons_s[-1] if self._horizons_s else None

    def take(self, name: str, forecast: NodeForecast | None) -> None:
        """Takes a node's forecast as it is now; None where there is none any more."""
        before = self._read.pop(name, None)
        if before is not None:
            self._sets = self._sets - Counter([before.horizons_s])  # without those nobody has
        if forecast is None:
            self._forget(name)
        else:
            self._read[name] = found = self._understood(name, forecast)
            if found is not None:
                self._sets[found.horizons_s] += 1
        most = min(self._sets, key=lambda one: (-self._sets[one], one), default=())
        if most != self._horizons_s:
            self._anew(most)
        elif forecast is not None:
            self._put(name)

    def by_rung(self, *, now_s: float) -> dict[str, int]:
        """How many forecasts stand on each rung of the ladder."""
        rows = np.fromiter(self._row_of.values(), np.int64, len(self._row_of))
        many = np.bincount(rungs(self._made_s[rows], now_s=now_s), minlength=len(Rung))
        return {rung.name.lower(): int(many[rung]) for rung in Rung}

    def supply(self, nodes: NodeColumns, table: NodeTable, *, now_s: float) -> Supply | None:
        """What those nodes are forecast to leave free; None where nobody forecasts.

        `nodes` is what they sell by allocatable, in the order of `table`.
        """
        if not self._read:
            return None
        rows = self._rows_of(table)
        made_s = self._made_s[rows]
        fresh = rungs(made_s, now_s=now_s) == Rung.FRESH
        self._calm[:, rows[fresh]] = nodes.cpu_cores[fresh], nodes.memory_bytes[fresh]
        return Supply(
            horizons_s=np.array(self._horizons_s or (LONGEST_S,), np.int64),
            cpu_cores=self._amounts[0][rows],
            memory_bytes=self._amounts[1][rows],
            made_s=made_s,
            calm_cpu_cores=self._calm[0][rows],
            calm_memory_bytes=self._calm[1][rows],
        )

    def _understood(self, name: str, forecast: NodeForecast) -> Read | None:
        try:
            found = read(forecast)
        except BadInput as bad:
            why = str(bad)[:200]
            if self.problems.get(name) != why:
                log.warning("forecast left alone: its node takes nothing new", node=name, why=why)
            self.problems[name] = why
            return None
        self.problems.pop(name, None)
        return found

    def _put(self, name: str) -> None:
        if name not in self._row_of:
            self._row_of[name] = self._free_rows.pop() if self._free_rows else self._next_row()
            self._calm[:, self._row_of[name]] = np.inf
            self._table = None
        row, found = self._row_of[name], self._read[name]
        self._made_s[row] = found.made_s if found is not None else np.nan
        self._amounts[:, row] = 0.0 if found is None else _at(found, self._horizons_s)

    def _forget(self, name: str) -> None:
        self.problems.pop(name, None)
        row = self._row_of.pop(name, None)
        if row is not None:
            self._made_s[row], self._table = np.nan, None
            self._free_rows.append(row)

    def _anew(self, horizons_s: tuple[int, ...]) -> None:
        """Most have other horizons now: everything is read at those."""
        self._horizons_s = horizons_s
        self._amounts = np.zeros((2, len(self._made_s), max(len(horizons_s), 1)))
        for name in self._read:
            self._put(name)

    def _next_row(self) -> int:
        row = len(self._row_of) + 1
        if row == len(self._made_s):
            made_s, amounts, calm = self._made_s, self._amounts, self._calm
            self._reserve(2 * row)
            self._made_s[:row], self._amounts[:, :row], self._calm[:, :row] = made_s, amounts, calm
        return row

    def _reserve(self, rows: int) -> None:
        self._made_s = np.full(rows, np.nan)
        self._amounts = np.zeros((2, rows, max(len(self._horizons_s), 1)))
        self._calm = np.full((2, rows), np.inf)

    def _rows_of(self, table: NodeTable) -> IntArray:
        if self._rows is None or self._table is not table:
            self._rows = np.array([self._row_of.get(name, NONE) for name in table.names], np.int64)
            self._table = table
        return self._rows


def read(forecast: NodeForecast) -> Read:
    """A forecast as numbers. Raises `BadInput` for one that cannot be, or is not plausible."""
    status = status_of(forecast)
    if status is None:
        raise BadInput("nothing was forecast yet")
    horizons_s = tuple(one.seconds for one in status.horizons)
    ends_s = (0, *horizons_s, LONGEST_S + 1)
    ascending = all(a < b for a, b in pairwise(ends_s))
    if not 1 <= len(horizons_s) <= MOST_HORIZONS or not ascending:
        raise BadInput(f"horizons {horizons_s[:4]} do not ascend, or are none, or too many")
    amounts = [_amounts(one.reclaimable) for one in status.horizons]
    return Read(
        _made_s(status.made_at),
        horizons_s,
        np.array([cores for cores, _ in amounts]),
        np.array([size for _, size in amounts], np.float64),
    )


def _made_s(text: str) -> float:
    try:
        made = datetime.fromisoformat(text)
    except ValueError as why:
        raise BadInput(f"made at {text[:40]!r}, which is no time") from why
    if made.tzinfo is None:
        raise BadInput(f"made at {text[:40]!r}, of no time zone")
    return made.timestamp()


def _amounts(of: Amounts) -> tuple[float, int]:
    """Cores and bytes; 0 where one is not known, so that it is sold to nobody."""
    cores = 0.0 if of.cpu is None else parse_cpu_cores(of.cpu)
    size = 0 if of.memory is None else parse_bytes(of.memory)
    if cores > MOST_CORES or size > MOST_BYTES:
        raise BadInput(f"{of.cpu} cores and {of.memory} of memory are more than a node has")
    return cores, size


def _at(found: Read, horizons_s: tuple[int, ...]) -> FloatArray:
    """[2, H] its cores and bytes at other horizons: those of the shortest that reaches as far."""
    if found.horizons_s == horizons_s:
        return np.stack([found.cpu_cores, found.memory_bytes])
    own = np.searchsorted(found.horizons_s, horizons_s)
    known = np.stack([np.append(found.cpu_cores, 0.0), np.append(found.memory_bytes, 0.0)])
    return known[:, own]
