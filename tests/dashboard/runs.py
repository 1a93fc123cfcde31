"""A small run whose every figure can be worked out by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dashboard.app.runbook import RunBook
from dashboard.core.tables import PendingGang
from simulator.core.frames import Frame, RunInfo
from simulator.core.queues import QueueRow
from simulator.core.report import ReportRow
from slacktide.messages import Recommendation

DAY_S, HOUR_S = 86_400, 3_600
START_S = 2 * DAY_S


REPLAYED = 30  # of forty-eight frames

INFO = RunInfo(
    name="by hand",
    seed=7,
    machine="none",
    clusters=("east", "west"),
    nodes=("east-0", "east-1", "west/0"),
    node_cluster=np.array([0, 0, 1]),
    node_cpu_cores=np.array([10.0, 20.0, 10.0]),
    interval_s=HOUR_S,
    start_s=0,
    train_until_s=START_S,
    end_s=START_S + 2 * DAY_S,
    cpu_risk=0.01,
    policies=("slacktide", "oracle"),
)


def frame(
    number: int,
    *,
    online: float = 2.0,
    offline: float = 4.0,
    sold: float = 5.0,
    kept: float = 4.0,
    lost_core_s: float = 0.0,
    evicted: int = 0,
) -> Frame:
    """Frame `number`, counted from 1: the same on each of the three nodes."""
    return Frame(
        at_s=START_S + number * HOUR_S,
        online_cores=on_each(online),
        offline_cores=on_each(offline),
        sold_cores=on_each(sold),
        kept_cores=on_each(kept),
        lost_core_s=on_each(lost_core_s),
        evicted_tasks=evicted,
        running_gangs=3,
        pending_gangs=1,
    )


def on_each(value: float) -> NDArray[np.float32]:
    return np.full(3, value, dtype=np.float32)


def recommendation(workload: str, **changes: object) -> Recommendation:
    plain: dict[str, object] = {
        "namespace": "shop",
        "kind": "Deployment",
        "container": "main",
        "at_s": START_S,
        "replicas": 2,
        "cpu_request_cores": 2.0,
        "recommended_cpu_request_cores": 0.5,
        "cpu_lower_cores": None,
        "cpu_upper_cores": float("nan"),
        "memory_request_bytes": 2**30,
        "recommended_memory_request_bytes": 2**29,
        "memory_lower_bytes": None,
        "memory_upper_bytes": None,
        "confidence": 0.9,
        "reason": "95th percentile of 14 days",
    }
    return Recommendation(workload=workload, **(plain | changes))  # type: ignore[arg-type] # by name


def pending_gang(gang: str, *, queue: str, waiting_s: int) -> PendingGang:
    return PendingGang(
        gang=gang,
        queue=queue,
        tasks=4,
        min_available=4,
        cpu_cores=1.0,
        memory_bytes=None,
        duration_s=HOUR_S,
        submitted_s=START_S,
        waiting_s=waiting_s,
        reason="no node keeps 1 core free for 1 h",
    )


def queue(name: str, *, parent: str | None = None) -> QueueRow:
    return QueueRow(
        name=name,
        parent=parent,
        guaranteed_cores=10.0,
        max_cores=float("inf"),
        weight=1.0,
        used_cores=12.0,
        borrowed_cores=2.0,
        pending_gangs=1,
    )


def report_row(policy: str, *, wait_s: float) -> ReportRow:
    return ReportRow(
        policy=policy,
        utilisation=0.45,
        utilisation_without=0.15,
        sold_core_hours=100.0,
        used_core_hours=80.0,
        jobs_done=3,
        jobs_pending=1,
        wait_p50_s=wait_s,
        wait_p95_s=wait_s,
        violation=0.01,
        promised_risk=float("nan"),
        online_lost_share=0.0,
        online_lost_core_hours=0.5,
        evicted_share=0.0,
        evicted_tasks=0,
        work_lost_core_hours=0.0,
        throttled_share=0.0,
        partial_gangs=0,
    )


def filled(*, frames: int = REPLAYED) -> RunBook:
    """A book of the run so far, with everything else known."""
    book = RunBook()
    book.begin(INFO)
    for number in range(1, frames + 1):
        book.add_frame(frame(number))
    book.set_recommendations([recommendation("cart"), recommendation("<b>pay</b>", replicas=9)])
    book.set_queues([queue("batch"), queue("training", parent="batch")])
    book.set_pending_gangs(
        [
            pending_gang("young", queue="batch", waiting_s=10),
            pending_gang("old", queue="training", waiting_s=20),
        ]
    )
    book.set_reasons({"east-0": "keeps 4 of 10 cores"})
    rows = [report_row("oracle", wait_s=float("nan")), report_row("slacktide", wait_s=60.0)]
    book.set_report(rows, ours="slacktide")
    book.say("replaying", "Replaying the rest.")
    return book
