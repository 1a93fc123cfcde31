"""A second look with CP-SAT at gangs that greedy left out though the room would suffice in sum.

Greedy places gang after gang and never takes one back. So roles of different sizes may block each
other, and an early gang may lie where only a later one could have. The second look takes the gangs
of this round and a bounded number of nodes, and asks for an arrangement in which all that greedy
placed stay placed, with as many tasks, and some that it left out start too.

Always holds: whoever greedy placed is placed, and the sums on every node and the maxima of queues
hold; where nothing better is found in a deterministic time, the plan is greedy's own. Gangs bound
to neighbours or to a reservation are not touched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from ortools.sat.python import cp_model

from scheduler.core.contenders import least_cores
from scheduler.core.explain import Placement
from scheduler.core.fit import Room, task_of
from scheduler.core.plan import Plan
from scheduler.core.queue_order import in_line
from scheduler.core.reserve import outlasting
from slacktide.messages import BoolArray, FloatArray, IntArray

MOST_LOOKED_AT: Final = 200  # gangs, in line order
MOST_STUCK: Final = 3
MOST_MOVED: Final = 20
MOST_NODES: Final = 60
DETERMINISTIC_S: Final = 0.5
MILLI: Final = 1e-3
MIB: Final = 2.0**20


def repack(outcome: Plan) -> Plan:
    """The plan, or a better one that also places gangs that were left out."""
    stuck = _stuck(outcome)
    if not stuck:
        return outcome
    instance = _instance(outcome, stuck)
    found = _Model(outcome, instance).solved()
    return outcome if not found else _with(outcome, instance, found)


@dataclass(frozen=True, slots=True)
class _Instance:
    """What may move, what wants in, and where."""

    stuck: tuple[tuple[int, ...], ...]  # rows of each gang that was left out, first in line first
    moved: tuple[Placement, ...]
    nodes: IntArray  # [K]
    free_cpu_cores: FloatArray  # [K, H] beside those that do not move
    free_memory_bytes: FloatArray  # [K, H]

    @property
    def rows(self) -> tuple[int, ...]:
        """All rows whose tasks are asked about."""
        return (*[p.gang for p in self.moved], *[row for rows in self.stuck for row in rows])


def _stuck(outcome: Plan) -> list[tuple[int, ...]]:
    """Gangs left out that fit the sum of what is left, their rules and their queue."""
    after = outcome.aftermath
    gangs, free = after.snapshot.gangs, _free_to_move(outcome)
    leads = outcome.pending[gangs.leads[outcome.pending] == outcome.pending]
    cores = least_cores(gangs)
    found: list[tuple[int, ...]] = []
    for lead in in_line(gangs, leads)[:MOST_LOOKED_AT].tolist():
        rows = np.flatnonzero(gangs.leads == lead)
        in_quota = cores[lead] <= after.shares.room_cpu_cores(int(gangs.queue[lead]))
        if in_quota and free[rows].all() and _sum_fits(outcome, rows):
            found.append(tuple(rows.tolist()))
        if len(found) == MOST_STUCK:
            break
    return found


def _sum_fits(outcome: Plan, rows: IntArray) -> bool:
    after, gangs = outcome.aftermath, outcome.aftermath.snapshot.gangs
    level = int(after.level[rows].max())
    return all(
        float(np.maximum(left[level], 0.0).sum())
        >= float((amount * gangs.min_available)[rows].sum())
        for left, amount in (
            (after.room.cpu_cores, gangs.cpu_cores),
            (after.room.memory_bytes, gangs.memory_bytes),
        )
    )


def _free_to_move(outcome: Plan) -> BoolArray:
    """[G] rows that neither neighbours nor a reservation bind to where they are."""
    after, gangs = outcome.aftermath, outcome.aftermath.snapshot.gangs
    free = ~gangs.asks_gpus
    if outcome.reservation is not None:
        free &= ~outlasting(gangs, outcome.reservation, now_s=after.now_s)
    if after.near is not None and gangs.kind is not None:
        kinds = after.near.constraints.kinds
        plain = [not (k.adds or k.apart or k.even or k.together or k.pack) for k in kinds]
        free &= np.array(plain, np.bool_)[gangs.kind]
    return free


def _instance(outcome: Plan, stuck: Sequence[tuple[int, ...]]) -> _Instance:
    """The nodes with most room, counting what may move, and the gangs of this round on them."""
    snapshot, free = outcome.aftermath.snapshot, _free_to_move(outcome)
    movable = [p for p in outcome.placements if free[p.gang]]
    held = np.zeros(len(snapshot.nodes.names))
    for placement in movable:
        held[placement.nodes] += placement.count * snapshot.gangs.cpu_cores[placement.gang]
    left = np.maximum(outcome.aftermath.room.cpu_cores[0], 0.0)
    useful = np.zeros(len(left), np.bool_)
    for row in (row for rows in stuck for row in rows):
        useful |= _allowed(outcome, row)
    size = np.where(useful & snapshot.nodes.open & (left > 0), left + held, -1.0)
    nodes = np.sort(np.argsort(-size, kind="stable")[:MOST_NODES])
    nodes = nodes[size[nodes] > 0]
    moved = [p for p in movable if np.isin(p.nodes, nodes).any()][-MOST_MOVED:]
    staying = [p for p in outcome.placements if all(p is not other for other in moved)]
    return _Instance(
        tuple(stuck),
        tuple(moved),
        nodes,
        _beside(outcome, staying, snapshot.nodes.free_cpu_cores, snapshot.gangs.cpu_cores)[nodes],
        _beside(outcome, staying, snapshot.nodes.free_memory_bytes, snapshot.gangs.memory_bytes)[
            nodes
        ],
    )


def _beside(
    outcome: Plan, staying: Sequence[Placement], free: FloatArray, amount: FloatArray
) -> FloatArray:
    """[N, H] what those that stay leave through each horizon."""
    left = free.copy()
    for placement in staying:
        level = int(outcome.aftermath.level[placement.gang])
        taken = placement.count * float(amount[placement.gang])
        left[placement.nodes, : level + 1] -= taken[:, None]
    return left


def _allowed(outcome: Plan, row: int) -> BoolArray:
    """[N] nodes that a row's labels and taints allow."""
    snapshot = outcome.aftermath.snapshot
    constraints, kind = snapshot.nodes.constraints, snapshot.gangs.kind
    if constraints is None or kind is None:
        return np.ones(len(snapshot.nodes.names), np.bool_)
    allowed: BoolArray = constraints.allowed[constraints.row_of[kind[row]]]
    return allowed


