"""Who starts next: the planner under test, and what it is held against.

    fifo       first-fit gang FIFO: in order of submission, whole or wait, nobody overtakes
    skip       the same, but whoever fits starts, in order of submission
    easy       FIFO; behind a head that does not fit, gangs that do not delay its predicted start
    planner    `scheduler.core.plan.plan`, round after round

All place tasks on as many nodes as they need; the first three take nodes in order (first fit).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bench._virtual_cluster import NOISE_BYTES, NOISE_CORES, Start, State
from scheduler.core.plan import PlanSettings, plan
from scheduler.core.queues import TOP, QueueTree, QueueUse
from scheduler.core.reserve import Reservation
from scheduler.core.snapshot import (
    GangColumns,
    NodeColumns,
    RunningColumns,
    Snapshot,
    held_through,
)
from slacktide.messages import FloatArray, IntArray

HORIZONS_S = np.array([3600, 6 * 3600, 24 * 3600])


@dataclass(frozen=True, slots=True)
class Left:
    """Room on every node [N], taken from in place."""

    cpu_cores: FloatArray
    memory_bytes: FloatArray

    @staticmethod
    def of(cpu_cores: FloatArray, memory_bytes: FloatArray) -> Left:
        """A hair more than there is, for binary noise."""
        return Left(cpu_cores + NOISE_CORES / 2, memory_bytes + NOISE_BYTES / 2)

    def fits(self, state: State, gang: int) -> IntArray:
        """[N] how many of its tasks fit on each node."""
        jobs = state.setting.jobs
        by_cpu = self.cpu_cores // jobs.cpu_cores[gang]
        by_memory = self.memory_bytes // max(float(jobs.memory_bytes[gang]), 1.0)
        fits: IntArray = np.maximum(np.minimum(by_cpu, by_memory), 0).astype(np.int64)
        return fits

    def take(self, state: State, start: Start) -> None:
        """What a gang takes."""
        gang, nodes, count = start
        self.cpu_cores[nodes] -= count * state.setting.jobs.cpu_cores[gang]
        self.memory_bytes[nodes] -= count * state.setting.jobs.memory_bytes[gang]


def first_fit(gang: int, tasks: int, fits: IntArray) -> Start | None:
    """The first nodes that take all its tasks."""
    filled = np.cumsum(fits)
    if filled[-1] < tasks:
        return None
    last = int(np.searchsorted(filled, tasks))
    count = fits[: last + 1].copy()
    count[-1] -= filled[last] - tasks
    nodes = np.flatnonzero(count)
    return gang, nodes, count[nodes]


def may_fit(state: State, left: Left, gangs: IntArray) -> Iterator[int]:
    """One after another, but for those that the room there is by then cannot take in sum."""
    jobs = state.setting.jobs
    cores = (jobs.tasks * jobs.cpu_cores)[gangs]
    size = (jobs.tasks * jobs.memory_bytes)[gangs]
    at = 0
    while at < len(gangs):
        free_cores = float(left.cpu_cores.clip(0).sum())
        free_bytes = float(left.memory_bytes.clip(0).sum())
        fits = (cores[at:] <= free_cores) & (size[at:] <= free_bytes)
        if not fits.any():
            return
        at += int(fits.argmax()) + 1
        yield int(gangs[at - 1])


class Fifo:
    """Nobody overtakes."""

    def round(self, state: State) -> list[Start]:
        """From the head until one does not fit."""
        left = Left.of(state.free_cpu_cores, state.free_memory_bytes)
        return list(_until_stuck(state, left))


def _until_stuck(state: State, left: Left) -> Iterator[Start]:
    for gang in state.waiting.tolist():
        start = first_fit(gang, int(state.setting.jobs.tasks[gang]), left.fits(state, gang))
        if start is None:
            return
        left.take(state, start)
        yield start


class Skip:
    """Whoever fits starts."""

    def round(self, state: State) -> list[Start]:
        """In order of submission."""
        left = Left.of(state.free_cpu_cores, state.free_memory_bytes)
        starts = []
        for gang in may_fit(state, left, state.waiting):
            start = first_fit(gang, int(state.setting.jobs.tasks[gang]), left.fits(state, gang))
            if start is not None:
                left.take(state, start)
                starts.append(start)
        return starts


class Easy:
    """EASY backfilling (Lifka, JSSPP 1995): one reservation, for the head."""

    def round(self, state: State) -> list[Start]:
        """From the head; then those that do not delay it."""
        left = Left.of(state.free_cpu_cores, state.free_memory_bytes)
        starts = list(_until_stuck(state, left))
        others = state.waiting[len(starts) :]
        if len(others) < 2:
            return starts
        shadow_s, beside = self._shadow(state, left, int(others[0]), starts)
        for gang in may_fit(state, left, others[1:]):
            outlasts = state.now_s + state.predicted_s[gang] > shadow_s
            fits = left.fits(state, gang)
            if outlasts:
                fits = np.minimum(fits, beside.fits(state, gang))
            start = first_fit(gang, int(state.setting.jobs.tasks[gang]), fits)
            if start is not None:
                left.take(state, start)
                if outlasts:
                    beside.take(state, start)
                starts.append(start)
        return starts

    def _shadow(
        self, state: State, left: Left, head: int, starts: list[Start]
    ) -> tuple[float, Left]:
        """When the head is predicted to fit, and the room beside it then."""
        gang = np.concatenate([state.row_gang, *[np.full(len(n), g) for g, n, _ in starts]])
        node = np.concatenate([state.row_node, *[n for _, n, _ in starts]])
        count = np.concatenate([state.row_count, *[c for *_, c in starts]])
        begun_s = np.where(state.started_s[gang] < 0, state.now_s, state.started_s[gang])
        end_s = np.maximum(begun_s + state.predicted_s[gang], state.now_s + 1)
        tasks = int(state.setting.jobs.tasks[head])
        at = left
        times = np.unique(end_s)
        low, high = 0, len(times) - 1
        while low <= high:
            middle = (low + high) // 2
            room = self._room(state, left, gang, node, count * (end_s <= times[middle]))
            if room.fits(state, head).sum() >= tasks or middle == len(times) - 1:
                at, high = room, middle - 1
            else:
                low = middle + 1
        start = first_fit(head, tasks, at.fits(state, head))
        if start is not None:
            at.take(state, start)
        return float(times[min(low, len(times) - 1)]), at

    def _room(
        self, state: State, left: Left, gang: IntArray, node: IntArray, count: IntArray
    ) -> Left:
        nodes, jobs = len(left.cpu_cores), state.setting.jobs
        return Left(
            left.cpu_cores + np.bincount(node, count * jobs.cpu_cores[gang], nodes),
            left.memory_bytes + np.bincount(node, count * jobs.memory_bytes[gang], nodes),
        )


@dataclass(slots=True)
class Planner:
    """The planner as the process calls it, and what it keeps from round to round."""

    settings: PlanSettings = field(default_factory=PlanSettings)
    _kept: Reservation | None = None

    def round(self, state: State) -> list[Start]:
        """One plan."""
        snapshot = snapshot_of(state)
        made = plan(snapshot, now_s=state.now_s, settings=self.settings, kept=self._kept)
        self._kept = made.reservation
        return [
            (int(state.waiting[placement.gang]), placement.nodes, placement.count)
            for placement in made.placements
        ]


def snapshot_of(state: State) -> Snapshot:
    """What the planner knows: nodes, what runs, who waits; queues of equal weight, no maxima."""
    jobs, waiting = state.setting.jobs, state.waiting
    held_cores = state.row_count * jobs.cpu_cores[state.row_gang]
    held_bytes = state.row_count * jobs.memory_bytes[state.row_gang]
    queue = state.setting.queue[state.row_gang]
    running = RunningColumns(
        node=state.row_node,
        cpu_cores=held_cores,
        memory_bytes=held_bytes,
        end_s=state.started_s[state.row_gang] + state.predicted_s[state.row_gang],
        queue=queue,
    )
    queues = len(state.setting.queues)
    return Snapshot(
        nodes=_nodes(state, running),
        running=running,
        gangs=GangColumns(
            ids=tuple([jobs.job[gang] for gang in waiting.tolist()]),
            queue=state.setting.queue[waiting],
            tasks=jobs.tasks[waiting],
            min_available=jobs.tasks[waiting],
            cpu_cores=jobs.cpu_cores[waiting],
            memory_bytes=jobs.memory_bytes[waiting],
            duration_s=state.predicted_s[waiting],
            submit_s=jobs.submit_s[waiting],
            priority=np.zeros(len(waiting), np.int64),
        ),
        queues=_tree(state.setting.queues),
        used=QueueUse(
            np.bincount(queue, held_cores, queues).astype(np.float64),
            np.bincount(queue, held_bytes, queues).astype(np.float64),
        ),
    )


def _nodes(state: State, running: RunningColumns) -> NodeColumns:
    setting, nodes = state.setting, len(state.free_cpu_cores)
    cpu, memory = held_through(running, horizons_s=HORIZONS_S, nodes=nodes, now_s=state.now_s)
    return NodeColumns(
        names=tuple([f"node-{node}" for node in range(nodes)]),
        horizons_s=HORIZONS_S,
        free_cpu_cores=setting.cpu_cores[:, None] - cpu,
        free_memory_bytes=setting.memory_bytes[:, None] - memory,
        cpu_cores=setting.cpu_cores,
        memory_bytes=setting.memory_bytes,
        open=np.ones(nodes, np.bool_),
    )


def _tree(queues: tuple[str, ...]) -> QueueTree:
    many = len(queues)
    return QueueTree(
        names=queues,
        parent=np.full(many, TOP),
        guaranteed_cpu_cores=np.zeros(many),
        max_cpu_cores=np.full(many, np.inf),
        weight=np.ones(many),
    )
