"""The fleet's figures, worked out by hand, and ticks that add up to the whole."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.app.events import tick
from dashboard.app.runbook import RunBook
from dashboard.core.frame_log import FrameLog
from dashboard.core.overview import cluster_figures, headline, overview
from tests.dashboard.runs import HOUR_S, INFO, START_S, filled, frame


def test_the_headline_is_the_sum_of_the_frames() -> None:
    log = FrameLog(INFO)
    for number in range(1, 5):
        log.append(frame(number, evicted=number == 2))
    figures = headline(log.view())
    # 3 nodes x 2 online cores of 40 cores; 3 x 4 offline; 3 x 5 sold over 4 hours
    assert figures.utilisation_without == 0.15
    assert figures.utilisation_with == 0.45
    assert figures.sold_core_hours == 60.0
    assert figures.offline_core_hours == 48.0
    assert figures.evicted_tasks == 1
    assert figures.replayed_s == 4 * HOUR_S
    assert (figures.promised_risk, figures.realised_risk) == (0.01, None)


def test_what_online_lost_counts_as_demand_and_not_as_use() -> None:
    log = FrameLog(INFO)
    log.append(frame(1, online=2.0, lost_core_s=HOUR_S / 2))
    figures = headline(log.view())
    assert figures.utilisation_without == 0.1875
    assert figures.utilisation_with == 0.45
    assert figures.online_lost_share == pytest.approx(0.2)
    assert figures.online_lost_core_hours == 1.5


def test_a_run_that_has_just_begun_knows_nothing() -> None:
    figures = overview(FrameLog(INFO).view(), points=600)
    assert figures.series.at_s == []
    assert figures.headline.utilisation_with is None
    assert figures.headline.online_lost_share is None
    assert [row.utilisation_with for row in figures.clusters] == [None, None]


def test_realised_risk_stands_beside_the_promise_once_forecasts_are_judged() -> None:
    log = FrameLog(INFO)
    for number in range(1, 49):
        log.append(frame(number, kept=4.0 if number <= 12 else 1.0))
    figures = headline(log.view())
    assert (figures.judged_forecasts, figures.realised_risk) == (6, 0.5)


def test_each_cluster_is_measured_by_its_own_cores() -> None:
    log = FrameLog(INFO)
    log.append(frame(1))
    east, west = cluster_figures(log.view())
    assert (east.cluster, east.nodes, east.cpu_cores, east.utilisation_with) == ("east", 2, 30, 0.4)
    assert (west.cluster, west.nodes, west.cpu_cores, west.utilisation_with) == ("west", 1, 10, 0.6)


def test_points_are_means_over_their_time() -> None:
    log = FrameLog(INFO)
    for number in range(1, 49):
        log.append(frame(number, online=number % 2, evicted=1))
    points = overview(log.view(), points=24)
    assert points.step_s == 2 * HOUR_S
    assert points.series.at_s[:2] == [START_S, START_S + 2 * HOUR_S]
    assert set(points.series.utilisation_without) == {0.0375}
    assert points.series.evicted_tasks == [2] * 24


@given(cuts=st.lists(st.integers(1, 48), max_size=6), points=st.integers(1, 48))
def test_ticks_add_up_to_the_whole_run(cuts: list[int], points: int) -> None:
    book = RunBook()
    book.begin(INFO)
    shown: dict[str, list[object]] = {}
    seen = None
    for number in range(1, 49):
        book.add_frame(frame(number, online=number % 5, evicted=number % 3))
        if number in {1, 48, *cuts}:
            page = book.page()
            told = tick(page, seen, points=points)
            assert told.series is not None
            for name, values in dataclasses.asdict(told.series).items():
                before = shown.get(name, [])
                assert len(before) >= told.first_point
                shown[name] = before[: told.first_point] + values
            seen = page
    view = book.page().view
    assert view is not None
    assert shown == dataclasses.asdict(overview(view, points=points).series)


def test_a_new_run_is_told_from_its_beginning() -> None:
    book = filled()
    seen = book.page()
    book.begin(INFO)
    book.add_frame(frame(1))
    told = tick(book.page(), seen, points=48)
    assert (told.first_point, told.progress.revisions.run) == (0, 2)
    assert told.series is not None
    assert told.series.at_s == [START_S]


def test_before_any_run_a_tick_says_so() -> None:
    told = tick(RunBook().page(), None, points=48)
    assert (told.headline, told.series) == (None, None)
    assert told.progress.state == "waiting"
    assert told.progress.now_s is None
