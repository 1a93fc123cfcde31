"""Seats for a gang: all its roles at once, in one domain where it asks for that, or none.

Most gangs are one role that nothing binds but room, and take the cheapest nodes. The others are
tried and undone: each role gets its least, in order, and only when all have it do they grow.

Always holds: the room, the counters and the lists of contenders are as before where nothing is
found, and hold the gang where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from scheduler.core.arrange import Candidates, Places, Role, Wanted, arrange, domains_by_fit
from scheduler.core.contenders import Contenders
from scheduler.core.fit import LEAST_CORES, Task
from scheduler.core.kinds import Kind
from scheduler.core.nearby import Nearby
from scheduler.core.snapshot import GangColumns
from slacktide.messages import BoolArray, FloatArray, IntArray


@dataclass(slots=True)
class Seats:
    """What is asked and changed while gangs are seated in one round."""

    gangs: GangColumns
    contenders: Contenders
    near: Nearby | None  # None where nobody asks for more than room
    task: Callable[[int], Task]
    cost: Callable[[int, IntArray], FloatArray]  # of one more task of a row on each node
    outlasts: BoolArray  # [G] would still run at a reserved start
    _added: list[tuple[Kind, IntArray, IntArray]] = field(default_factory=list)

    def seat(self, rows: Sequence[int], *, quota_cores: float) -> dict[int, Places]:
        """Nodes and tasks for each row of a gang, taken; empty where it does not fit whole.

        `quota_cores` must cover the least the gang needs.
        """
        if len(rows) == 1 and self._is_free(rows[0]):
            return self._seat_free(rows[0], self._wanted(rows[0], quota_cores))
        for inside in self._packings(rows):
            self.contenders.mark()
            self._added = []
            found = self._seat_all(rows, inside, quota_cores)
            if found:
                self.contenders.keep()
                return found
            self._undo()
        return {}

    def _is_free(self, row: int) -> bool:
        if self.near is None:
            return True
        return not self.near.constraints.wide[self.near.kind_index(self.gangs, row)]

    def _seat_free(self, row: int, wanted: Wanted) -> dict[int, Places]:
        places = self.contenders.places(
            row,
            lambda nodes: self._open(row, nodes),
            lambda nodes: self.cost(row, nodes),
            tasks=wanted.tasks,
            min_available=wanted.min_available,
        )
        return self._taken(row, places)

    def _seat_all(
        self, rows: Sequence[int], inside: IntArray | None, quota_cores: float
    ) -> dict[int, Places]:
        found: dict[int, Places] = {}
        for row in rows:
            least = int(self.gangs.min_available[row])
            wanted = self._wanted(row, quota_cores) if len(rows) == 1 else Wanted(least, least)
            taken = self._seat_role(row, wanted, inside)
            if not taken:
                return {}
            found |= taken
            quota_cores -= int(taken[row][1].sum()) * float(self.gangs.cpu_cores[row])
        if len(rows) > 1:
            self._grow(rows, found, inside, quota_cores)
        return found

    def _seat_role(self, row: int, wanted: Wanted, inside: IntArray | None) -> dict[int, Places]:
        if inside is None and self._is_free(row):
            return self._seat_free(row, wanted)
        kind = Kind() if self.near is None else self.near.kind(self.gangs, row)
        candidates = self._candidates(row, inside)
        places = arrange(self.near, kind, candidates, lambda able: self.cost(row, able), wanted)
        return self._taken(row, places)

    def _grow(
        self,
        rows: Sequence[int],
        found: dict[int, Places],
        inside: IntArray | None,
        quota_cores: float,
    ) -> None:
        """More tasks for elastic roles, as room and quota allow."""
        for row in rows:
            more = int(self.gangs.tasks[row] - self.gangs.min_available[row])
            cores = max(float(self.gangs.cpu_cores[row]), LEAST_CORES)
            more = int(min(more, max(quota_cores, 0.0) / cores))
            if more > 0:
                grown = self._seat_role(row, Wanted(more, 1), inside)
                if grown:
                    found[row] = _both(found[row], grown[row])
                    quota_cores -= int(grown[row][1].sum()) * cores

    def _packings(self, rows: Sequence[int]) -> Iterator[IntArray | None]:
        """Nodes of domains that may take the whole gang; None for everywhere."""
        pack = None if self.near is None else self.near.kind(self.gangs, rows[0]).pack
        if self.near is None or pack is None:
            yield None
            return
        domains = self.near.constraints.table.domains(pack.topology_key)
        roles = [
            Role(
                self._candidates(row, None),
                Wanted(int(self.gangs.tasks[row]), int(self.gangs.min_available[row])),
                float(self.gangs.cpu_cores[row]),
            )
            for row in rows
        ]
        for domain in domains_by_fit(domains, roles):
            yield np.flatnonzero(domains.of == domain)
        if not pack.required:
            yield None

    def _candidates(self, row: int, inside: IntArray | None) -> Candidates:
        fits = self.contenders.fitting(row, inside)
        able = np.flatnonzero(fits)
        return Candidates(able if inside is None else inside[able], fits[able])

    def _open(self, row: int, nodes: IntArray) -> BoolArray:
        if self.near is None:
            return np.ones(len(nodes), np.bool_)
        return self.near.open_to(self.near.kind(self.gangs, row), nodes)

    def _wanted(self, row: int, quota_cores: float) -> Wanted:
        least = int(self.gangs.min_available[row])
        in_quota = quota_cores / max(float(self.gangs.cpu_cores[row]), LEAST_CORES)
        return Wanted(max(least, int(min(self.gangs.tasks[row], in_quota))), least)

    def _taken(self, row: int, places: Places) -> dict[int, Places]:
        nodes, count = places
        if not len(nodes):
            return {}
        self.contenders.take(nodes, count, self.task(row), outlasts=bool(self.outlasts[row]))
        if self.near is not None:
            kind = self.near.kind(self.gangs, row)
            self.near.add(kind, nodes, count)
            self._added.append((kind, nodes, count))
        return {row: places}

    def _undo(self) -> None:
        self.contenders.go_back()
        for kind, nodes, count in self._added:
            if self.near is not None:
                self.near.add(kind, nodes, -count)


def _both(one: Places, other: Places) -> Places:
    """Two helpings for one role, as one."""
    nodes, place = np.unique(np.concatenate([one[0], other[0]]), return_inverse=True)
    count = np.bincount(place, weights=np.concatenate([one[1], other[1]])).astype(np.int64)
    return nodes, count
