"""A diary such as an agent leaves: calm, then a storm that is throttled and ends in an eviction."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from qos_controller.adapters.book_file import write_book
from qos_controller.adapters.ticks import Event, Tick, TickWriter
from qos_controller.core.pods import Book, Pod, Slo

STARTED_S = 1_700_000_000.0

CALM = Tick(
    monotonic_s=0.0,
    unix_s=STARTED_S,
    cpu_stage=0,
    disk_stage=0,
    memory_stage=0,
    network_stage=0,
    level=0.2,
    quota_cores=1.5,
    online_used_cores=0.4,
    offline_used_cores=1.2,
    system_used_cores=0.1,
    online_full_share=0.01,
    requests_per_s=300.0,
    slow_share=0.0,
    latency_s=0.012,
    io_full_share=0.0,
    disk_write_limit_bytes_per_s=math.nan,
    memory_used_share=0.4,
    egress_limit_bytes_per_s=math.nan,
    frozen=0.0,
    tick_cost_s=0.0002,
)

ONLINE = Pod(
    uid="11111111-aaaa",
    namespace="shop",
    name="web-0",
    batch=False,
    slo=Slo(bound_s=0.03, quantile=0.99),
)
FLOATING = replace(ONLINE, uid="22222222-bbbb", name="api-0", slo=None)
BATCH = Pod(uid="33333333-cccc", namespace="team", name="train-0", batch=True, qos_class="BE")
BOOK = Book(node="node-7", written_s=STARTED_S, pods=(ONLINE, FLOATING, BATCH))


def ticks(*, count: int, now_s: float) -> list[Tick]:
    """25 ms apart, the last one now; the middle fifth is the storm."""
    found = []
    for number in range(count):
        behind_s = (count - 1 - number) * 0.025
        stormy = 2 * count // 5 <= number < 3 * count // 5
        one = replace(CALM, monotonic_s=now_s - behind_s, unix_s=STARTED_S + number * 0.025)
        if stormy:
            one = replace(
                one,
                cpu_stage=2,
                disk_stage=1,
                level=3.0,
                quota_cores=0.1,
                offline_used_cores=0.1,
                online_used_cores=1.2,
                online_full_share=0.3,
                latency_s=0.09,
                slow_share=0.2,
                disk_write_limit_bytes_per_s=5e6,
            )
        found.append(one)
    return found


def write_run_dir(run_dir: Path, *, now_s: float, count: int = 400) -> None:
    """pods.json and ticks, as after `count` ticks of an agent."""
    run_dir.mkdir(exist_ok=True)
    write_book(run_dir / "pods.json", BOOK)
    writer = TickWriter(run_dir / "ticks", unix_s=STARTED_S + round(now_s))
    for tick in ticks(count=count, now_s=now_s):
        writer.tick(tick)
    for kind, pod, text in (
        ("agent", "", "began with 3 pods"),
        ("cpu", "", "stage 2, minimum: level 3.00 > 1 for 0.10 s; quota 0.10 cores"),
        ("eviction", BATCH.uid, "team/train-0 goes: least work lost, 12 core-s per core freed"),
    ):
        at_s = STARTED_S + 0.45 * count * 0.025  # in the storm
        writer.event(Event(monotonic_s=now_s, unix_s=at_s, kind=kind, pod=pod, text=text))
    writer.close()