class _Model:
    """Tasks of each row on each node, in milli-cores and MiB: room rounded down, needs up."""

    def __init__(self, outcome: Plan, instance: _Instance) -> None:
        self.outcome, self.instance = outcome, instance
        self.cp = cp_model.CpModel()
        gangs = outcome.aftermath.snapshot.gangs
        self.tasks = {
            (row, place): self.cp.new_int_var(0, int(gangs.tasks[row]), f"x{row}.{place}")
            for row in instance.rows
            for place in np.flatnonzero(_allowed(outcome, row)[instance.nodes]).tolist()
        }
        self.starts = [self.cp.new_bool_var(f"z{rows[0]}") for rows in instance.stuck]
        self._rows()
        self._nodes()
        self._queues()
        weights = [2 ** (MOST_STUCK - place) for place in range(len(self.starts))]
        self.cp.maximize(sum(w * z for w, z in zip(weights, self.starts, strict=True)))

    def solved(self) -> dict[tuple[int, int], int]:
        """Tasks by (row, place among the nodes); empty where nobody more starts."""
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        solver.parameters.max_deterministic_time = DETERMINISTIC_S
        status = solver.solve(self.cp)
        if status not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
            return {}
        if not any(solver.value(start) for start in self.starts):
            return {}
        found = {key: solver.value(variable) for key, variable in self.tasks.items()}
        return {key: tasks for key, tasks in found.items() if tasks}

    def _of(self, row: int) -> list[cp_model.IntVar]:
        return [variable for (of, _), variable in self.tasks.items() if of == row]

    def _rows(self) -> None:
        gangs = self.outcome.aftermath.snapshot.gangs
        for placement in self.instance.moved:
            place = dict(zip(placement.nodes.tolist(), placement.count.tolist(), strict=True))
            here = [place.get(node, 0) for node in self.instance.nodes.tolist()]
            self.cp.add(sum(self._of(placement.gang)) == sum(here))
            for (row, at), variable in self.tasks.items():
                if row == placement.gang:
                    self.cp.add_hint(variable, here[at])
        for rows, start in zip(self.instance.stuck, self.starts, strict=True):
            for row in rows:
                self.cp.add(sum(self._of(row)) == int(gangs.min_available[row]) * start)

    def _nodes(self) -> None:
        after, gangs = self.outcome.aftermath, self.outcome.aftermath.snapshot.gangs
        for free, amount, unit in (
            (self.instance.free_cpu_cores, gangs.cpu_cores, MILLI),
            (self.instance.free_memory_bytes, gangs.memory_bytes, MIB),
        ):
            asked = {row: -_down(-float(amount[row]), unit) for row in self.instance.rows}
            for place in range(len(self.instance.nodes)):
                for level in range(free.shape[1]):
                    held = [
                        asked[row] * variable
                        for (row, at), variable in self.tasks.items()
                        if at == place and after.level[row] >= level
                    ]
                    if held:
                        self.cp.add(sum(held) <= max(0, _down(float(free[place, level]), unit)))

    def _queues(self) -> None:
        """Those that start stay within every maximum above them."""
        after, gangs = self.outcome.aftermath, self.outcome.aftermath.snapshot.gangs
        paths, most = after.snapshot.queues.paths, after.snapshot.queues.max_cpu_cores
        for queue in np.flatnonzero(np.isfinite(most)).tolist():
            cores = [
                -_down(-float(gangs.min_available[row] * gangs.cpu_cores[row]), MILLI) * start
                for rows, start in zip(self.instance.stuck, self.starts, strict=True)
                for row in rows
                if queue in paths[gangs.queue[row]]
            ]
            left = float(most[queue]) - after.shares.used_cpu_cores[queue]
            if cores:
                self.cp.add(sum(cores) <= max(0, _down(left, MILLI)))


