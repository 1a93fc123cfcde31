"""Cold pods: each rung of the ladder, its evidence, its bounds, and what it is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.core.cold import (
    GROUP_SERIES,
    NAMESPACE_SERIES,
    ColdPods,
    Rung,
    cold_pods,
    high_share,
    said_of_cold,
)
from predictor.core.forecast import ForecastSettings, advance
from predictor.core.history import NEVER_S, History, node_sums, numbered
from predictor.core.hours import KEPT_HOURS, SeriesHours
from slacktide.messages import FloatArray

DAY_S = 86_400
HOUR_S = 3_600


def hours_of(peaks: FloatArray, seen_hours: list[int]) -> SeriesHours:
    """Series [S] that use `peaks` [S, K] in the last so many hours and were not seen before."""
    seen = np.arange(KEPT_HOURS) >= KEPT_HOURS - np.array(seen_hours)[:, None]
    peak = np.where(seen, peaks, 0.0).astype(np.float32)
    return SeriesHours(0, peak=peak, mean=peak, seen=seen.astype(np.float32))


def asked(
    *,
    use: list[float],
    seen_hours: list[int],
    request: list[float],
    workload: list[int] | None = None,
    image: list[int] | None = None,
    namespace: list[int] | None = None,
) -> ColdPods:
    """The ladder's answer for every series seen in fewer than 24 hours, all on one node."""
    count = len(use)
    level = np.tile(np.array(use)[:, None], (1, KEPT_HOURS))
    codes = [None if code is None else np.array(code) for code in (workload, image, namespace)]
    history = History(
        interval_s=300,
        cpu_cores=np.zeros((count, 0), dtype=np.float32),
        memory_bytes=None,
        node=np.zeros(count, dtype=np.int64),
        start_s=np.zeros(count, dtype=np.int64),
        end_s=np.full(count, NEVER_S),
        cpu_request_cores=np.array(request),
        memory_request_bytes=np.full(count, np.nan),
        nodes=("n",),
        clusters=("here",),
        node_cpu_cores=np.array([64.0]),
        node_memory_bytes=np.array([np.nan]),
        series=tuple(f"shop/web-{row}/app" for row in range(count)),
        workload=codes[0],
        image=codes[1],
        namespace=codes[2],
    )
    cold = np.array(seen_hours) < 24
    return cold_pods(
        hours_of(level, seen_hours), cold, history.cpu_request_cores, history, history.cpu_cores
    )


MANY = 20


@pytest.mark.parametrize(
    ("more", "count", "rung", "others"),
    [
        pytest.param({}, 4.0, Rung.REQUEST, 0, id="nothing known: the request"),
        pytest.param({"workload": [0, 0, 1]}, 0.8, Rung.SIBLINGS, 1, id="a sibling"),
        pytest.param({"workload": [-1, 1, -1]}, 4.0, Rung.REQUEST, 0, id="unknown is no sibling"),
        pytest.param(
            {"image": [0, 0, 1]}, 4.0, Rung.REQUEST, 0, id="one of an image is not enough"
        ),
        pytest.param({"namespace": [0, 0, 0]}, 4.0, Rung.REQUEST, 0, id="a namespace too small"),
        pytest.param(
            {"workload": [0, 0, 1], "seen_hours": [3, 30, 336]},
            4.0,
            Rung.REQUEST,
            0,
            id="too short",
        ),
        pytest.param(
            {"workload": [0, 0, 0], "seen_hours": [3, 24, 24]},
            1.85,
            Rung.SIBLINGS,
            2,
            id="together",
        ),
        pytest.param({"workload": [0, 0, 1], "use": [0.9, 0.8, 1.5]}, 0.9, Rung.USED, 0, id="used"),
        pytest.param(
            {"workload": [0, 0, 1], "request": [0.5, 0.5, 4.0]}, 0.5, Rung.REQUEST, 0, id="capped"
        ),
        pytest.param(
            {"use": [0.9, 0.8, 1.5], "request": [0.5, 0.5, 4.0]}, 0.9, Rung.USED, 0, id="above it"
        ),
        pytest.param({"request": [np.nan, 4.0, 4.0]}, 1.5, Rung.LARGEST, 0, id="no request"),
        pytest.param(
            {"request": [np.nan, 4.0, 4.0], "workload": [0, 0, 1]}, 0.8, Rung.SIBLINGS, 1, id="both"
        ),
    ],
)
def test_each_rung_answers_where_its_evidence_is_enough(
    more: dict[str, Any], count: float, rung: Rung, others: int
) -> None:
    pods = asked(
        **{
            "use": [0.1, 0.8, 1.5],
            "seen_hours": [3, 336, 336],
            "request": [4.0, 4.0, 4.0],
            **more,
        }
    )
    assert pods.name == ("web-0",)
    assert pods.count == pytest.approx([count])
    assert (pods.rung[0], pods.others[0]) == (rung, others)


