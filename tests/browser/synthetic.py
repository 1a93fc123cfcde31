"""A synthetic run with the shape of a real one: days, weekends, queues, waits and a report."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dashboard.app.runbook import RunBook
from dashboard.core.tables import PendingGang
from simulator.core.frames import Frame, RunInfo
from simulator.core.queues import QueueRow
from simulator.core.report import ReportRow
from slacktide.messages import Recommendation

DAY_S, HOUR_S, STEP_S = 86_400, 3_600, 300
CLUSTERS = ("harbour", "lagoon", "estuary")
NODES = 60


def run_info() -> RunInfo:
    nodes = tuple(
        f"{CLUSTERS[k % 3]}-{k // 3:02d}" for k in sorted(range(NODES), key=lambda k: k % 3)
    )
    return RunInfo(
        name="synthetic sample",
        seed=1,
        machine="2 cores, 8 GB",
        clusters=CLUSTERS,
        nodes=nodes,
        node_cluster=np.repeat(np.arange(3), NODES // 3),
        node_cpu_cores=np.where(np.arange(NODES) % 4 == 0, 32.0, 16.0),
        interval_s=STEP_S,
        start_s=0,
        end_s=21 * DAY_S,
        train_until_s=14 * DAY_S,
        cpu_risk=0.01,
        policies=("slacktide", "requests_only", "koordinator", "borg_default", "oracle"),
    )


def frames(info: RunInfo) -> Iterator[Frame]:
    """Days with an afternoon peak, forecasts every three hours, offline tasks in what is left."""
    chance = np.random.default_rng(1)
    cores = info.node_cpu_cores
    phase, level = chance.uniform(-2, 2, NODES), chance.uniform(0.1, 0.3, NODES)
    noise, kept = np.zeros(NODES), cores * 0.5
    for at_s in range(info.train_until_s, info.end_s, STEP_S):
        hour = at_s / HOUR_S % 24
        weekend = 0.7 if at_s // DAY_S % 7 >= 5 else 1.0
        noise = 0.9 * noise + chance.normal(0, 0.012, NODES)
        tide = 1 + 0.55 * np.sin((hour - 9 + phase) / 24 * 2 * np.pi)
        online = np.clip(cores * (level * weekend * tide + noise), 0.05, cores)
        if at_s % (3 * HOUR_S) == 0:
            kept = np.clip(cores * (level * 1.62 + chance.uniform(0.06, 0.11, NODES)), 0, cores)
        sold = np.clip((cores - kept) * (0.93 - 0.1 * (hour < 4)), 0, None)
        offline = np.clip(np.minimum(sold * 0.9, cores - online), 0, None)
        lost = np.where(online > kept, (online - kept) * 90.0, 0.0)
        yield Frame(
            at_s=at_s + STEP_S,
            online_cores=online.astype(np.float32),
            offline_cores=offline.astype(np.float32),
            sold_cores=sold.astype(np.float32),
            kept_cores=kept.astype(np.float32),
            lost_core_s=lost.astype(np.float32),
            evicted_tasks=int(chance.random() < 0.01),
            running_gangs=int(180 + 40 * np.sin(hour)),
            pending_gangs=int(12 + 8 * np.cos(hour)),
        )


NAMES = ("checkout", "search", "feed", "login", "ledger", "maps", "ads")


def recommendations() -> Iterator[Recommendation]:
    chance = np.random.default_rng(2)
    for k in range(140):
        cpu = float(chance.choice([0.25, 0.5, 1, 2, 4, 8]))
        memory = int(chance.choice([256, 512, 2048, 8192])) * 2**20
        wanted = round(cpu * float(chance.uniform(0.12, 1.15)), 3)
        yield Recommendation(
            workload=f"{NAMES[k % 7]}-{k // 7:02d}",
            namespace=("shop", "media", "core")[k % 3],
            kind="Deployment" if k % 5 else "StatefulSet",
            container="main" if k % 11 else "sidecar",
            at_s=14 * DAY_S,
            replicas=int(chance.integers(1, 24)),
            cpu_request_cores=cpu if k % 29 else None,
            recommended_cpu_request_cores=wanted,
            cpu_lower_cores=round(wanted * 0.8, 3),
            cpu_upper_cores=round(wanted * 1.5, 3),
            memory_request_bytes=memory,
            recommended_memory_request_bytes=int(memory * chance.uniform(0.3, 1.1)),
            memory_lower_bytes=None,
            memory_upper_bytes=None,
            confidence=float(chance.uniform(0.35, 0.99)),
            reason=(
                f"request {wanted} cores = 95th percentile {wanted / 1.15:.3f} of 14 days of "
                f"5-minute use x 1.15 margin; bound by the weekday peak at 15:00"
            ),
        )


def queues() -> list[QueueRow]:
    rows = [
        ("fleet", None, 640.0, 820.0, 1, 612.4, 0.0, 12),
        ("research", "fleet", 320.0, 600.0, 3, 402.7, 82.7, 7),
        ("training", "research", 240.0, 480.0, 2, 336.0, 96.0, 5),
        ("ablations", "research", 80.0, 200.0, 1, 66.7, 0.0, 2),
        ("analytics", "fleet", 200.0, 400.0, 2, 148.5, 0.0, 1),
        ("nightly", "analytics", 120.0, 300.0, 1, 96.5, 0.0, 0),
        ("ad-hoc", "analytics", 80.0, 160.0, 1, 52.0, 0.0, 1),
        ("batch", "fleet", 120.0, 300.0, 1, 61.2, 0.0, 4),
    ]
    return [
        QueueRow(
            name=name,
            parent=parent,
            guaranteed_cores=guaranteed,
            max_cores=most,
            weight=float(weight),
            used_cores=used,
            borrowed_cores=borrowed,
            pending_gangs=pending,
        )
        for name, parent, guaranteed, most, weight, used, borrowed, pending in rows
    ]


def pending() -> list[PendingGang]:
    return [
        PendingGang(
            gang=f"{queue}-{k:04d}",
            queue=queue,
            tasks=tasks,
            min_available=tasks,
            cpu_cores=cores,
            memory_bytes=int(cores * 2**31),
            duration_s=hours * HOUR_S,
            submitted_s=21 * DAY_S - waiting_s,
            waiting_s=waiting_s,
            reason=f"{tasks} tasks of {cores:g} cores: {fit} fit for {hours} h; bound by {bound}",
        )
        for k, (queue, tasks, cores, hours, waiting_s, fit, bound) in enumerate(
            [
                ("training", 16, 8.0, 12, 14_820, 11, "what 5 nodes keep free until day 21 15:00"),
                ("training", 64, 4.0, 6, 9_060, 51, "cores left in the queue, 96 borrowed of 240"),
                ("ablations", 8, 12.0, 24, 3_660, 6, "no node keeps 12 cores free for 24 h"),
                ("batch", 400, 1.0, 2, 2_400, 372, "the queue's turn: 3 gangs are ahead"),
                ("batch", 1, 28.0, 1, 540, 0, "no node keeps 28 cores free"),
            ]
        )
    ]


def report() -> list[ReportRow]:
    nan = float("nan")
    return [
        outcome("oracle", 0.712, 91_200, 4_012, (60, 1_500, 0.0, nan, 0.0, 0.0)),
        outcome("requests-only", 0.189, 0, 0, (nan, nan, nan, nan, 0.0, 0.0)),
        outcome("koordinator", 0.548, 61_300, 2_890, (1_260, 9_800, 0.034, nan, 0.00081, 0.013)),
        outcome("slacktide", 0.664, 81_345, 3_614, (120, 2_460, 0.0093, 0.01, 0.00041, 0.004)),
        outcome("borg-default", 0.402, 39_870, 1_702, (4_020, 31_000, 0.0, nan, 0.00001, 0.001)),
    ]


def outcome(
    policy: str,
    utilisation: float,
    sold_core_hours: float,
    jobs_done: int,
    waits_and_odds: tuple[float, float, float, float, float, float],
) -> ReportRow:
    wait_p50_s, wait_p95_s, violation, promised, lost, evicted = waits_and_odds
    return ReportRow(
        policy=policy,
        utilisation=utilisation,
        utilisation_without=0.185,
        sold_core_hours=sold_core_hours,
        used_core_hours=sold_core_hours * 0.9,
        jobs_done=jobs_done,
        jobs_pending=4_100 - jobs_done,
        wait_p50_s=wait_p50_s,
        wait_p95_s=wait_p95_s,
        violation=violation,
        promised_risk=promised,
        online_lost_share=lost,
        online_lost_core_hours=0.5,
        evicted_share=evicted,
        evicted_tasks=int(evicted * 20_000),
        work_lost_core_hours=evicted * 24_000,
        throttled_share=0.1,
        partial_gangs=0,
    )


def filled(*, share: float = 1.0) -> RunBook:
    """A run book of the synthetic run, replayed as far as asked."""
    info, runbook = run_info(), RunBook()
    runbook.begin(info)
    steps = (info.end_s - info.train_until_s) // STEP_S
    for _, frame in zip(range(int(steps * share)), frames(info), strict=False):
        runbook.add_frame(frame)
    runbook.set_recommendations(recommendations())
    runbook.set_queues(queues())
    runbook.set_pending_gangs(pending())
    runbook.set_reasons(dict.fromkeys(info.nodes, REASON))
    if share < 1:
        runbook.say("replaying", "Replaying the rest.")
        return runbook
    runbook.set_report(report(), ours="slacktide")
    runbook.say("finished", "The run is over.")
    return runbook


REASON = (
    "keeps 7.42 of 16 cores for 24 h: the 3 workloads' weekday profile peaks at 6.31 near 15:00, "
    "x 1.176 so that no more than 1 % of such forecasts are exceeded; bound by calibration"
)
