"""Where a replay's history and jobs come from: a folder of one's own, or generated work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from simulator.core.generate_jobs import generate_jobs
from simulator.core.generate_shape import JobShape
from simulator.core.replay import DAY_S, Scenario, copies_that_fill, stage
from slacktide.errors import BadInput
from slacktide.trace import Jobs, Trace, read_jobs, read_trace


@dataclass(frozen=True, slots=True)
class Source:
    """A scenario, and a sentence of what it is made of."""

    scenario: Scenario
    said: str


def staged(
    folder: Path, jobs: Path | None, *, train_days: float, days: float | None, seed: int
) -> Source:
    """The folder's history, replayed with its jobs, others, or generated ones.

    Raises:
        BadInput: a trace is broken, or too short to train on and replay a day.
    """
    trace = read_trace(folder)
    length_s = trace.usage.cpu_cores.shape[1] * trace.interval_s
    left_s = length_s - train_days * DAY_S
    if left_s <= DAY_S:
        raise BadInput(
            f"{folder}: {length_s / DAY_S:.1f} days long: {train_days:g} days to train on leave"
            " less than a day to replay; lower --train-days"
        )
    replay_s = left_s if days is None else min(left_s, days * DAY_S)
    work, whose = _work(folder, jobs, trace, replay_s, seed)
    copies = copies_that_fill(work, node_cpu_cores=trace.nodes.cpu_cores, length_s=replay_s)
    scenario = stage(trace, work, train_days=train_days, days=days, copies=copies)
    times = f", each submitted {copies} times" if copies > 1 else ""
    return Source(
        scenario,
        f"{trace.name}: {len(trace.nodes.node)} nodes, {train_days:g} days to learn from,"
        f" {(scenario.end_s - scenario.start_s) / DAY_S:.3g} to replay, {whose}{times}",
    )


def _work(
    folder: Path, jobs: Path | None, trace: Trace, replay_s: float, seed: int
) -> tuple[Jobs, str]:
    """The jobs, and whose they are."""
    if jobs is not None:
        return read_jobs(jobs), f"jobs of {jobs}"
    if (folder / "jobs.parquet").exists():
        return read_jobs(folder), "its own jobs"
    cores = float(trace.nodes.cpu_cores.sum())
    made = generate_jobs(JobShape(), seed=seed, node_cores=cores, from_s=0, until_s=int(replay_s))
    return made, f"generated jobs (seed {seed}; give your own with --jobs)"
