"""From a view to a JSON answer, and the shapes that belong to the API alone.

Always holds: an answer is serialised once, straight from the frozen view; a number that is not
finite becomes null even where a view forgot to say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi import Response
from pydantic_core import to_json

from dashboard.app.runbook import Page, Revisions, State
from dashboard.core.frame_log import RunView, replay_start_s
from dashboard.core.overview import ClusterFigures, FleetSeries, Headline
from dashboard.core.tables import QueueRow
from dashboard.core.units import CORES_DIGITS, Cores, Count, Seconds, Share, Text, number


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeName:
    """A node to choose."""

    node: Text
    cluster: Text
    cpu_cores: Cores


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetails:
    """What is being replayed."""

    name: Text
    seed: int
    machine: Text
    clusters: list[str]
    policies: list[str]
    node_count: Count
    cpu_cores: Cores
    interval_s: Seconds
    start_s: Seconds
    train_until_s: Seconds
    end_s: Seconds
    cpu_risk: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the run is. `now_s` is the virtual clock, null before a run has begun."""

    state: State
    message: Text
    now_s: Seconds | None
    share: Share
    revisions: Revisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The run and its progress; `run` is null while none has begun."""

    progress: Progress
    run: RunDetails | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNames:
    """All nodes of the run."""

    nodes: list[NodeName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """The queue tree, parents before children."""

    rows: list[QueueRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What this server shows."""

    kind: Literal["replay", "cluster", "node"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The server answers."""

    status: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One live event: the clock, the headline, and the points from `first_point` on.

    `step_s` is the width of a point, the same as the overview's with as many points asked for.
    """

    progress: Progress
    headline: Headline | None
    step_s: Seconds
    first_point: Count
    series: FleetSeries | None
    clusters: list[ClusterFigures]


def answer(value: object, *, status_code: int = 200) -> Response:
    """The value as JSON."""
    return Response(
        to_json(value, inf_nan_mode="null"),
        status_code=status_code,
        media_type="application/json",
    )


def progress(page: Page) -> Progress:
    """The clock and what the run is doing."""
    return Progress(
        state=page.state,
        message=page.message,
        now_s=page.view.now_s if page.view else None,
        share=number(page.view.progress_share, 4) if page.view else None,
        revisions=page.revisions,
    )


def run_details(view: RunView) -> RunDetails:
    """What is replayed, without its nodes."""
    info = view.info
    return RunDetails(
        name=info.name,
        seed=info.seed,
        machine=info.machine,
        clusters=list(info.clusters),
        policies=list(info.policies),
        node_count=len(info.nodes),
        cpu_cores=number(view.capacity_cores, CORES_DIGITS),
        interval_s=info.interval_s,
        start_s=info.start_s,
        train_until_s=replay_start_s(info),
        end_s=info.end_s,
        cpu_risk=number(info.cpu_risk, 7),
    )


def node_names(view: RunView) -> NodeNames:
    """Every node's name, cluster and size."""
    info = view.info
    return NodeNames(
        nodes=[
            NodeName(
                node=node,
                cluster=info.clusters[int(cluster)],
                cpu_cores=number(cores, CORES_DIGITS),
            )
            for node, cluster, cores in zip(
                info.nodes, info.node_cluster, info.node_cpu_cores, strict=True
            )
        ]
    )
