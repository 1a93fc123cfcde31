"""A namespace of eight workloads with a trouble each, from the tables to the answers, as told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from predictor.app.findings import Filters, filters, judged
from predictor.core.circumstances import circumstances_of, merged
from predictor.core.mindful import DEFAULTS
from predictor.core.ranking import BYTES_PER_CORE, Finding
from predictor.core.recommend import SizingSettings, recommendations
from predictor.core.stored_trace import stored_trace
from tests.predictor.live_namespace import DAY_S, GIB, MIB, MONDAY_S, NOW_S, Seen, tables

ALL = range(14 * 288)
SHOP = [
    Seen("plain", labels={"app": "plain", "tier": "web"}),
    Seen("scaled", 0.5, facts={"hpa_cpu_target_share": 0.5}, labels={"app": "scaled"}),
    Seen("java", held=GIB, facts={"jvm_heap_bytes": 4 * GIB}),
    Seen("slow", 0.4, samples={"cpu_throttled_share": dict.fromkeys(ALL, 0.5)}),
    Seen("killed", held=1.9 * GIB, samples={"oom_kills": {14 * 288 - 1: 1.0}}),
    Seen("restarted", from_s=MONDAY_S + 10 * DAY_S, samples={"cpu_cores": {0: 4.0}}),
    Seen("weekend", from_s=MONDAY_S + 12 * DAY_S),
    Seen("plain", pod="plain-0", container="istio-proxy", cores=0.001, held=20 * MIB),
    Seen("plain", pod="plain-0", container="migrate", to_s=MONDAY_S + 300),
    *(
        Seen("nightly", kind="CronJob", pod=f"nightly-{n}", from_s=at, to_s=at + 900)
        for n, at in enumerate((MONDAY_S, MONDAY_S + DAY_S))
    ),
]


def answered(wanted: Filters) -> dict[str, Finding]:
    samples, containers, nodes = tables(SHOP)
    stored = stored_trace(
        samples,
        containers,
        nodes,
        cluster="east",
        from_s=MONDAY_S,
        until_s=NOW_S,
        interval_s=300,
    )
    law = recommendations(stored.history, stored.containers, NOW_S - stored.origin_s)
    rows = circumstances_of(containers, samples, nodes, cluster="east", now_s=NOW_S)
    found = judged(
        [replace(one, at_s=NOW_S) for one in law],
        {},
        BYTES_PER_CORE,
        now_s=NOW_S,
        wanted=wanted,
        known=merged(rows),
        how=DEFAULTS,
        sizing=SizingSettings(),
    )
    return {f"{one.advice.workload}/{one.advice.container}": one for one in found}


@pytest.fixture(scope="module")
def shop() -> dict[str, Finding]:
    return answered(Filters())


def test_everyone_is_there_but_init_containers(shop: dict[str, Finding]) -> None:
    names = {"plain", "scaled", "java", "slow", "killed", "restarted", "weekend", "nightly"}
    assert set(shop) == {*(f"{name}/app" for name in names), "plain/istio-proxy"}
    assert {found.advice.cluster for found in shop.values()} == {"east"}


@pytest.mark.parametrize(
    ("name", "clause"),
    [
        ("scaled/app", "CPU: an autoscaler keeps it at 50 % of the request"),
        ("java/app", "memory: a JVM with -Xmx 4096 MiB grows to it, so at least heap + 410 MiB"),
        ("slow/app", "p95 of use / (1 - throttled) is 0.800 cores"),
        ("killed/app", "OOM-killed once, last 0.0 days ago at 2048 MiB: 2458 MiB then"),
        ("weekend/app", "seen on Sat, Sun with 0 of the 12 hours of working days needed"),
        ("plain/istio-proxy", "memory: this sidecar's floor is 64 MiB"),
        ("nightly/app", "not enough runs: 2 of 3"),
        ("plain/app", "336 hours seen"),
    ],
)
def test_each_trouble_is_told_in_a_clause(shop: dict[str, Finding], name: str, clause: str) -> None:
    assert clause in shop[name].advice.reason


def test_the_numbers_follow_what_is_told(shop: dict[str, Finding]) -> None:
    cores = {name: found.cpu_request.recommended for name, found in shop.items()}
    assert cores["scaled/app"] == 1.0  # held as declared
    assert cores["weekend/app"] == 1.0
    assert cores["slow/app"] == pytest.approx(0.8)
    assert cores["restarted/app"] == pytest.approx(0.2, abs=0.05)
    assert cores["nightly/app"] is None
    assert shop["killed/app"].memory_request.recommended == 2458 * MIB
    assert shop["java/app"].memory_request.recommended == 4506 * MIB


@pytest.mark.parametrize(
    ("labels", "names"),
    [("app=plain,tier!=cache", {"plain/app"}), ("app in (scaled)", {"scaled/app"})],
)
def test_a_selector_keeps_those_whose_labels_are_known_to_fit(labels: str, names: set[str]) -> None:
    assert set(answered(filters((), (), None, (), labels))) == names
