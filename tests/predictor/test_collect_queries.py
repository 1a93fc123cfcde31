"""Windows, their halves, the expressions they become, and the pace at which they are asked."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.collect_pace import Failure, after_answer, backoff_s, beginning, slower
from predictor.core.collect_queries import (
    FACTS,
    MEASURES,
    Ask,
    metrics_query,
    needs,
    promql,
    query,
    quoted,
)
from predictor.core.collect_settings import CollectSettings
from predictor.core.collect_windows import ENDINGS, Window, halved, hours, planned

SETTINGS = CollectSettings()
HOUR_S = 3_600
WINDOW = hours("east", ("shop",), HOUR_S)


def cells(window: Window) -> set[tuple[str, int, str]]:
    """Namespaces, stamps and last letters that a window asks for."""
    stamps = range(window.from_s, window.to_s, 300)
    return {
        (name, ts_s, letter)
        for name in window.namespaces or ("all",)
        for ts_s in stamps
        for letter in window.endings
    }


@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(0, 10**6), min_size=1),
    st.integers(1, 10**6),
)
def test_a_plan_asks_for_everything_once_within_the_bound(
    series: dict[str, int], most_cells: int
) -> None:
    window = hours("east", tuple(series), HOUR_S)
    parts = planned(window, series=series, most_cells=most_cells, interval_s=300, every_s=60)
    found = [cell for part in parts for cell in cells(part)]
    assert len(found) == len(set(found)), "nothing twice"
    assert set(found) == cells(window), "nothing left out"
    for part in parts:
        smallest = not halved(part, interval_s=300)
        points = (part.to_s - part.from_s) / 60 * len(part.endings) / len(ENDINGS)
        held = sum(series[name] for name in part.namespaces or ())
        assert smallest or held * points <= most_cells


@given(
    st.integers(1, 4),
    st.integers(1, 12),
    st.text(ENDINGS, min_size=1).map(lambda text: "".join(sorted({*text}))),
)
def test_halves_are_disjoint_complete_and_smaller(count: int, points: int, letters: str) -> None:
    window = Window("east", tuple("abcd"[:count]), HOUR_S, HOUR_S + points * 300, letters)
    halves = halved(window, interval_s=300)
    if count == points == len(letters) == 1:
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
    asked = query(Ask.MEMORY, WINDOW, SETTINGS)
    assert asked.path == "query_range"
    assert {k: asked.params[k] for k in ("start", "end", "step", "timeout")} == {
        "start": "3600",
        "end": "6900",
        "step": "300s",
        "timeout": "60s",
    }
    short = query(Ask.CPU, WINDOW, SETTINGS).params
    assert (short["start"], short["end"], short["step"]) == ("3360", "6900", "60s")
    counted = query(Ask.NAMESPACES, hours("", None, HOUR_S, 3), SETTINGS).params
    assert (counted["start"], counted["end"], counted["step"]) == ("6900", "14100", "3600s")
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
        'rate(cpu:seconds{container!="", container!="POD", region="east", namespace="shop"}[120s])'
    )
    both = hours("east", ("a-b", "shop"), 0)
    assert 'namespace=~"a\\\\-b|shop"' in promql(Ask.MEMORY, both, other)
    assert promql(Ask.POD_INFO, hours("east", None, 0), other) == (
        "max by (namespace, exported_pod, node) "
        '(last_over_time(kube_pod_info{region="east"}[3600s]))'
    )


@pytest.mark.parametrize("ask", [*MEASURES, *FACTS])
def test_a_half_of_the_letters_is_in_every_question(ask: Ask) -> None:
    half = Window("", ("shop",), 0, 300, "abc")
    assert '=~".*[abc]"' in promql(ask, half, SETTINGS)


def test_which_metrics_there_are_is_one_question_to_the_index() -> None:
    asked = metrics_query(CollectSettings(cluster_label="region"), WINDOW)
    assert asked.path == "label/__name__/values"
    for ask in (*MEASURES, *FACTS):
        assert all(name in asked.params["match[]"] for name in needs(ask, SETTINGS))
    assert asked.params["match[]"].endswith('reason=~"|OOMKilled", region="east"}')


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
        ({"burst_every_s": 70}, "burst_every_s"),
        ({"accept_encoding": "a, b"}, "accept_encoding"),
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
    assert (pace.cells, pace.in_flight) == (12_500, 2)
    pace = slower(pace, Failure.TOO_LARGE)
    assert (pace.cells, pace.in_flight) == (6_250, 2)
    pace = slower(slower(pace, Failure.BUSY), Failure.BUSY)
    assert (pace.cells, pace.in_flight) == (6_250, 1), "one at least"
    for _ in range(200):
        pace = after_answer(pace, SETTINGS)
        assert pace.cells <= SETTINGS.most_cells
        assert pace.in_flight <= SETTINGS.most_in_flight
    assert (pace.cells, pace.in_flight) == (25_000, 4)


@pytest.mark.parametrize(
    ("tries", "asked_s", "expected"),
    [(1, None, 1), (2, None, 2), (4, None, 8), (50, None, 30), (1, 12.0, 12), (1, 9e4, 30)],
)
def test_the_back_off_doubles_up_to_a_bound(
    tries: int, asked_s: float | None, expected: float
) -> None:
    assert backoff_s(tries, asked_s, SETTINGS) == expected