def _down(amount: float, unit: float) -> int:
    """In whole units, a hair of binary noise aside."""
    return math.floor(amount / unit + 1e-6)


def _with(outcome: Plan, instance: _Instance, found: dict[tuple[int, int], int]) -> Plan:
    """The plan with the gangs of the instance where they were found to fit."""
    after, gangs = outcome.aftermath, outcome.aftermath.snapshot.gangs
    started = [row for rows in instance.stuck for row in rows if any(of == row for of, _ in found)]
    moved = {placement.gang for placement in instance.moved}
    placements = [_moved(p, instance, found) if p.gang in moved else p for p in outcome.placements]
    placements += [_started(outcome, row, instance, found) for row in started]
    shares = after.shares.copy()
    for row in started:
        tasks = int(gangs.min_available[row])
        shares.add(
            int(gangs.queue[row]),
            cpu_cores=tasks * float(gangs.cpu_cores[row]),
            memory_bytes=tasks * float(gangs.memory_bytes[row]),
        )
    return Plan(
        placements=tuple(placements),
        pending=np.setdiff1d(outcome.pending, np.array(started)),
        reservation=outcome.reservation,
        aftermath=replace(after, room=_room(outcome, placements), shares=shares),
    )


def _moved(
    placement: Placement, instance: _Instance, found: dict[tuple[int, int], int]
) -> Placement:
    """Where its tasks are now; those on nodes that were not asked about stay there."""
    asked = np.isin(placement.nodes, instance.nodes)
    here, count = _places(instance, found, placement.gang)
    nodes = np.concatenate([placement.nodes[~asked], here])
    return replace(placement, nodes=nodes, count=np.concatenate([placement.count[~asked], count]))


def _started(
    outcome: Plan, row: int, instance: _Instance, found: dict[tuple[int, int], int]
) -> Placement:
    after, queue = outcome.aftermath, int(outcome.aftermath.snapshot.gangs.queue[row])
    nodes, count = _places(instance, found, row)
    return Placement(
        gang=row,
        nodes=nodes,
        count=count,
        horizon_s=int(after.snapshot.nodes.horizons_s[after.level[row]]),
        room_tasks=after.fits_now(row),
        queue_used_cpu_cores=after.shares.used_cpu_cores[queue],
        note=f"; found by CP-SAT with {len(instance.moved)} other placements of this round, where "
        "placing one gang after another found no room",
    )


def _places(
    instance: _Instance, found: dict[tuple[int, int], int], row: int
) -> tuple[IntArray, IntArray]:
    """Nodes and counts that were found for a row."""
    places = sorted((at, count) for (of, at), count in found.items() if of == row)
    chosen = np.array(places, np.int64).reshape(-1, 2)
    return instance.nodes[chosen[:, 0]], chosen[:, 1]


def _room(outcome: Plan, placements: Sequence[Placement]) -> Room:
    """What is left once all of them are placed."""
    after, nodes = outcome.aftermath, outcome.aftermath.snapshot.nodes
    room = Room.of(nodes, cpu_cores=nodes.free_cpu_cores, memory_bytes=nodes.free_memory_bytes)
    room = replace(room, gpus=None)  # nobody who asks for any is moved or started here
    for placement in placements:
        level = int(after.level[placement.gang])
        task = task_of(
            after.snapshot.gangs, placement.gang, level=level, constraints=nodes.constraints
        )
        room.take(placement.nodes, placement.count, task)
    return replace(room, reserved=after.room.reserved, gpus=after.room.gpus)
