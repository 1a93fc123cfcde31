"""The least harmful set of running tasks whose end makes room for a gang.

First a quick choice: package after package (a whole gang, or one task of a gang that can spare it)
by harm for the room it makes, then back again dropping what turned out not to be needed. Then, for
as many candidates as can be asked in bounded time, CP-SAT looks for less, starting from that
choice; the choice stands where nothing less harmful was found.

Always holds: the same question has the same answer (one worker, a fixed seed, a limit in
deterministic time), and what is returned makes room and is allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from ortools.sat.python import cp_model

from scheduler.core.fit import LEAST_BYTES, LEAST_CORES, Room, Task, TaskClasses
from scheduler.core.harm import Stakes
from scheduler.core.queues import CORES_TOLERANCE
from slacktide.messages import BoolArray, FloatArray, IntArray

MOST_BUNDLES: Final = 300  # asked of CP-SAT
DETERMINISTIC_S: Final = 0.5
MILLI: Final = 1000
MIB: Final = 2**20
TRACE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Victims:
    """Which tasks go."""

    evicted: IntArray  # [B] tasks of each bundle
    harm_core_s: float
    proven: bool  # nothing less harmful would do


@dataclass(frozen=True, slots=True)
class Need:
    """Tasks of one kind that lack room on N nodes, or quota in Q queues."""

    task: Task
    tasks: int
    room: Room  # what is left when everybody else has been placed
    stakes: Stakes
    owed_cores: FloatArray  # [Q] that a queue and those below it must give up at least

    def room_after(self, evicted: IntArray) -> Room:
        """The room once so many tasks of each bundle [B] have gone."""
        running = self.stakes.running
        cpu = self.room.cpu_cores + self._freed(evicted * running.cpu_cores)
        memory = self.room.memory_bytes + self._freed(evicted * running.memory_bytes)
        return Room(
            np.minimum.accumulate(cpu, axis=0),
            np.minimum.accumulate(memory, axis=0),
            constraints=self.room.constraints,
        )

    def fits(self, evicted: IntArray) -> IntArray:
        """[N] tasks that fit each node once so many of each bundle have gone."""
        after = self.room_after(evicted)
        fitting: IntArray = after.tasks_per_node(TaskClasses.one(self.task))[0]
        return fitting

    def is_met(self, evicted: IntArray) -> bool:
        """Whether the tasks fit then, nodes and queues."""
        fits = int(self.fits(evicted).sum()) >= self.tasks
        return fits and not self.still_owed(evicted).any()

    def still_owed(self, evicted: IntArray) -> FloatArray:
        """[Q] cores that queues must give up beyond what they have."""
        left = self.owed_cores - self.stakes.cores(evicted)
        return np.where(left > CORES_TOLERANCE, left, 0.0)

    def _freed(self, amount: FloatArray) -> FloatArray:
        """[H, N] freed through each horizon that the evicted tasks would have held."""
        shape = self.room.cpu_cores.shape
        cell = self.stakes.level * shape[1] + self.stakes.running.node
        by_level = np.bincount(cell, weights=amount, minlength=shape[0] * shape[1]).reshape(shape)
        return np.cumsum(by_level[::-1], axis=0, dtype=np.float64)[::-1]


def least_harm(need: Need) -> Victims | None:
    """The victims; None where even all that may go would not make room."""
    quick = _quick(need)
    exact = _exact(need, hint=quick)
    if exact is None or (quick is not None and quick.harm_core_s < exact.harm_core_s):
        return quick
    return exact


def _quick(need: Need) -> Victims | None:
    """Package after package by harm for the room made, then back."""
    stakes = need.stakes
    evicted = np.zeros(len(stakes.level), np.int64)
    taken: list[IntArray] = []
    while not need.is_met(evicted):
        package = _best_package(need, evicted)
        if package is None:
            return None
        evicted = evicted + package
        taken.append(package)
    for package in sorted(taken, key=lambda p: -stakes.harm(p)):
        without = evicted - package
        if need.is_met(without) and stakes.allows(without):
            evicted = without
    return Victims(evicted, stakes.harm(evicted), proven=False)


def _best_package(need: Need, evicted: IntArray) -> IntArray | None:
    """[B] tasks to evict next: those with the least harm for the room they make."""
    stakes, running = need.stakes, need.stakes.running
    gain = _gain(need, evicted)  # [B] of one task
    lost = np.bincount(running.gang, weights=evicted, minlength=len(stakes.size))
    left = running.tasks - evicted
    alive = lost < stakes.size
    one = (left > 0) & (lost + 1 <= stakes.slack)[running.gang]
    whole_gain, whole_harm = (
        np.bincount(running.gang, weights=each * left, minlength=len(stakes.size)).astype(float)
        for each in (gain, stakes.harm_core_s)
    )
    in_room = float(need.tasks - int(need.fits(evicted).sum()))
    in_quota = need.still_owed(evicted).max(initial=0.0) / max(need.task.cpu_cores, LEAST_CORES)
    missing = max(in_room, float(in_quota), TRACE)
    offers = [
        *_offers(stakes.harm_core_s, gain, one, missing, whole=False),
        *_offers(whole_harm, whole_gain, stakes.whole & alive, missing, whole=True),
    ]
    for _, index, whole in sorted(offers):
        package = np.zeros_like(evicted)
        if whole:
            package[running.gang == index] = left[running.gang == index]
        else:
            package[index] = 1
        if stakes.allows(evicted + package):
            return package
    return None


def _offers(
    harm: FloatArray, gain: FloatArray, able: BoolArray, missing: float, *, whole: bool
) -> list[tuple[float, int, bool]]:
    """(harm for a task's worth of room, index, whether a gang), for those that make any room."""
    found = np.flatnonzero(able & (gain > 0))
    worth = harm[found] / np.minimum(gain[found], missing)
    return [(float(cost), index, whole) for cost, index in zip(worth, found.tolist(), strict=True)]


def _share(need: Need) -> FloatArray:
    """[2, B] of a claiming task's cores and memory, what the end of one task of a bundle frees."""
    task, running = need.task, need.stakes.running
    where = np.isfinite(need.room.cpu_cores[0])
    if need.room.constraints is not None:
        where = where & need.room.constraints.allowed[task.row]
    # room held for less than the claim lasts is only part of what it needs
    part = (np.minimum(need.stakes.level, task.level) + 1) / (task.level + 1)
    cores = running.cpu_cores / max(task.cpu_cores, LEAST_CORES)
    memory = running.memory_bytes / max(task.memory_bytes, LEAST_BYTES)
    useful = need.stakes.candidate & where[running.node]
    share: FloatArray = np.array([cores, memory]) * part * useful
    return share


def _gain(need: Need, evicted: IntArray) -> FloatArray:
    """[B] room for claiming tasks that the end of one more task of a bundle makes on its node.

    A trace of it where only the resource that does not bind is freed: two such may help together.
    """
    share, node, level = _share(need), need.stakes.running.node, need.task.level
    left = need.room_after(evicted)
    now = np.array(
        [
            left.cpu_cores[level, node] / max(need.task.cpu_cores, LEAST_CORES),
            left.memory_bytes[level, node] / max(need.task.memory_bytes, LEAST_BYTES),
        ]
    )
    now = np.where(np.isfinite(now), now, 0.0)
    made = (now + share).min(axis=0) - now.min(axis=0)
    if int(need.fits(evicted).sum()) >= need.tasks:
        made = np.zeros_like(made)  # it is quota alone that lacks
    gain: FloatArray = np.maximum(made, _quota_gain(need, evicted)) + TRACE * share.max(axis=0)
    return gain


def _quota_gain(need: Need, evicted: IntArray) -> FloatArray:
    """[B] quota for claiming tasks that the end of one task of a bundle gives up."""
    stakes, owed = need.stakes, need.still_owed(evicted) > 0
    owing = np.asarray(stakes.below[owed].any(axis=0), np.bool_)[stakes.running.gang]
    gain: FloatArray = (
        (owing & stakes.candidate)
        * stakes.running.cpu_cores
        / max(need.task.cpu_cores, LEAST_CORES)
    )
    return gain


def _exact(need: Need, *, hint: Victims | None) -> Victims | None:
    """CP-SAT over the candidates that matter; None where it found none in its time."""
    chosen = _asked(need, hint)
    if not len(chosen):
        return None
    model = _Model(need, chosen)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = DETERMINISTIC_S
    if hint is not None:
        for bundle, variable in model.evicted.items():
            model.cp.add_hint(variable, int(hint.evicted[bundle]))
    status = solver.solve(model.cp)
    if status not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        return None
    evicted = np.zeros(len(need.stakes.level), np.int64)
    for bundle, variable in model.evicted.items():
        evicted[bundle] = solver.value(variable)
    if not (need.is_met(evicted) and need.stakes.allows(evicted)):
        return None  # rounded amounts promised what real ones do not hold
    all_asked = len(chosen) == int(_useful(need).sum())
    proven = status == cp_model.OPTIMAL and all_asked
    return Victims(evicted, need.stakes.harm(evicted), proven=proven)


def _useful(need: Need) -> BoolArray:
    """[B] bundles whose end makes any room or quota."""
    nobody = np.zeros(len(need.stakes.level), np.int64)
    useful: BoolArray = _share(need).any(axis=0) | (_quota_gain(need, nobody) > 0)
    return useful


def _asked(need: Need, hint: Victims | None) -> IntArray:
    """Bundles to ask about: the hint's, then those of least harm for the room they make."""
    nobody = np.zeros(len(need.stakes.level), np.int64)
    gain = _gain(need, nobody)
    useful = np.flatnonzero(_useful(need))
    worth = need.stakes.harm_core_s[useful] / np.maximum(gain[useful], TRACE)
    first = nobody if hint is None else (hint.evicted > 0).astype(np.int64)
    order = np.lexsort((useful, worth, -first[useful]))
    return useful[order][:MOST_BUNDLES]


class _Model:
    """The question in whole numbers: milli-cores and MiB, room rounded down and needs up."""

    def __init__(self, need: Need, chosen: IntArray) -> None:
        self.need = need
        self.cp = cp_model.CpModel()
        running = need.stakes.running
        self.evicted = {
            int(bundle): self.cp.new_int_var(0, int(running.tasks[bundle]), f"e{bundle}")
            for bundle in chosen
        }
        self._gangs()
        self._queues()
        self._nodes()
        harm = np.maximum(np.ceil(need.stakes.harm_core_s), 1).astype(np.int64)
        self.cp.minimize(sum(int(harm[b]) * var for b, var in self.evicted.items()))

    def _gangs(self) -> None:
        """Within the slack, or the whole gang; one not asked about in full keeps its least."""
        stakes = self.need.stakes
        for gang in np.unique(stakes.running.gang[list(self.evicted)]).tolist():
            bundles = np.flatnonzero(stakes.running.gang == gang).tolist()
            mine = [self.evicted[bundle] for bundle in bundles if bundle in self.evicted]
            slack, size = int(stakes.slack[gang]), int(stakes.size[gang])
            if stakes.whole[gang] and len(mine) == len(bundles):
                dies = self.cp.new_bool_var(f"w{gang}")
                self.cp.add(sum(mine) <= slack).only_enforce_if(~dies)
                self.cp.add(sum(mine) == size).only_enforce_if(dies)
            else:
                self.cp.add(sum(mine) <= slack)

    def _queues(self) -> None:
        stakes = self.need.stakes
        for queue in np.flatnonzero(np.isfinite(stakes.spare_cores)).tolist():
            mine = [
                (bundle, variable)
                for bundle, variable in self.evicted.items()
                if stakes.below[queue, stakes.running.gang[bundle]]
            ]
            if mine:
                spare = max(0, int(stakes.spare_cores[queue] * MILLI + 0.5))
                cores = stakes.running.cpu_cores
                self.cp.add(sum(round(float(cores[b]) * MILLI) * v for b, v in mine) <= spare)
        for queue in np.flatnonzero(self.need.owed_cores > CORES_TOLERANCE).tolist():
            owed = -_down(-float(self.need.owed_cores[queue]), 1 / MILLI)
            self.cp.add(
                sum(
                    _down(float(stakes.running.cpu_cores[bundle]), 1 / MILLI) * variable
                    for bundle, variable in self.evicted.items()
                    if stakes.below[queue, stakes.running.gang[bundle]]
                )
                >= owed
            )

    def _nodes(self) -> None:
        """Each node takes what fits it at every horizon up to the claim's."""
        need, running = self.need, self.need.stakes.running
        fits = need.fits(np.zeros(len(running.node), np.int64))
        nodes = np.unique(running.node[list(self.evicted)]).tolist()
        elsewhere = int(fits.sum() - fits[nodes].sum())
        most = 1 if self._once() else need.tasks
        placed = [self.cp.new_int_var(0, min(most, need.tasks), f"y{node}") for node in nodes]
        self.cp.add(sum(placed) >= need.tasks - elsewhere)
        for node, tasks in zip(nodes, placed, strict=True):
            mine = [bundle for bundle in self.evicted if running.node[bundle] == node]
            for level in range(need.task.level + 1):
                held = [bundle for bundle in mine if need.stakes.level[bundle] >= level]
                for room, asked, amount, unit in (
                    (need.room.cpu_cores, need.task.cpu_cores, running.cpu_cores, 1 / MILLI),
                    (need.room.memory_bytes, need.task.memory_bytes, running.memory_bytes, MIB),
                ):
                    freed = sum(_down(amount[b], unit) * self.evicted[b] for b in held)
                    left = _down(room[level, node], unit)
                    self.cp.add(-_down(-asked, unit) * tasks <= left + freed)

    def _once(self) -> bool:
        constraints = self.need.room.constraints
        return constraints is not None and bool(constraints.at_most_one[self.need.task.row])


def _down(amount: float, unit: float) -> int:
    """In whole units, a hair of binary noise aside."""
    return math.floor(float(amount) / unit + 1e-6)
