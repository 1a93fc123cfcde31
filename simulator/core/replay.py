"""The ring on virtual time: forecast, admit, federate, place, contend, and what came of it.

`Replay` owns the state of one run under one policy and yields one frame a step. Everything that
decides is a room's real core; only time, usage and job arrivals come from traces. A step at time t
knows samples stamped t or earlier; the interval it then lives through is the next sample's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from predictor.core.duration import Durations
from predictor.core.history import History, history_of
from predictor.core.supply import SupplySettings
from qos_controller.core.settings import Settings as QosSettings
from qos_controller.core.signals import OfflineTask
from scheduler.core.plan import PlanSettings
from simulator.core.backtest import oracle_peaks
from simulator.core.control import Control, KoordinatorSuppress, RealCore
from simulator.core.demand import Demand, demand_of
from simulator.core.door import admit
from simulator.core.fleet import Fleet
from simulator.core.frames import Frame
from simulator.core.hub import Hub, Member, gangs_of
from simulator.core.interval import Machines, Online, Result
from simulator.core.policies.interface import SupplyPolicy
from simulator.core.queues import tree_of
from simulator.core.report import ReportRow, Totals, summarise
from slacktide.messages import FloatArray, IntArray, NodeForecasts
from slacktide.trace import Jobs, Trace

DAY_S = 86_400
JUDGED_EVERY_S = 3 * 3_600  # as published backtests space their predictions


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is replayed, the same for every policy. N nodes, T samples."""

    name: str
    history: History
    demand: Demand
    jobs: Jobs  # submit_s on the trace's clock
    clusters: tuple[str, ...]
    node_cluster: IntArray  # [N]
    start_s: int
    end_s: int
    judged_s: tuple[int, ...]  # when kept is held against what came
    came_cores: FloatArray  # [N, len(judged_s)] 24 h peaks
    outages: tuple[Outage, ...] = ()
    burst_s: float = 10.0  # how long a peak within an interval lasts


@dataclass(frozen=True, slots=True)
class Outage:
    """A cluster cut off from the hub: it runs on, but neither reports nor hears."""

    cluster: str
    start_s: int
    end_s: int


