"""How far a plan is from the best arrangement of a small instance, which CP-SAT proves.

An instance is what a replay had at one moment: its nodes, or some of them, emptied, and the gangs
that ran or waited, in more than the nodes take. A round is to start whole gangs in the order of
turns (queues by share, then age). Two optima:

    in turn   each gang in turn starts if any arrangement of it and of all before it exists; the
              best that a planner can do that lets nobody overtake who could start
    any       the most cores any set of whole gangs can start on, whoever's turn it is: a bound
              that no fair planner is held to
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from ortools.sat.python import cp_model

from bench._gang_policies import Planner, snapshot_of
from bench._virtual_cluster import Setting, Start, State
from scheduler.core.fit import Room
from scheduler.core.plan import PlanSettings, plan
from scheduler.core.queue_order import FairShares, in_line
from scheduler.core.repack import repack
from scheduler.core.snapshot import Snapshot
from slacktide.messages import IntArray

MILLI, MIB = 1e-3, 2.0**20
DETERMINISTIC_S = 2.0  # of one question to CP-SAT
OFFERED = 1.5  # cores asked for over cores there are
NEVER_S = 10**9  # nobody waits long enough for a reservation: it would change the question

Shape = tuple[int, int]  # milli-cores and MiB of one task


@dataclass(frozen=True, slots=True)
class Gaps:
    """Of one instance: cores each optimum starts on beyond the plan's, as a share of its own."""

    in_turn: float
    any: float | None  # None where it was not proven


@dataclass(slots=True)
class Watched:
    """A planner whose contested rounds are remembered: those that left somebody waiting."""

    planner: Planner
    moments: list[tuple[int, IntArray, IntArray]]  # now_s, gangs in the system, their predictions

    def round(self, state: State) -> list[Start]:
        """The planner's."""
        starts = self.planner.round(state)
        if len(starts) < len(state.waiting):
            there = np.union1d(np.unique(state.row_gang), state.waiting)
            self.moments.append((state.now_s, there, state.predicted_s[there]))
        return starts


def instances(
    setting: Setting, watched: Watched, *, many: int, nodes: int, seed: int
) -> Iterator[tuple[Snapshot, int]]:
    """Moments of a replay, drawn by the seed, each on some of its nodes."""
    random = np.random.default_rng(seed)
    for moment in random.permutation(len(watched.moments)).tolist():
        now_s, there, predicted_s = watched.moments[moment]
        chosen = np.sort(random.permutation(len(setting.cpu_cores))[:nodes])
        state = _emptied(setting, chosen, now_s, there, predicted_s)
        able = _that_fit(state, there)
        drawn = random.permutation(able)
        asked = np.cumsum((setting.jobs.tasks * setting.jobs.cpu_cores)[drawn])
        enough = OFFERED * float(state.free_cpu_cores.sum())
        if not len(drawn) or asked[-1] < enough:
            continue
        state.waiting = np.sort(drawn[: int(np.searchsorted(asked, enough)) + 1])
        yield snapshot_of(state), now_s
        many -= 1
        if not many:
            return


def _emptied(
    setting: Setting, nodes: IntArray, now_s: int, there: IntArray, predicted_s: IntArray
) -> State:
    part = replace(
        setting, cpu_cores=setting.cpu_cores[nodes], memory_bytes=setting.memory_bytes[nodes]
    )
    state = State.of(part)
    state.now_s = now_s
    state.predicted_s[there] = predicted_s
    return state


def _that_fit(state: State, gangs: IntArray) -> IntArray:
    jobs = state.setting.jobs
    fits = [
        np.minimum(
            state.free_cpu_cores // jobs.cpu_cores[gang],
            state.free_memory_bytes // max(float(jobs.memory_bytes[gang]), 1.0),
        ).sum()
        >= jobs.tasks[gang]
        for gang in gangs.tolist()
    ]
    return gangs[np.array(fits, np.bool_)]


def gaps(snapshot: Snapshot, *, now_s: int, bound: bool) -> Gaps:
    """How far the planner's round, its second look included, stays behind."""
    gangs = snapshot.gangs
    made = repack(plan(snapshot, now_s=now_s, settings=PlanSettings(reserve_after_s=NEVER_S)))
    ours = sum(p.tasks * float(gangs.cpu_cores[p.gang]) for p in made.placements)
    question = Question(snapshot)
    started = question.in_turn()
    best = float((gangs.tasks * gangs.cpu_cores)[started].sum())
    most = question.most_cores() if bound else None
    return Gaps(1 - ours / best, None if most is None else 1 - ours / most)


