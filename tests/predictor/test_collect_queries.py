"""Windows, their halves, the expressions they become, and the pace at which they are asked."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.collect_pace import Failure, after_answer, backoff_s, beginning, slower
from predictor.core.collect_queries import (
    ENDINGS,
    FACTS,
    Ask,
    Window,
    halved,
    hour,
    planned,
    promql,
    query,
    quoted,
)
from predictor.core.collect_settings import CollectSettings

SETTINGS = CollectSettings()
HOUR_S = 3_600
WINDOW = hour("east", "shop", HOUR_S)


def cells(window: Window) -> set[tuple[int, str]]:
    """Stamps and last letters that a window asks for."""
    stamps = range(window.from_s, window.to_s, 300)
    return {(ts_s, letter) for ts_s in stamps for letter in window.endings}


@given(st.integers(0, 10**7), st.integers(1, 10**6))
def test_a_plan_asks_for_everything_once_within_the_bound(series: int, most_cells: int) -> None:
    parts = planned(WINDOW, series=series, most_cells=most_cells, interval_s=300)
    found = [cell for part in parts for cell in cells(part)]
    assert len(found) == len(set(found)), "nothing twice"
    assert set(found) == cells(WINDOW), "nothing left out"
    for part in parts:
        smallest = not halved(part, interval_s=300)
        assert smallest or series * len(cells(part)) / len(ENDINGS) <= most_cells


@given(st.integers(1, 12), st.text(ENDINGS, min_size=1).map(lambda text: "".join(sorted({*text}))))
def test_halves_are_disjoint_complete_and_smaller(points: int, letters: str) -> None:
    window = Window("east", None, HOUR_S, HOUR_S + points * 300, letters)
    halves = halved(window, interval_s=300)
    if points == 1 and len(letters) == 1:
        assert halves == ()
        return
    first, second = (cells(half) for half in halves)
    assert first
    assert second
    assert not first & second
    assert first | second == cells(window)


def test_every_name_of_kubernetes_ends_in_one_of_the_letters() -> None:
    assert set(ENDINGS) == set(string.ascii_lowercase + string.digits)


def test_an_hour_asks_for_the_stamps_within_it() -> None:
    asked = query(Ask.CPU, WINDOW, SETTINGS)
    assert asked.path == "query_range"
    assert {k: asked.params[k] for k in ("start", "end", "step", "timeout")} == {
        "start": "3600",
        "end": "6900",
        "step": "300s",
        "timeout": "60s",
    }
    assert query(Ask.POD_OWNER, WINDOW, SETTINGS).params["time"] == "6900"


def test_names_of_metrics_and_labels_are_those_of_the_settings() -> None:
    other = CollectSettings(
        cpu_metric="cpu:seconds",
        pod_label="k8s_pod",
        instance_label="cid",
        cluster_label="region",
        owner_pod_label="exported_pod",
    )
    assert promql(Ask.CPU, WINDOW, other) == (
        "sum by (k8s_pod, container) (max by (k8s_pod, container, cid) (rate(cpu:seconds"
        '{container!="", container!="POD", region="east", namespace="shop"}[300s])))'
    )
    assert promql(Ask.POD_INFO, hour("east", None, 0), other) == (
        "max by (namespace, exported_pod, node) "
        '(last_over_time(kube_pod_info{region="east"}[3600s]))'
    )


@pytest.mark.parametrize("ask", [Ask.CPU, Ask.CPU_MAX, Ask.MEMORY, *FACTS])
def test_a_half_of_the_letters_is_in_every_question(ask: Ask) -> None:
    half = Window("", "shop", 0, 300, "abc")
    assert '=~".*[abc]"' in promql(ask, half, SETTINGS)


@given(st.text(max_size=20))
def test_a_name_cannot_end_its_own_quotes(name: str) -> None:
    inside = quoted(name)[1:-1]
    assert '"' not in inside.replace("\\\\", "").replace('\\"', "")
    assert "\n" not in inside


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cpu_metric": "up[1h]"}, "cpu_metric"),
        ({"pod_label": "pod) or vector(1"}, "pod_label"),
        ({"memory_metric": ""}, "memory_metric"),
        ({"tenant_header": "A: b"}, "tenant_header"),
        ({"interval_s": 420}, "interval_s"),
        ({"burst_s": 301}, "burst_s"),
        ({"most_in_flight": 0}, "most_in_flight"),
        ({"first_backoff_s": float("nan")}, "first_backoff_s"),
    ],
)
def test_settings_that_no_server_could_have_are_refused(
    change: dict[str, str | int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        CollectSettings(**change)  # type: ignore[arg-type]  # wrong on purpose


def test_a_suffering_server_is_asked_less_and_a_well_one_more() -> None:
    pace = beginning(SETTINGS)
    pace = slower(pace, Failure.OVERLOADED)
    assert (pace.cells, pace.in_flight) == (25_000, 2)
    pace = slower(pace, Failure.TOO_LARGE)
    assert (pace.cells, pace.in_flight) == (12_500, 2)
    pace = slower(slower(pace, Failure.BUSY), Failure.BUSY)
    assert (pace.cells, pace.in_flight) == (12_500, 1), "one at least"
    for _ in range(200):
        pace = after_answer(pace, SETTINGS)
        assert pace.cells <= SETTINGS.most_cells
        assert pace.in_flight <= SETTINGS.most_in_flight
    assert (pace.cells, pace.in_flight) == (50_000, 4)


@pytest.mark.parametrize(
    ("tries", "asked_s", "expected"),
    [(1, None, 1), (2, None, 2), (4, None, 8), (50, None, 30), (1, 12.0, 12), (1, 9e4, 30)],
)
def test_the_back_off_doubles_up_to_a_bound(
    tries: int, asked_s: float | None, expected: float
) -> None:
    assert backoff_s(tries, asked_s, SETTINGS) == expected
