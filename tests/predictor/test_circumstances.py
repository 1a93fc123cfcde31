"""What the history's tables tell of a container beyond its use, and that parts make the whole."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from predictor.core.circumstances import CIRCUMSTANCES, Circumstances, circumstances_of, merged
from predictor.core.recommend import SizingSettings
from predictor.core.runs import advice_from_runs
from tests.predictor.live_namespace import DAY_S, GIB, MIB, MONDAY_S, NOW_S, Seen, tables


def known(seen: list[Seen], now_s: int = NOW_S) -> dict[str, Circumstances]:
    samples, containers, nodes = tables(seen)
    rows = circumstances_of(containers, samples, nodes, cluster="east", now_s=now_s)
    assert rows.schema.equals(CIRCUMSTANCES)
    return {f"{key[1]}/{key[3]}": one for key, one in merged(rows).items()}


def test_throttling_is_read_as_the_demand_behind_it() -> None:
    every = dict.fromkeys(range(14 * 288), 0.5)
    found = known([Seen("slow", 0.4, samples={"cpu_throttled_share": every})])["slow/app"]
    assert found.cpu_throttled_share == pytest.approx(0.5)
    assert found.cpu_demand_cores == pytest.approx(0.8)
    whole = dict.fromkeys(range(14 * 288), 0.99)
    bounded = known([Seen("slow", 0.4, samples={"cpu_throttled_share": whole})])["slow/app"]
    assert bounded.cpu_demand_cores == pytest.approx(0.8)  # twice the use at most
    calm = known([Seen("calm", 0.4, samples={"cpu_throttled_share": {5: 0.01}})])["calm/app"]
    assert calm.cpu_demand_cores is None


def test_a_departed_pods_kill_is_remembered_with_the_limit_it_met() -> None:
    gone = Seen(
        "cart",
        pod="cart-old",
        to_s=MONDAY_S + 3 * DAY_S,
        facts={"memory_limit_bytes": GIB},
        samples={"oom_kills": {100: 1.0, 200: 1.0}},
    )
    found = known([gone, Seen("cart", from_s=MONDAY_S + 3 * DAY_S)])["cart/app"]
    assert (found.oom_kills, found.oom_bytes) == (2.0, GIB)
    assert found.oom_last_s == MONDAY_S + 201 * 300
    assert found.memory_limit_bytes == 2 * GIB  # the newest pod's
    assert found.runs == 2


def test_a_start_is_told_apart_only_where_it_was_seen() -> None:
    peaks = {"cpu_cores": {0: 3.0, 1: 2.0}, "memory_bytes": {0: GIB}}
    old, new = Seen("old", samples=peaks), Seen("new", from_s=MONDAY_S + DAY_S, samples=peaks)
    found = known([old, new])
    assert (found["new/app"].cpu_start_cores, found["new/app"].memory_start_bytes) == (3.0, GIB)
    assert found["new/app"].cpu_settled_cores == pytest.approx(0.2)
    assert found["old/app"].cpu_start_cores is None
    assert found["old/app"].cpu_settled_cores == 3.0


def test_weekdays_are_those_of_the_calendar() -> None:
    saturday = Seen("new", from_s=MONDAY_S + 12 * DAY_S)
    hours = known([saturday])["new/app"].weekday_hours
    assert hours == (0, 0, 0, 0, 0, 24, 24)


def test_an_init_container_and_a_sidecar_are_known_apart_from_the_rest() -> None:
    init = Seen("cart", container="migrate", to_s=MONDAY_S + 300)
    found = known([Seen("cart"), init, Seen("cart", container="istio-proxy")])
    assert [name for name, one in sorted(found.items()) if one.only_at_start] == ["cart/migrate"]


@pytest.mark.parametrize(("kind", "label"), [("CronJob", None), ("Job", {"app": "report"})])
def test_runs_of_one_job_are_one_workload_and_too_few_are_counted(
    kind: str, label: dict[str, str] | None
) -> None:
    runs = [
        Seen(
            "report" if kind == "CronJob" else f"report-{n}",
            cores=0.1 * (n + 1),
            held=(n + 1) * 100 * MIB,
            pod=f"report-{n}-x",
            kind=kind,
            labels=label,
            from_s=MONDAY_S + n * DAY_S,
            to_s=MONDAY_S + n * DAY_S + 900,
        )
        for n in range(3)
    ]
    key = ("shop", "report", kind, "app", "east")
    few = advice_from_runs(key, known(runs[:2])["report/app"], now_s=NOW_S, sizing=SizingSettings())
    assert few.reason.startswith("not enough runs: 2 of 3")
    assert few.recommended_cpu_request_cores is None
    made = advice_from_runs(key, known(runs)["report/app"], now_s=NOW_S, sizing=SizingSettings())
    assert made.recommended_cpu_request_cores == pytest.approx(0.3)
    assert made.recommended_memory_request_bytes == 345 * MIB
    assert made.memory_request_bytes == 2 * GIB


def test_shards_make_the_same_whole_in_any_order() -> None:
    pods = [Seen("cart", 0.1 * n, pod=f"cart-{n}", labels={"n": str(n)}) for n in range(1, 4)]
    samples, containers, nodes = tables(pods)
    whole = circumstances_of(containers, samples, nodes, cluster="east", now_s=NOW_S)
    shuffled = samples.take(pa.array(np.random.default_rng(0).permutation(len(samples))))
    parts = [
        circumstances_of(containers.slice(n, 1), shuffled, nodes, cluster="east", now_s=NOW_S)
        for n in (2, 0, 1)
    ]
    assert merged(pa.concat_tables(parts)) == merged(whole)
    [cart] = merged(whole).values()
    assert cart.cpu_highest_cores == pytest.approx(0.3)
    assert cart.node_cpu_cores == 16.0
    assert cart.label_pairs == {"n": "3"}


def test_nothing_later_than_now_is_read() -> None:
    now_s = MONDAY_S + 5 * DAY_S
    loud = {"cpu_cores": {6 * 288: 9.0}, "oom_kills": {6 * 288: 1.0}}
    late = Seen("late", from_s=now_s + 300)
    told = known([Seen("cart", samples=loud), late], now_s)
    assert set(told) == {"cart/app"}
    assert told["cart/app"].cpu_highest_cores == pytest.approx(0.2)
    assert told["cart/app"].oom_kills == 0.0


def test_without_samples_everything_but_what_is_declared_is_unknown() -> None:
    samples, containers, nodes = tables([Seen("cart")])
    rows = circumstances_of(containers, samples.slice(0, 0), None, cluster="east", now_s=NOW_S)
    [cart] = merged(rows).values()
    assert (cart.cpu_highest_cores, cart.weekday_hours, cart.node_cpu_cores) == (None, None, None)
    assert len(circumstances_of(containers.slice(0, 0), samples, nodes, cluster="", now_s=0)) == 0