def test_the_same_image_answers_before_the_namespace_and_after_siblings() -> None:
    def rung(**more: Any) -> tuple[int, Any]:
        pods = asked(
            use=[0.1, *[1.0] * MANY],
            seen_hours=[1, *[336] * MANY],
            request=[4.0, *[2.0] * MANY],
            **more,
        )
        return int(pods.rung[0]), pytest.approx(float(pods.count[0]))

    everywhere = [0] * (MANY + 1)
    assert max(NAMESPACE_SERIES, GROUP_SERIES) <= MANY
    assert rung(namespace=everywhere) == (Rung.NAMESPACE, 2.0)
    assert rung(namespace=everywhere, image=everywhere) == (Rung.GROUP, 1.0)
    assert rung(namespace=everywhere, workload=[0, 0, *range(1, MANY)]) == (Rung.SIBLINGS, 1.0)


def test_the_margin_is_the_spread_of_the_siblings_days() -> None:
    days = np.repeat(np.tile([1.0, 3.0], 7), 24)
    history = replace(lonely(), workload=np.zeros(2, dtype=np.int64))
    series = hours_of(np.stack([np.zeros(KEPT_HOURS), days]), [0, KEPT_HOURS])
    pods = cold_pods(
        series, np.array([True, False]), np.array([9.0, 9.0]), history, history.cpu_cores
    )
    assert pods.count == pytest.approx([3.0 + 1.0])


