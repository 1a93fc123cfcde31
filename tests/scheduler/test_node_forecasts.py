"""Forecasts as the API server sends them become supply; none can harm another node than its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.adapters.board import Board
from scheduler.adapters.node_forecasts import KeptForecasts, read
from scheduler.core.snapshot import NodeColumns
from slacktide.errors import BadInput
from slacktide.kube.cache import Change
from slacktide.kube.forecasts import NodeForecast
from tests.scheduler.boards import NOW_S, Planner, batch_pod, forecast, raw_forecast, selling_node

MADE = "2026-01-01T00:10:00Z"


def told(*forecasts: NodeForecast, nodes: int = 3) -> Board:
    board = Board()
    board.nodes_changed([Change(None, selling_node(f"n{k}", milli=8_000)) for k in range(nodes)])
    for one in forecasts:
        board.forecasts.take(one.metadata.name, one)
    return board


def columns(board: Board, now_s: float = NOW_S) -> NodeColumns:
    return board.node_columns(None, now_s=now_s)


def test_without_forecasts_allocatable_is_what_is_sold() -> None:
    found = columns(told())
    assert found.horizons_s.tolist() == [3_600]
    assert found.free_cpu_cores.tolist() == [[8.0]] * 3
    assert found.supply_note == ""


def test_a_forecast_bounds_each_horizon_of_its_node() -> None:
    board = told(*(forecast(f"n{k}", 6.0, 4.0, 9.0 - k) for k in range(3)))
    found = columns(board)
    assert found.horizons_s.tolist() == [3_600, 14_400, 86_400]
    assert found.free_cpu_cores.tolist() == [[6.0, 4.0, 4.0]] * 3
    assert found.open.all()


def test_a_node_without_a_forecast_closes_once_anybody_has_one() -> None:
    found = columns(told(forecast("n1", 6.0, 4.0, 2.0)))
    assert found.open.tolist() == [False, True, False]


def test_when_the_last_forecast_goes_allocatable_counts_again() -> None:
    board = told(forecast("n1", 6.0, 4.0, 2.0))
    board.forecasts.take("n1", None)
    assert columns(board).open.all()
    assert columns(board).horizons_s.tolist() == [3_600]


def test_a_forecast_for_a_node_that_nobody_knows_waits_for_it() -> None:
    board = told(forecast("n7", 1.0, 1.0, 1.0), forecast("n0", 2.0, 2.0, 2.0), nodes=1)
    assert columns(board).names == ("n0",)
    board.nodes_changed([Change(None, selling_node("n7", milli=8_000))])
    assert dict(zip(columns(board).names, columns(board).free_cpu_cores[:, 0], strict=True)) == {
        "n0": 2.0,
        "n7": 1.0,
    }


def test_the_horizons_are_those_of_most_and_others_are_read_where_they_reach() -> None:
    odd = forecast("n2", 7.0, 3.0, hours=(2, 200))
    found = columns(told(forecast("n0", 6, 4, 2), forecast("n1", 6, 4, 2), odd))
    assert found.horizons_s.tolist() == [3_600, 14_400, 86_400]
    assert found.free_cpu_cores[2].tolist() == [7.0, 3.0, 3.0]
    short = forecast("n2", 7.0, hours=(2,))
    found = columns(told(forecast("n0", 6, 4, 2), forecast("n1", 6, 4, 2), short))
    assert found.free_cpu_cores[2].tolist() == [7.0, 0.0, 0.0]


def horizon(seconds: object, **reclaimable: object) -> dict[str, object]:
    return {"seconds": seconds, "reclaimable": reclaimable}


GOOD = horizon(3_600, cpu="1")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (None, "no forecast"),
        ({}, "no forecast"),
        ("much", "no forecast"),
        ({"madeAt": MADE, "horizons": []}, "do not ascend"),
        ({"madeAt": MADE, "horizons": [GOOD, GOOD]}, "do not ascend"),
        ({"madeAt": MADE, "horizons": [horizon(7_200, cpu="1"), GOOD]}, "do not ascend"),
        ({"madeAt": MADE, "horizons": [horizon(0, cpu="1")]}, "do not ascend"),
        ({"madeAt": MADE, "horizons": [horizon(-5, cpu="1")]}, "do not ascend"),
        ({"madeAt": MADE, "horizons": [horizon(10**12, cpu="1")]}, "do not ascend"),
        ({"madeAt": MADE, "horizons": [horizon(10**30, cpu="1")]}, "do not ascend"),
        ({"madeAt": MADE, "horizons": [horizon(1.5, cpu="1")]}, "no forecast"),
        ({"madeAt": MADE, "horizons": [horizon(k + 1, cpu="1") for k in range(17)]}, "too many"),
        ({"madeAt": MADE, "horizons": [horizon(3_600, cpu="NaN")]}, "not a quantity"),
        ({"madeAt": MADE, "horizons": [horizon(3_600, cpu="-1")]}, "cannot be negative"),
        ({"madeAt": MADE, "horizons": [horizon(3_600, cpu=-1)]}, "cannot be negative"),
        ({"madeAt": MADE, "horizons": [horizon(3_600, cpu="1e99")]}, "more than a node has"),
        ({"madeAt": MADE, "horizons": [horizon(3_600, memory="9Ei")]}, "more than a node has"),
        ({"madeAt": MADE, "horizons": [horizon(3_600, cpu="9" * 99)]}, "not a quantity"),
        ({"madeAt": MADE, "horizons": [horizon(3_600, cpu=["1"])]}, "no forecast"),
        ({"madeAt": "yesterday", "horizons": [GOOD]}, "no time"),
        ({"madeAt": "2026-01-01T00:10:00", "horizons": [GOOD]}, "no time zone"),
        ({"madeAt": 5, "horizons": [GOOD]}, "no forecast"),
    ],
)
def test_a_forecast_that_makes_no_sense_closes_its_own_node_alone(status: object, why: str) -> None:
    hostile = raw_forecast("n0", status)
    with pytest.raises(BadInput, match=why):
        read(hostile)
    found = columns(told(hostile, forecast("n1", 6, 4, 2), forecast("n2", 6, 4, 2)))
    assert found.open.tolist() == [False, True, True]
    assert found.free_cpu_cores[1].tolist() == [6.0, 4.0, 2.0]
    assert "1 closed" in found.supply_note


def test_forecasts_are_counted_by_how_old_they_are() -> None:
    board = told(
        *(forecast(f"n{k}", 6, 4, 2, after_s=600 - age_s) for k, age_s in enumerate((0, 0, 300))),
        raw_forecast("n9", {}),
    )
    counted = {"fresh": 2, "stale": 1, "decaying": 0, "closed": 1}
    assert board.forecasts.by_rung(now_s=NOW_S) == counted
    board.forecasts.take("n9", None)
    assert board.forecasts.by_rung(now_s=NOW_S) == counted | {"closed": 0}


def test_what_is_not_forecast_is_sold_to_nobody() -> None:
    found = read(raw_forecast("n0", {"madeAt": MADE, "horizons": [horizon(3_600, cpu="2500m")]}))
    assert found.cpu_cores.tolist() == [2.5]
    assert found.memory_bytes.tolist() == [0.0]


def test_a_hostile_forecast_is_told_once_until_it_is_another() -> None:
    kept = KeptForecasts()
    hostile = raw_forecast("n0", {"madeAt": MADE, "horizons": []})
    kept.take("n0", hostile)
    said = kept.problems["n0"]
    kept.take("n0", hostile)
    assert kept.problems == {"n0": said}
    kept.take("n0", forecast("n0", 6, 4, 2))
    assert kept.problems == {}


events = st.lists(
    st.tuples(
        st.sampled_from(["n0", "n1", "n2", "n9"]),
        st.sampled_from(["hours", "other hours", "unreadable", "gone", "node"]),
        st.integers(0, 8),
    ),
    max_size=30,
)


@given(events)
def test_events_come_to_what_a_fresh_reading_says(history: list[tuple[str, str, int]]) -> None:
    board = told()
    last: dict[str, NodeForecast | None] = {}
    for name, kind, cores in history:
        if kind == "node":
            board.nodes_changed([Change(selling_node(name), None)])
            board.nodes_changed([Change(None, selling_node(name, milli=8_000))])
            columns(board)
            continue
        made = {
            "hours": forecast(name, cores, cores / 2, 0.5),
            "other hours": forecast(name, cores, 1, hours=(2, 12)),
            "unreadable": raw_forecast(name, {}),
        }.get(kind)
        last[name] = made
        board.forecasts.take(name, made)
    fresh = KeptForecasts()
    for name, one in last.items():
        fresh.take(name, one)
    table, plain = board.nodes.table(), board.nodes.columns()
    found = board.forecasts.supply(plain, table, now_s=NOW_S)
    wanted = fresh.supply(plain, table, now_s=NOW_S)
    if found is None or wanted is None:
        assert found is wanted
        return
    readable = np.isfinite(wanted.made_s)
    assert found.horizons_s.tolist() == wanted.horizons_s.tolist()
    assert np.array_equal(found.made_s, wanted.made_s, equal_nan=True)
    assert np.array_equal(found.cpu_cores[readable], wanted.cpu_cores[readable])


def test_a_gang_is_judged_at_the_horizon_that_covers_how_long_it_runs() -> None:
    short = batch_pod("short", milli=3_000, annotations={"slacktide.io/expected-duration": "30m"})
    long = batch_pod("long", milli=3_000, annotations={"slacktide.io/expected-duration": "3h"})
    planner = Planner([selling_node("n0", milli=8_000)], [short, long])
    planner.board.forecasts.take("n0", forecast("n0", 8.0, 2.0, 1.0))
    placed, waits = planner.decided_once()
    assert placed == {"short": "n0"}
    assert "judged at the 4 h horizon" in waits["long"]
    assert "online needs the room" in waits["long"]


def test_old_forecasts_are_named_where_they_are_why_a_gang_waits() -> None:
    planner = Planner([selling_node("n0")], [batch_pod("p")])
    planner.board.forecasts.take("n0", forecast("n0", 8.0, 8.0, 8.0, after_s=-7_000))
    placed, waits = planner.decided_once()
    assert placed == {}
    assert "nodes that are closed (of 1 nodes' forecasts: 1 closed" in waits["p"]


def test_who_says_no_duration_is_judged_as_one_that_runs_longest() -> None:
    planner = Planner([selling_node("n0", milli=8_000)], [batch_pod("p", milli=3_000)])
    planner.board.forecasts.take("n0", forecast("n0", 8.0, 8.0, 2.0))
    placed, waits = planner.decided_once()
    assert placed == {}
    assert "judged at the 1 d horizon" in waits["p"]
    assert "how long it runs is not known" in waits["p"]
