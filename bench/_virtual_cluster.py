"""A batch cluster in virtual time: gangs are submitted, start whole, run, and leave.

Durations are the trace's. What a policy is told of them is a prediction from gangs that have
finished (their queue's 90th percentile, as in the simulator), or, as an upper bound of what better
predictions would bring, the truth.

Always holds: a round sees nothing later than itself, and what starts fits (checked at every start).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from predictor.core.duration import UNKNOWN_S, Durations
from slacktide.messages import BoolArray, FloatArray, IntArray
from slacktide.trace import Jobs

Start = tuple[int, IntArray, IntArray]  # gang, nodes, tasks on each
NOISE_CORES, NOISE_BYTES = 1e-3, 1024.0


@dataclass(frozen=True, slots=True)
class Setting:
    """G gangs over N nodes."""

    jobs: Jobs  # G of them, by submission
    queue: IntArray  # [G] index of the name
    queues: tuple[str, ...]
    cpu_cores: FloatArray  # [N]
    memory_bytes: FloatArray  # [N]
    spacing_s: int  # between two rounds, at least
    true_durations: bool = False


@dataclass(slots=True)
class State:
    """What a policy may look at in a round."""

    setting: Setting
    now_s: int
    waiting: IntArray  # [W] gangs, by submission
    predicted_s: IntArray  # [G] of waiting and running gangs
    free_cpu_cores: FloatArray  # [N]
    free_memory_bytes: FloatArray  # [N]
    row_gang: IntArray  # [R] running bundles: tasks of one gang on one node
    row_node: IntArray  # [R]
    row_count: IntArray  # [R]
    started_s: IntArray  # [G]

    @staticmethod
    def of(setting: Setting) -> State:
        """Nothing was submitted and nothing runs."""
        gangs, none = len(setting.queue), np.zeros(0, np.int64)
        return State(
            setting=setting,
            now_s=0,
            waiting=none,
            predicted_s=np.full(gangs, UNKNOWN_S, np.int64),
            free_cpu_cores=setting.cpu_cores.copy(),
            free_memory_bytes=setting.memory_bytes.copy(),
            row_gang=none,
            row_node=none,
            row_count=none,
            started_s=np.full(gangs, -1, np.int64),
        )


class Policy(Protocol):
    """Says who starts where."""

    def round(self, state: State) -> list[Start]:
        """The gangs that start now."""


@dataclass(slots=True)
class Replay:
    """One policy over one setting."""

    setting: Setting
    policy: Policy
    rounds: int = 0
    state: State = field(init=False)
    done_s: IntArray = field(init=False)
    _ends: list[tuple[int, int]] = field(default_factory=list)
    _durations: Durations = field(default_factory=Durations)
    _submitted: int = 0

    def __post_init__(self) -> None:
        self.done_s = np.full(len(self.setting.queue), -1, np.int64)
        self.state = State.of(self.setting)

    def run(self) -> Replay:
        """To the end of the last gang."""
        while (next_s := self._next_s()) is not None:
            self.state.now_s = next_s
            self._submit()
            self._finish()
            if len(self.state.waiting):
                self._predict()
                self._start(self.policy.round(self.state))
                self.rounds += 1
        return self

    def _next_s(self) -> int | None:
        """The next event, and not before the least spacing is over."""
        submit_s = self.setting.jobs.submit_s
        due = [self._ends[0][0]] if self._ends else []
        if self._submitted < len(submit_s):
            due.append(int(submit_s[self._submitted]))
        if not due:
            return None
        return max(min(due), self.state.now_s + self.setting.spacing_s if self.rounds else 0)

    def _submit(self) -> None:
        upto = int(np.searchsorted(self.setting.jobs.submit_s, self.state.now_s, side="right"))
        new = np.arange(self._submitted, upto)
        self.state.waiting = np.concatenate([self.state.waiting, new])
        self._submitted = upto

    def _finish(self) -> None:
        ended = []
        while self._ends and self._ends[0][0] <= self.state.now_s:
            end_s, gang = heapq.heappop(self._ends)
            self.done_s[gang] = end_s
            self._durations.learn(
                int(self.setting.queue[gang]), float(self.setting.jobs.duration_s[gang])
            )
            ended.append(gang)
        if ended:
            state, gone = self.state, np.isin(self.state.row_gang, ended)
            self._hold(state.row_gang[gone], state.row_node[gone], -state.row_count[gone])
            state.row_gang, state.row_node = state.row_gang[~gone], state.row_node[~gone]
            state.row_count = state.row_count[~gone]

    def _predict(self) -> None:
        """Waiting gangs by their queue's finished ones; a running gang keeps its prediction."""
        waiting = self.state.waiting
        if self.setting.true_durations:
            self.state.predicted_s[waiting] = self.setting.jobs.duration_s[waiting]
            return
        queues = range(len(self.setting.queues))
        by_queue = np.array([self._durations.predict_s(queue) for queue in queues])
        self.state.predicted_s[waiting] = by_queue[self.setting.queue[waiting]]

    def _start(self, starts: list[Start]) -> None:
        if not starts:
            return
        state, jobs = self.state, self.setting.jobs
        for gang, nodes, count in starts:
            if count.sum() != jobs.tasks[gang] or state.started_s[gang] >= 0:
                raise AssertionError(f"gang {gang} started in part, or twice")
            state.started_s[gang] = state.now_s
            heapq.heappush(self._ends, (state.now_s + int(jobs.duration_s[gang]), gang))
            self._hold(np.full(len(nodes), gang), nodes, count)
        state.row_gang = np.concatenate(
            [state.row_gang, *[np.full(len(nodes), gang) for gang, nodes, _ in starts]]
        )
        state.row_node = np.concatenate([state.row_node, *[nodes for _, nodes, _ in starts]])
        state.row_count = np.concatenate([state.row_count, *[count for *_, count in starts]])
        state.waiting = state.waiting[state.started_s[state.waiting] < 0]

    def _hold(self, gangs: IntArray, nodes: IntArray, count: IntArray) -> None:
        jobs, state = self.setting.jobs, self.state
        np.subtract.at(state.free_cpu_cores, nodes, count * jobs.cpu_cores[gangs])
        np.subtract.at(state.free_memory_bytes, nodes, count * jobs.memory_bytes[gangs])
        if (state.free_cpu_cores[nodes] < -NOISE_CORES).any() or (
            state.free_memory_bytes[nodes] < -NOISE_BYTES
        ).any():
            raise AssertionError("more was started on a node than fits it")

    def waits_s(self) -> FloatArray:
        """[G] from submission to start."""
        waits: FloatArray = (self.state.started_s - self.setting.jobs.submit_s).astype(np.float64)
        return waits

    def utilisation(self) -> float:
        """Cores in use over all cores, from the first submission to the last."""
        jobs = self.setting.jobs
        from_s, to_s = int(jobs.submit_s[0]), int(jobs.submit_s[-1])
        ran_s = np.minimum(self.done_s, to_s) - np.minimum(self.state.started_s, to_s)
        used = float((ran_s * jobs.tasks * jobs.cpu_cores).sum())
        return used / (float(self.setting.cpu_cores.sum()) * max(to_s - from_s, 1))

    def makespan_s(self) -> float:
        """From the first submission to the last end."""
        return float(self.done_s.max() - self.setting.jobs.submit_s[0])


def is_large(jobs: Jobs) -> BoolArray:
    """[G] the hundredth of the gangs that ask for most cores."""
    cores = jobs.tasks * jobs.cpu_cores
    large: BoolArray = cores >= np.quantile(cores, 0.99)
    return large
