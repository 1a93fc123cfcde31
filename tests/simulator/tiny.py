"""A generated fleet so small that a day of it is replayed in seconds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from simulator.core.generate import generate_trace
from simulator.core.generate_jobs import generate_jobs
from simulator.core.generate_shape import JobShape, OnlineShape
from simulator.core.policies.catalogue import make
from simulator.core.replay import DAY_S, Outage, Replay, Scenario, stage
from slacktide.trace import Jobs, Trace, write_jobs, write_trace

CLUSTERS = ("east", "north", "west")
DAYS = 16
TRAIN_DAYS = 14


@cache
def trace(clusters: int = 3, nodes: int = 2, seed: int = 3) -> Trace:
    """Sixteen days in which no pod comes or goes."""
    shape = replace(OnlineShape(), deploys_per_day=0.0, late_or_early_share=0.0)
    return generate_trace(
        shape, seed=seed, clusters=CLUSTERS[:clusters], nodes_per_cluster=nodes, days=DAYS
    )


@cache
def jobs(clusters: int = 3, nodes: int = 2, seed: int = 3) -> Jobs:
    """As much as 70 % of the nodes could do in two days."""
    cores = float(trace(clusters, nodes, seed).nodes.cpu_cores.sum())
    return generate_jobs(JobShape(), seed=seed, node_cores=cores, from_s=0, until_s=2 * DAY_S)


def scenario(
    clusters: int = 3,
    nodes: int = 2,
    *,
    seed: int = 3,
    train_days: float = TRAIN_DAYS,
    copies: int = 1,
    outages: tuple[Outage, ...] = (),
) -> Scenario:
    """The first day after the training."""
    return stage(
        trace(clusters, nodes, seed),
        jobs(clusters, nodes, seed),
        train_days=train_days,
        days=1,
        copies=copies,
        outages=outages,
    )


def replay(staged: Scenario, policy: str) -> Replay:
    """One that has not begun."""
    return Replay(staged, make(policy, staged.history, cpu_risk=0.01, memory_risk=0.001))


def written(folder: Path, clusters: int = 1, nodes: int = 2) -> Path:
    """The trace and its jobs in one folder."""
    write_trace(trace(clusters, nodes), folder)
    write_jobs(jobs(clusters, nodes), folder)
    return folder
