"""Small federations to test the hub on: a few clusters, made-up forecasts, real planners."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from simulator.core.fleet import Fleet
from simulator.core.hub import Hub, Member, Start, gangs_of
from simulator.core.policies.interface import HORIZONS_S
from simulator.core.queues import tree_of
from slacktide.messages import FloatArray, IntArray, NodeForecasts
from slacktide.trace import Jobs

STEP_S = 300
CORES, GIB = 32.0, 2.0**30
MEMORY_BYTES = 128 * GIB
QUEUES = ("lab/nlp", "lab", "web")


@dataclass(frozen=True, slots=True)
class Silence:
    """A cluster neither reports nor hears."""

    cluster: int
    start_s: int
    end_s: int


@dataclass(slots=True)
class Federation:
    """A hub, its clusters and what runs; `round` is one step of a replay."""

    nodes_in: tuple[int, ...]  # nodes of each cluster
    jobs: Jobs
    silences: tuple[Silence, ...] = ()
    predicted_s: IntArray = field(init=False)  # [G]
    fleet: Fleet = field(init=False)
    hub: Hub = field(init=False)

    def __post_init__(self) -> None:
        nodes = sum(self.nodes_in)
        node_cluster = np.repeat(np.arange(len(self.nodes_in)), self.nodes_in)
        tree, leaf_of = tree_of(self.jobs.queue, capacity_cores=CORES * nodes)
        leaf = np.array([leaf_of[queue] for queue in self.jobs.queue], np.int64)
        self.predicted_s = self.jobs.duration_s.copy()
        self.fleet = Fleet(self.jobs, nodes)
        self.hub = Hub(
            tree=tree,
            leaf=leaf,
            gangs=gangs_of(self.jobs, leaf),
            members=[
                Member(name_of(cluster), np.flatnonzero(node_cluster == cluster))
                for cluster in range(len(self.nodes_in))
            ],
            node_cluster=node_cluster,
            node_memory_bytes=np.full(nodes, MEMORY_BYTES),
            silent=lambda name, now_s: self.is_silent(int(name), now_s),
        )

    def is_silent(self, cluster: int, now_s: float) -> bool:
        """Whether a cluster is cut off."""
        return any(
            silence.cluster == cluster and silence.start_s <= now_s < silence.end_s
            for silence in self.silences
        )

    def round(self, forecasts: NodeForecasts, now_s: int) -> list[Start]:
        """Whatever the hub starts at `now_s` runs from then on."""
        self.fleet.submit(now_s)
        starts = self.hub.round(self.fleet, self.predicted_s, forecasts, now_s=now_s)
        for start in starts:
            self.fleet.start(
                start.gang, start.nodes, start.counts, cluster=start.cluster, now_s=now_s
            )
        return starts

    def pass_time(self, now_s: int) -> None:
        """One step at full speed."""
        self.fleet.run(np.ones(self.fleet.node_count), now_s=now_s, length_s=STEP_S)

    def play(self, steps: int, *, free_share: float = 0.5) -> Iterator[tuple[int, list[Start]]]:
        """Step by step under a forecast that never changes."""
        forecasts = forecast(np.full((sum(self.nodes_in), len(HORIZONS_S)), free_share))
        for now_s in range(0, steps * STEP_S, STEP_S):
            yield now_s, self.round(forecasts, now_s)
            self.pass_time(now_s)


def name_of(cluster: int) -> str:
    """Clusters are called by their number."""
    return str(cluster)


def gangs(
    *,
    submit_s: IntArray,
    tasks: IntArray,
    min_available: IntArray,
    duration_s: IntArray,
    cpu_cores: FloatArray,
    gib: FloatArray | None = None,
) -> Jobs:
    """Jobs of three queues in turn."""
    count = len(submit_s)
    return Jobs(
        job=tuple(f"job-{row}" for row in range(count)),
        queue=tuple(QUEUES[row % len(QUEUES)] for row in range(count)),
        submit_s=submit_s,
        tasks=tasks,
        min_available=min_available,
        duration_s=duration_s,
        priority=np.zeros(count, np.int64),
        cpu_cores=cpu_cores,
        memory_bytes=(np.ones(count) if gib is None else gib) * GIB,
    )


def steady(per_step: int, steps: int, *, tasks: int = 2, duration_s: int = 600) -> Jobs:
    """Some equal gangs a step, of two cores a task."""
    ones = np.ones(per_step * steps, np.int64)
    return gangs(
        submit_s=np.repeat(np.arange(steps) * STEP_S, per_step),
        tasks=tasks * ones,
        min_available=tasks * ones,
        duration_s=duration_s * ones,
        cpu_cores=np.full(len(ones), 2.0),
    )


def forecast(free_share: FloatArray, at_s: int = 0) -> NodeForecasts:
    """A share [N, H] of every node is free of online, memory alike."""
    kept = 1.0 - free_share
    return NodeForecasts(
        at_s=at_s,
        nodes=tuple(f"node-{node}" for node in range(len(free_share))),
        horizons_s=HORIZONS_S,
        peak_cpu_cores=kept * CORES,
        reclaimable_cpu_cores=free_share * CORES,
        peak_memory_bytes=kept * MEMORY_BYTES,
        reclaimable_memory_bytes=free_share * MEMORY_BYTES,
        cpu_risk=0.01,
        memory_risk=0.001,
        reasons=lambda node, horizon: f"made up for node {node}, horizon {horizon}",
    )
