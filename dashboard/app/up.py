"""The main job: learn from a trace's past, replay the rest through every room, say what came.

The replay of slacktide itself runs in the calling thread and feeds the run book, which the pages
read live; the baselines run beside it in processes of their own.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import numpy as np

from dashboard.app.runbook import RunBook
from dashboard.core.tables import PendingGang
from predictor.core.recommend import recommendations
from predictor.core.use import containers_of
from simulator.app.runs import Risks, in_background, new_replay
from simulator.core.frames import Frame, RunInfo
from simulator.core.generate import builtin_sample
from simulator.core.policies.catalogue import OURS, make
from simulator.core.queues import queue_rows
from simulator.core.replay import Outage, Replay, Scenario, copies_that_fill, stage
from simulator.core.report import ReportRow
from slacktide.errors import BadInput
from slacktide.trace import Jobs, Trace, read_jobs, read_trace

SHOWN_GANGS = 500  # pending gangs the pages can list; the count is always told in full
SHOW_EVERY = 12  # steps between two looks at queues and gangs: an hour of a 5-minute trace
DAY_S = 86_400

Told = Callable[[str, float, str], None]  # (policy, share done, note)


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked for."""

    trace: Path | None
    jobs: Path | None
    train_days: float
    days: float | None
    seed: int
    copies: int | None  # of each job; None: as many as offer the nodes enough work
    policies: tuple[str, ...]  # beside ours
    cpu_risk: float
    speed: float | None  # virtual seconds per second; None: as fast as it goes
    outages: tuple[Outage, ...]


@dataclass(frozen=True, slots=True)
class Staged:
    """A scenario, with what the pages tell about it."""

    trace: Trace
    scenario: Scenario
    info: RunInfo
    copies: int


def prepare(order: Order) -> Staged:
    """Reads or generates the traces and lays out the scenario.

    Raises:
        BadInput: a trace is broken, too short to train on, or only one of the two is given; a
            policy or a cluster is not known.
    """
    trace, jobs = _sources(order)
    length_s = trace.usage.cpu_cores.shape[1] * trace.interval_s
    left_s = length_s - order.train_days * DAY_S
    if left_s <= DAY_S:
        raise BadInput(
            f"trace {trace.name} is {length_s / DAY_S:.1f} days long: {order.train_days:g} days to "
            "train on leave less than a day to replay; lower --train-days"
        )
    _check_outages(order.outages, trace)
    replay_s = min(left_s, (order.days or np.inf) * DAY_S)
    copies = order.copies or copies_that_fill(
        jobs, node_cpu_cores=trace.nodes.cpu_cores, length_s=replay_s
    )
    scenario = stage(
        trace,
        jobs,
        train_days=order.train_days,
        days=order.days,
        copies=copies,
        outages=order.outages,
    )
    _check_policies(order, scenario)
    info = RunInfo(
        name=trace.name,
        seed=order.seed,
        machine=f"{cpu_count()} cores, Python {platform.python_version()}",
        clusters=scenario.clusters,
        nodes=scenario.history.nodes,
        node_cluster=scenario.node_cluster,
        node_cpu_cores=scenario.history.node_cpu_cores,
        interval_s=trace.interval_s,
        start_s=0,
        train_until_s=scenario.start_s,
        end_s=scenario.end_s,
        cpu_risk=order.cpu_risk,
        policies=(OURS, *order.policies),
    )
    return Staged(trace, scenario, info, copies)


def run(staged: Staged, order: Order, book: RunBook, told: Told) -> list[ReportRow]:
    """Replays under slacktide and under every baseline; the report's rows, ours first."""
    scenario, risks = staged.scenario, Risks(cpu=order.cpu_risk)
    book.begin(staged.info)
    book.set_recommendations(
        recommendations(scenario.history, containers_of(staged.trace), scenario.start_s)
    )
    with in_background(
        scenario,
        order.policies,
        risks,
        workers=cpu_count() or 1,
        heard=lambda policy, share: told(policy, share, ""),
    ) as baselines:
        replay = new_replay(scenario, OURS, risks)
        _follow(replay, book, order.speed, told)
        book.set_report([replay.report()], ours=OURS)
        book.say("replaying", "The replay is over; the baselines are still running.")
        rows = [replay.report(), *baselines()]
    book.set_report(rows, ours=OURS)
    book.say("finished", "The replay is over.")
    return rows


