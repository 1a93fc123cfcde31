"""A replay of any history, with jobs of one's own or generated ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulator.core.generate_jobs import generate_jobs
from simulator.core.generate_shape import JobShape
from simulator.core.replay import DAY_S, Scenario, copies_that_fill, stage
from slacktide.errors import BadInput
from slacktide.trace import Jobs, Trace, read_jobs


@dataclass(frozen=True, slots=True)
class Work:
    """Where the batch side comes from; `jobs` is given the history and the seconds to fill."""

    whose: str
    jobs: Callable[[Trace, float], Jobs]


@dataclass(frozen=True, slots=True)
class Source:
    """A scenario, and a sentence of what it is made of."""

    scenario: Scenario
    said: str


def staged(trace: Trace, work: Work, *, train_days: float, days: float | None) -> Source:
    """A history, replayed with work, each job as often as fills the nodes.

    Raises:
        BadInput: the history is too short to train on and replay a day.
    """
    left_s = _length_s(trace) - train_days * DAY_S
    if left_s <= DAY_S:
        raise BadInput(
            f"{trace.name}: {_length_s(trace) / DAY_S:.1f} days long: {train_days:g} days to train"
            " on leave less than a day to replay; lower --train-days"
        )
    replay_s = left_s if days is None else min(left_s, days * DAY_S)
    jobs = work.jobs(trace, replay_s)
    copies = copies_that_fill(jobs, node_cpu_cores=trace.nodes.cpu_cores, length_s=replay_s)
    scenario = stage(trace, jobs, train_days=train_days, days=days, copies=copies)
    times = f", each submitted {copies} times" if copies > 1 else ""
    return Source(
        scenario,
        f"{trace.name}: {len(trace.nodes.node)} nodes, {train_days:g} days to learn from,"
        f" {(scenario.end_s - scenario.start_s) / DAY_S:.3g} to replay, {work.whose}{times}",
    )


def _length_s(trace: Trace) -> int:
    return int(trace.usage.cpu_cores.shape[1]) * trace.interval_s


def work_of(folder: Path, jobs: Path | None, *, seed: int) -> Work:
    """The jobs asked for, or those in the folder of the history, or generated ones."""
    if jobs is not None:
        return Work(f"jobs of {jobs}", lambda *_: read_jobs(jobs))
    if (folder / "jobs.parquet").exists():
        return Work("its own jobs", lambda *_: read_jobs(folder))
    said = f"generated jobs (seed {seed}; give your own with --jobs)"
    return Work(said, lambda trace, length_s: _generated(trace, length_s, seed))


def _generated(trace: Trace, length_s: float, seed: int) -> Jobs:
    cores = float(trace.nodes.cpu_cores.sum())
    shape = JobShape()
    return generate_jobs(shape, seed=seed, node_cores=cores, from_s=0, until_s=int(length_s))