def lonely() -> History:
    """Two series on one node, of which nothing is known."""
    return History(
        interval_s=300,
        cpu_cores=np.zeros((2, 0), dtype=np.float32),
        memory_bytes=None,
        node=np.zeros(2, dtype=np.int64),
        start_s=np.zeros(2, dtype=np.int64),
        end_s=np.full(2, NEVER_S),
        cpu_request_cores=np.full(2, 9.0),
        memory_request_bytes=np.full(2, np.nan),
        nodes=("n",),
        clusters=("here",),
        node_cpu_cores=np.array([64.0]),
        node_memory_bytes=np.array([np.nan]),
    )


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_never_less_than_used_and_never_more_than_that_or_the_request(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 30))

    def drawn(values: st.SearchStrategy[Any]) -> list[Any]:
        return data.draw(st.lists(values, min_size=size, max_size=size))

    code = st.integers(-1, 2)
    use, seen = drawn(st.floats(0, 8)), drawn(st.sampled_from([0, 5, 23, 24, 48, 336]))
    request = drawn(st.one_of(st.floats(0, 8), st.just(float("nan"))))
    pods = asked(
        use=use,
        seen_hours=seen,
        request=request,
        workload=drawn(code),
        image=drawn(code),
        namespace=drawn(code),
    )
    used = np.array([u if s else 0.0 for u, s in zip(use, seen, strict=True) if s < 24])
    declared = np.array([r for r, s in zip(request, seen, strict=True) if s < 24])
    assert (pods.count >= used - 1e-6).all()
    assert (
        pods.count <= np.fmax(used, np.where(np.isnan(declared), np.inf, declared)) + 1e-6
    ).all()
    if len(pods.count):
        assert f"{len(pods.count)} cold pod" in said_of_cold(pods, 0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_a_high_share_is_one_that_hardly_any_exceeds(shares: list[float]) -> None:
    found = high_share(np.array(shares))
    assert found in shares
    assert sum(share > found for share in shares) <= 0.01 * len(shares)


def test_the_sentence_names_the_largest_and_what_they_stand_on() -> None:
    pods = asked(
        use=[0.1, 2.0, 0.3, 0.2, 0.1, 0.8, 0.8],
        seen_hours=[3, 3, 3, 3, 3, 336, 336],
        request=[4.0, 1.0, 3.0, np.nan, 0.5, 4.0, 4.0],
        workload=[0, 1, 2, 3, 4, 0, 0],
    )
    assert said_of_cold(pods, 0) == (
        "5 cold pods (seen for less than a day) at 7.1: web-2 at 3.0 (its request),"
        " web-1 at 2.0 (what it used already), web-0 at 0.8 (the highest of its 2 siblings and"
        " their spread), 2 more"
    )


def redeployed(*, every_s: int = 2 * DAY_S, days: int = 20) -> History:
    """Six Deployments of eight replicas on four nodes, all of whose pods are replaced as one."""
    rng = np.random.default_rng(7)
    columns, replicas = days * 48, 48
    at_s = np.arange(columns) * 1_800
    births = np.repeat(np.arange(0, days * DAY_S, every_s), replicas)
    pod = np.tile(np.arange(replicas), len(births) // replicas)
    wave = 0.4 * (1 + 0.5 * np.sin(2 * np.pi * at_s / DAY_S))
    use = wave * (1 + pod[:, None] % 6) / 3 * rng.gamma(8.0, 1 / 8, (len(births), columns))
    runs = (at_s >= births[:, None]) & (at_s < births[:, None] + every_s)
    return History(
        interval_s=1_800,
        cpu_cores=np.where(runs, use, np.nan).astype(np.float32),
        memory_bytes=None,
        node=pod % 4,
        start_s=births,
        end_s=births + every_s,
        cpu_request_cores=np.full(len(births), 4.0),
        memory_request_bytes=np.full(len(births), np.nan),
        nodes=tuple("abcd"),
        clusters=("here",) * 4,
        node_cpu_cores=np.full(4, 64.0),
        node_memory_bytes=np.full(4, np.nan),
        series=tuple(f"shop/web-{p}-{b // DAY_S}/app" for p, b in zip(pod, births, strict=True)),
        workload=numbered(p % 6 for p in pod.tolist()),
    )


def kept_and_broken(history: History) -> tuple[float, float]:
    """Share of the capacity kept and share of broken 12 h windows, in the days after a rollout."""
    settings = ForecastSettings(horizons_s=(12 * HOUR_S,), learn_every_s=6 * HOUR_S)
    state, kept, broken = None, [], []
    for now_s in range(DAY_S, 19 * DAY_S, 6 * HOUR_S):
        state, made = advance(state, history, now_s, settings)
        if now_s < 6 * DAY_S or now_s % (2 * DAY_S) > 12 * HOUR_S:
            continue  # the windows of pods that are all cold
        ahead = slice(now_s // 1_800 + 1, (now_s + 12 * HOUR_S) // 1_800 + 1)
        came = node_sums(
            history.cpu_cores[:, ahead], history.resident(now_s), history.node, nodes=4
        )
        kept.append(made.peak_cpu_cores[:, 0] / 64.0)
        broken.append(made.peak_cpu_cores[:, 0] < came.max(axis=1))
    return float(np.mean(kept)), float(np.mean(broken))


def test_after_a_rollout_siblings_keep_the_promise_and_hide_no_capacity() -> None:
    whole = redeployed()
    before, _ = kept_and_broken(replace(whole, workload=None))
    after, broken = kept_and_broken(whole)
    said = f"kept {after:.2f} of the capacity against {before:.2f} at requests, broken {broken:.3f}"
    assert broken <= 0.01, said
    assert after <= 0.6 * before, said


@pytest.mark.parametrize("poison", [50.0, 0.0])
def test_siblings_to_come_teach_nothing(poison: float) -> None:
    whole, now_s = redeployed(days=6), 4 * DAY_S + 6 * HOUR_S
    later = whole.cpu_cores.copy()
    later[:, now_s // 1_800 + 1 :] *= poison
    quick = ForecastSettings(horizons_s=(HOUR_S,))
    _, one = advance(None, whole, now_s, quick)
    _, other = advance(None, replace(whole, cpu_cores=later), now_s, quick)
    assert one.peak_cpu_cores.tobytes() == other.peak_cpu_cores.tobytes()
    assert "siblings" in one.reasons(0, 0)


def back_after(days_off: int, *, siblings: bool = False) -> tuple[History, int]:
    """A pod of a request of 9 that used 1.5 for two days, was off, and is on for three hours."""
    history, per_day = lonely(), 288
    columns = (2 + days_off) * per_day + 36
    cpu = np.full((2, columns), np.nan, dtype=np.float32)
    cpu[0, : 2 * per_day] = 1.0
    cpu[0, per_day] = 1.5
    cpu[0, -36:] = 0.2
    cpu[1] = 4.0
    workload = np.zeros(2, dtype=np.int64) if siblings else None
    return replace(history, cpu_cores=cpu, workload=workload), (columns - 1) * 300


@pytest.mark.parametrize("siblings", [False, True])
def test_a_pod_that_was_off_for_weeks_counts_at_what_it_used_before(siblings: bool) -> None:
    history, now_s = back_after(20, siblings=siblings)
    quick = ForecastSettings(horizons_s=(HOUR_S,))
    _, made = advance(None, history, now_s, quick)
    assert "at 1.5 (the highest it used before it was off for two weeks)" in made.reasons(0, 0)
    short = replace(history, cpu_cores=np.where(history.cpu_cores == 1, np.nan, history.cpu_cores))
    _, unknown = advance(None, short, now_s, quick)
    assert "two weeks" not in unknown.reasons(0, 0), "seen for five minutes then"


def test_a_pod_with_its_days_in_sight_is_warm_whatever_it_used_before() -> None:
    history, now_s = back_after(10)
    _, made = advance(None, history, now_s, ForecastSettings(horizons_s=(HOUR_S,)))
    assert "cold" not in made.reasons(0, 0)