def _follow(replay: Replay, book: RunBook, speed: float | None, told: Told) -> None:
    """Plays the replay to its end, shows it as it goes, and holds it to the asked speed."""
    scenario = replay.scenario
    length_s, begun_s = scenario.end_s - scenario.start_s, time.monotonic()
    for step, frame in enumerate(replay.steps()):
        book.add_frame(frame)
        if step % SHOW_EVERY == 0:
            _show(replay, book, frame)
        book.say("replaying", f"Replaying {clock(frame.at_s)}.")
        told(OURS, (frame.at_s - scenario.start_s) / length_s, clock(frame.at_s))
        if speed is not None:
            due_s = begun_s + (frame.at_s - scenario.start_s) / speed
            time.sleep(max(0.0, due_s - time.monotonic()))
    _show(replay, book, frame)


def _show(replay: Replay, book: RunBook, frame: Frame) -> None:
    fleet, hub = replay.fleet, replay.hub
    leaves, waiting = len(hub.tree.leaves), fleet.waiting()
    used = sum(use.cpu_cores for use in hub.held(fleet))
    pending = np.bincount(hub.leaf[waiting], minlength=leaves).astype(np.float64)
    book.set_queues(queue_rows(hub.tree, np.asarray(used), pending))
    book.set_pending_gangs(_pending(replay, frame.at_s))
    made = replay.forecasts
    if made is not None:
        last = len(made.horizons_s) - 1
        book.set_reasons({name: made.reasons(n, last) for n, name in enumerate(made.nodes)})


def _pending(replay: Replay, now_s: int) -> list[PendingGang]:
    jobs, hub = replay.fleet.jobs, replay.hub
    return [
        PendingGang(
            gang=jobs.job[gang],
            queue=jobs.queue[gang],
            tasks=int(jobs.tasks[gang]),
            min_available=int(jobs.min_available[gang]),
            cpu_cores=float(jobs.cpu_cores[gang]),
            memory_bytes=int(jobs.memory_bytes[gang]),
            duration_s=int(jobs.duration_s[gang]),
            submitted_s=int(jobs.submit_s[gang]),
            waiting_s=int(now_s - jobs.submit_s[gang]),
            reason=hub.pending_reason(gang),
        )
        for gang in replay.fleet.waiting()[:SHOWN_GANGS].tolist()
    ]


def clock(at_s: int) -> str:
    """Virtual time as people say it: day 17 03:00."""
    return f"day {at_s // DAY_S} {at_s % DAY_S // 3600:02d}:{at_s % 3600 // 60:02d}"


def _sources(order: Order) -> tuple[Trace, Jobs]:
    if (order.trace is None) != (order.jobs is None):
        raise BadInput("give both --trace and --jobs, or neither for the built-in sample")
    if order.trace is None or order.jobs is None:
        return builtin_sample(order.seed)
    return read_trace(order.trace), read_jobs(order.jobs)


def _check_outages(outages: tuple[Outage, ...], trace: Trace) -> None:
    for outage in outages:
        if outage.cluster not in trace.nodes.cluster:
            known = ", ".join(sorted(set(trace.nodes.cluster)))
            raise BadInput(f"--outage: no cluster is called {outage.cluster!r}; there are: {known}")


def _check_policies(order: Order, scenario: Scenario) -> None:
    """A name that is wrong is told now, not by a process of its own when ours is through."""
    risks = Risks(cpu=order.cpu_risk)
    for policy in order.policies:
        make(policy, scenario.history, cpu_risk=risks.cpu, memory_risk=risks.memory)
