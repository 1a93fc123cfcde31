"""Frames become columns; forecasts are judged when their day is over."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core.frame_log import FrameLog, planned_rows
from tests.dashboard.runs import HOUR_S, INFO, START_S, frame, on_each


def test_a_view_stays_as_it_was_while_the_log_grows() -> None:
    log = FrameLog(INFO)
    log.append(frame(1, online=1.0))
    earlier = log.view()
    for number in range(2, 600):
        log.append(frame(number, online=9.0))
    assert earlier.at_s.tolist() == [START_S + HOUR_S]
    assert earlier.online_cores.tolist() == [[1.0, 1.0, 1.0]]
    assert len(log.view().at_s) == 599


def test_a_view_cannot_be_written() -> None:
    log = FrameLog(INFO)
    log.append(frame(1))
    with pytest.raises(ValueError, match="read-only"):
        log.view().online_cores[0, 0] = 5.0


def test_the_clock_and_the_progress_follow_the_last_frame() -> None:
    log = FrameLog(INFO)
    assert (log.view().now_s, log.view().progress_share) == (START_S, 0.0)
    for number in range(1, 13):
        log.append(frame(number))
    assert (log.view().now_s, log.view().progress_share) == (START_S + 12 * HOUR_S, 0.25)


def test_a_replay_without_length_is_done() -> None:
    empty = dataclasses.replace(INFO, end_s=START_S)
    assert FrameLog(empty).view().progress_share == 1.0
    assert planned_rows(empty) == 1


def test_a_frame_from_the_past_is_refused() -> None:
    log = FrameLog(INFO)
    log.append(frame(2))
    with pytest.raises(ValueError, match="came after"):
        log.append(frame(2))


def test_a_frame_of_another_fleet_is_refused_and_leaves_no_trace() -> None:
    log = FrameLog(INFO)
    strange = dataclasses.replace(frame(1), kept_cores=np.ones(2, dtype=np.float32))
    with pytest.raises(ValueError, match="kept_cores"):
        log.append(strange)
    assert log.view().at_s.size == 0


def test_a_forecast_is_judged_only_when_its_day_is_over() -> None:
    log = FrameLog(INFO)
    for number in range(1, 24):
        log.append(frame(number))
    assert log.view().outcomes.tolist() == []
    log.append(frame(24))
    assert log.view().outcomes.tolist() == [[3, 0]]


def test_what_came_is_the_highest_demand_of_the_day_and_not_of_the_hour_after() -> None:
    log = FrameLog(INFO)
    for number in range(1, 26):
        log.append(frame(number, online=3.0 if number == 24 else 9.0 if number == 25 else 2.0))
    assert log.view().came_cores.tolist() == [[3.0, 3.0, 3.0]]


def test_demand_counts_what_online_lost() -> None:
    log = FrameLog(INFO)
    for number in range(1, 25):
        log.append(frame(number, online=3.5, kept=4.0, lost_core_s=HOUR_S if number == 5 else 0.0))
    assert log.view().came_cores.tolist() == [[4.5, 4.5, 4.5]]
    assert log.view().outcomes.tolist() == [[3, 3]]


def test_a_new_forecast_begins_where_what_is_kept_changes() -> None:
    log = FrameLog(INFO)
    for number in range(1, 41):
        log.append(frame(number, kept=4.0 if number <= 12 else 1.0))
    view = log.view()
    assert view.forecast_of.tolist() == [0] * 12 + [1] * 28
    assert view.outcomes.tolist() == [[3, 0], [3, 3]]


def test_a_node_without_samples_is_not_judged() -> None:
    log = FrameLog(INFO)
    for number in range(1, 25):
        gap = on_each(2.0)
        gap[1] = np.nan
        log.append(dataclasses.replace(frame(number), online_cores=gap))
    assert log.view().outcomes.tolist() == [[2, 0]]
    assert np.isfinite(log.view().totals).all()


@given(
    online=st.lists(st.integers(0, 9), min_size=24, max_size=60),
    kept=st.lists(st.integers(0, 9), min_size=60, max_size=60),
)
def test_judging_as_frames_come_equals_judging_in_hindsight(
    online: list[int], kept: list[int]
) -> None:
    log = FrameLog(INFO)
    for number, cores in enumerate(online):
        log.append(frame(number + 1, online=cores, kept=kept[number]))
    issued = [k for k in range(len(online)) if k == 0 or kept[k] != kept[k - 1]]
    matured = [k for k in issued if k + 24 <= len(online)]
    expected = [[3, 3 * int(max(online[k : k + 24]) > kept[k])] for k in matured]
    assert log.view().outcomes.tolist() == expected