def stage(
    trace: Trace,
    jobs: Jobs,
    *,
    train_days: float,
    days: float | None,
    copies: int,
    outages: tuple[Outage, ...] = (),
) -> Scenario:
    """A scenario: the trace's first `train_days` are only learnt from, then jobs begin to come.

    The job trace's first submission is laid on the start of the replay; with `copies` above 1 each
    job is submitted that many times. Jobs that come after the end are left out.
    """
    history = history_of(trace)
    clusters = tuple(dict.fromkeys(trace.nodes.cluster))
    step = trace.interval_s
    last_s = (history.cpu_cores.shape[1] - 1) * step
    start_s = int(train_days * DAY_S) // step * step
    end_s = last_s if days is None else min(last_s, start_s + int(days * DAY_S))
    end_s = start_s + (end_s - start_s) // step * step
    judged = tuple(
        range(-(-start_s // JUDGED_EVERY_S) * JUDGED_EVERY_S, end_s - DAY_S + 1, JUDGED_EVERY_S)
    )
    nodes = len(history.nodes)
    came = (
        oracle_peaks(history, list(judged), horizon_s=DAY_S, memory=False)
        if judged
        else np.zeros((nodes, 0))
    )
    return Scenario(
        name=trace.name,
        history=history,
        demand=demand_of(trace),
        jobs=admit(_laid_out(jobs, start_s=start_s, end_s=end_s, copies=copies)),
        clusters=clusters,
        node_cluster=np.array([clusters.index(name) for name in trace.nodes.cluster], np.int64),
        start_s=start_s,
        end_s=end_s,
        judged_s=judged,
        came_cores=came,
        outages=outages,
    )


def _laid_out(jobs: Jobs, *, start_s: int, end_s: int, copies: int) -> Jobs:
    submit_s = jobs.submit_s - jobs.submit_s[0] + start_s
    rows = np.repeat(np.flatnonzero(submit_s < end_s), copies)
    copy = np.tile(np.arange(copies), len(rows) // copies)
    names = [
        jobs.job[row] if twin == 0 else f"{jobs.job[row]}#{twin + 1}"
        for row, twin in zip(rows.tolist(), copy.tolist(), strict=True)
    ]
    return Jobs(
        job=tuple(names),
        queue=tuple([jobs.queue[row] for row in rows.tolist()]),
        submit_s=submit_s[rows],
        tasks=jobs.tasks[rows],
        min_available=jobs.min_available[rows],
        duration_s=jobs.duration_s[rows],
        priority=jobs.priority[rows],
        cpu_cores=jobs.cpu_cores[rows],
        memory_bytes=jobs.memory_bytes[rows],
    )


FILLED_SHARE = 0.65  # of the nodes' cores: what forecasts leave of them on real traces


def copies_that_fill(jobs: Jobs, *, node_cpu_cores: FloatArray, length_s: float) -> int:
    """How often a job trace must be submitted so that there is work for what forecasts leave.

    Work counts as far as it can be done before the end, by tasks of at most half of the largest
    node: larger ones seldom find room beside online.
    """
    left_s = np.maximum(length_s - (jobs.submit_s - jobs.submit_s[0]), 0.0)
    fits = jobs.cpu_cores <= node_cpu_cores.max() / 2
    work = jobs.tasks * jobs.cpu_cores * np.minimum(jobs.duration_s, left_s)
    wanted = FILLED_SHARE * float(node_cpu_cores.sum()) * length_s
    return max(1, min(1000, int(np.ceil(wanted / max(float(work[fits].sum()), 1.0)))))


@dataclass(frozen=True, slots=True)
class Choices:
    """What an operator may set beside the risk; the defaults are the product's."""

    supply: SupplySettings = field(default_factory=SupplySettings)
    planning: PlanSettings = field(default_factory=PlanSettings)
    qos: QosSettings = field(default_factory=QosSettings)


AS_SHIPPED: Final = Choices()


class Replay:
    """One run of one scenario under one policy."""

    def __init__(
        self, scenario: Scenario, policy: SupplyPolicy, choices: Choices = AS_SHIPPED
    ) -> None:
        """Nothing has happened yet; `steps` makes it happen."""
        history, jobs = scenario.history, scenario.jobs
        self.scenario = scenario
        self.policy = policy
        self.fleet = Fleet(jobs, len(history.nodes))
        self.totals = Totals()
        self.durations = Durations()
        self.forecasts: NodeForecasts | None = None
        capacity = float(history.node_cpu_cores.sum())
        tree, leaf_of = tree_of(jobs.queue, capacity_cores=capacity)
        leaf = np.array([leaf_of[queue] for queue in jobs.queue], np.int64)
        self.hub = Hub(
            tree=tree,
            leaf=leaf,
            gangs=gangs_of(jobs, leaf),
            members=[
                Member(name, np.flatnonzero(scenario.node_cluster == index))
                for index, name in enumerate(scenario.clusters)
            ],
            node_cluster=scenario.node_cluster,
            node_memory_bytes=history.node_memory_bytes,
            silent=self._is_silent,
            planning=choices.planning,
            supply=choices.supply,
        )
        self.machines = Machines(
            cpu_cores=history.node_cpu_cores,
            memory_bytes=history.node_memory_bytes,
            controls=_controls(policy, history.node_cpu_cores, scenario.start_s, choices.qos),
            burst_s=scenario.burst_s,
        )
        self._predicted_s = np.zeros(len(jobs.job), np.int64)

    def steps(self) -> Iterator[Frame]:
        """Runs to the end, one frame an interval."""
        scenario = self.scenario
        for now_s in range(scenario.start_s, scenario.end_s, scenario.history.interval_s):
            yield self._step(now_s)

    def report(self) -> ReportRow:
        """What it came to so far."""
        return summarise(self.policy.name, self.policy.promised_risk, self.totals, self.fleet)

    def _step(self, now_s: int) -> Frame:
        scenario, fleet = self.scenario, self.fleet
        step_s = scenario.history.interval_s
        fleet.submit(now_s)
        forecasts = self._forecast(now_s)
        self._predict_durations()
        for start in self.hub.round(fleet, self._predicted_s, forecasts, now_s=now_s):
            short = int(start.counts.sum()) < scenario.jobs.min_available[start.gang]
            self.totals.partial_gangs += int(short)
            fleet.start(start.gang, start.nodes, start.counts, cluster=start.cluster, now_s=now_s)
        held_cores, held_bytes = fleet.held_cores(), fleet.held_bytes()
        online = self._online(now_s // step_s + 1)
        result = self.machines.pass_interval(
            online, held_cores, held_bytes, self._tasks_on(now_s), now_s=now_s, length_s=step_s
        )
        done = fleet.run(result.speed, now_s=now_s, length_s=step_s)
        self._learn(done)
        evicted_before = fleet.evicted_tasks
        for task in result.evicted:
            gang, node = (int(part) for part in task.split("@"))
            fleet.evict(gang, node)
        self._count(online, held_cores, result, step_s)
        return Frame(
            at_s=now_s + step_s,
            online_cores=(online.mean_cores - result.lost_core_s / step_s).astype(np.float32),
            offline_cores=result.offline_cores.astype(np.float32),
            sold_cores=held_cores.astype(np.float32),
            kept_cores=forecasts.peak_cpu_cores[:, -1].astype(np.float32),
            lost_core_s=result.lost_core_s.astype(np.float32),
            evicted_tasks=fleet.evicted_tasks - evicted_before,
            running_gangs=len(np.unique(fleet.row_gang)),
            pending_gangs=len(fleet.waiting()),
        )

    def _forecast(self, now_s: int) -> NodeForecasts:
        """The newest forecast; made anew when the policy's time has come, judged when due."""
        made = self.forecasts
        if made is None or now_s - made.at_s >= self.policy.every_s:
            made = self.policy.forecast(self.scenario.history.until(now_s), now_s)
            self.forecasts = made
        if now_s in self.scenario.judged_s:
            came = self.scenario.came_cores[:, self.scenario.judged_s.index(now_s)]
            kept = made.peak_cpu_cores[:, made.horizon_index(DAY_S)]
            self.totals.judged += len(came)
            self.totals.exceeded += int((kept < came * (1 - 1e-6)).sum())
        return made

    def _predict_durations(self) -> None:
        """Waiting gangs by their queue's finished ones; a running gang keeps its prediction."""
        waiting = self.fleet.waiting()
        queues = self.hub.leaf[waiting]
        by_queue = np.array(
            [self.durations.predict_s(queue) for queue in range(len(self.hub.tree.leaves))],
            np.int64,
        )
        self._predicted_s[waiting] = by_queue[queues]

    def _learn(self, done: IntArray) -> None:
        for gang in done.tolist():
            ran_s = float(self.fleet.done_s[gang] - self.fleet.started_s[gang])
            self.durations.learn(int(self.hub.leaf[gang]), ran_s)

    def _online(self, column: int) -> Online:
        demand = self.scenario.demand
        return Online(
            before_cores=demand.mean_cores[:, column - 1],
            mean_cores=demand.mean_cores[:, column],
            peak_cores=demand.peak_cores[:, column],
            memory_bytes=demand.memory_bytes[:, column],
        )

    def _tasks_on(self, now_s: int) -> Callable[[int], tuple[OfflineTask, ...]]:
        """The offline tasks of a node as its agent knows them: one entry a gang."""
        fleet, jobs = self.fleet, self.fleet.jobs

        def tasks(node: int) -> tuple[OfflineTask, ...]:
            rows = np.flatnonzero(fleet.row_node == node).tolist()
            return tuple(
                OfflineTask(
                    task=f"{gang}@{node}",
                    cpu_cores=float(jobs.cpu_cores[gang] * count),
                    memory_bytes=float(jobs.memory_bytes[gang] * count),
                    started_s=min(float(fleet.started_s[gang]), float(now_s)),
                    gang=str(gang),
                    gang_slack=int(fleet.placed[gang] - jobs.min_available[gang] >= count),
                    gang_members=int((fleet.row_gang == gang).sum()),
                )
                for gang, count in (
                    (int(fleet.row_gang[row]), int(fleet.row_count[row])) for row in rows
                )
            )

        return tasks

    def _count(self, online: Online, held_cores: FloatArray, result: Result, step_s: int) -> None:
        totals = self.totals
        demand = np.minimum(online.mean_cores, self.machines.cpu_cores)
        totals.capacity += float(self.machines.cpu_cores.sum()) * step_s
        totals.online_demand += float(demand.sum()) * step_s
        totals.online_lost += float(result.lost_core_s.sum())
        totals.sold += float(held_cores.sum()) * step_s
        totals.offline += float(result.offline_cores.sum()) * step_s

    def _is_silent(self, cluster: str, now_s: float) -> bool:
        return any(
            outage.cluster == cluster and outage.start_s <= now_s < outage.end_s
            for outage in self.scenario.outages
        )


def _controls(
    policy: SupplyPolicy, node_cpu_cores: FloatArray, start_s: int, settings: QosSettings
) -> list[Control]:
    """Koordinator's own suppression under Koordinator's formula; the real core under all others."""
    if policy.name.startswith("koordinator"):
        return [KoordinatorSuppress(quota_cores=float("inf")) for _ in node_cpu_cores]
    return [RealCore.of(float(cores), start_s, settings) for cores in node_cpu_cores]