class Question:
    """What CP-SAT is asked of one snapshot, whose nodes have one horizon's room."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Of gangs of one role without rules."""
        nodes, gangs = snapshot.nodes, snapshot.gangs
        room = Room.of(nodes, cpu_cores=nodes.free_cpu_cores, memory_bytes=nodes.free_memory_bytes)
        self.snapshot = snapshot
        self.free_cores = np.floor(room.cpu_cores[0].clip(0) / MILLI).astype(np.int64)
        self.free_mib = np.floor(room.memory_bytes[0].clip(0) / MIB).astype(np.int64)
        self.shape: list[Shape] = [
            (max(1, math.ceil(cores / MILLI - 1e-6)), max(1, math.ceil(size / MIB - 1e-6)))
            for cores, size in zip(
                gangs.cpu_cores.tolist(), gangs.memory_bytes.tolist(), strict=True
            )
        ]

    def in_turn(self) -> list[int]:
        """The gangs that start in the best arrangement in the order of turns."""
        snapshot, gangs = self.snapshot, self.snapshot.gangs
        shares = FairShares(
            snapshot.queues,
            snapshot.used,
            cpu_cores=float(self.free_cores.sum() * MILLI),
            memory_bytes=float(self.free_mib.sum() * MIB),
        )
        line = in_line(gangs, np.arange(len(gangs.ids)))
        lines = {q: line[gangs.queue[line] == q].tolist() for q in set(gangs.queue.tolist())}
        started: list[int] = []
        while lines:
            queue = min(lines, key=shares.turn)
            gang = lines[queue].pop(0)
            if not lines[queue]:
                del lines[queue]
            if self.fit([*started, gang]):
                started.append(gang)
                tasks = int(gangs.tasks[gang])
                shares.add(
                    queue,
                    cpu_cores=tasks * float(gangs.cpu_cores[gang]),
                    memory_bytes=tasks * float(gangs.memory_bytes[gang]),
                )
        return started

    def fit(self, gangs: list[int]) -> bool:
        """Whether CP-SAT finds an arrangement of all of them, in a deterministic time."""
        tasks: Counter[Shape] = Counter()
        for gang in gangs:
            tasks[self.shape[gang]] += int(self.snapshot.gangs.tasks[gang])
        for resource, free in enumerate((self.free_cores, self.free_mib)):
            if sum(shape[resource] * many for shape, many in tasks.items()) > free.sum():
                return False
        model = cp_model.CpModel()
        self._on_nodes(model, lambda shape: tasks[shape], tasks)
        return _solved(model) is not None

    def most_cores(self) -> float | None:
        """The most cores any set of gangs can start on; None where that was not proven."""
        gangs, model = self.snapshot.gangs, cp_model.CpModel()
        starts = [model.new_bool_var("") for _ in self.shape]
        members: dict[Shape, list[int]] = {}
        for gang, shape in enumerate(self.shape):
            members.setdefault(shape, []).append(gang)
        self._on_nodes(
            model,
            lambda shape: sum(int(gangs.tasks[gang]) * starts[gang] for gang in members[shape]),
            members,
        )
        model.maximize(
            sum(
                self.shape[gang][0] * int(gangs.tasks[gang]) * start
                for gang, start in enumerate(starts)
            )
        )
        solver = _solved(model)
        if solver is None or solver.best_objective_bound > solver.objective_value + 0.5:
            return None
        return solver.objective_value * MILLI

    def _on_nodes(
        self,
        model: cp_model.CpModel,
        tasks: Callable[[Shape], cp_model.LinearExprT],
        shapes: Iterable[Shape],
    ) -> None:
        """So many tasks of each shape on nodes that take them, whosever they are."""
        on: dict[Shape, list[cp_model.IntVar]] = {}
        for shape in shapes:
            most = np.minimum(self.free_cores // shape[0], self.free_mib // shape[1])
            on[shape] = [model.new_int_var(0, many, "") for many in most.tolist()]
            model.add(sum(on[shape]) == tasks(shape))
        for resource, free in enumerate((self.free_cores, self.free_mib)):
            for node, room in enumerate(free.tolist()):
                model.add(sum(shape[resource] * x[node] for shape, x in on.items()) <= room)


def _solved(model: cp_model.CpModel) -> cp_model.CpSolver | None:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = DETERMINISTIC_S
    found = solver.solve(model) in {cp_model.OPTIMAL, cp_model.FEASIBLE}
    return solver if found else None
