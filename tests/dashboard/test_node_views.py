"""The heat map and the single node."""

from __future__ import annotations

import pytest

from dashboard.core.frame_log import FrameLog, RunView
from dashboard.core.node_views import heat_map, node_series
from tests.dashboard.runs import HOUR_S, INFO, START_S, frame


@pytest.fixture(scope="module")
def view() -> RunView:
    log = FrameLog(INFO)
    for number in range(1, 31):
        log.append(frame(number, kept=4.0 if number <= 3 else 1.0))
    return log.view()


def test_a_line_for_each_node_and_a_cell_for_each_hour(view: RunView) -> None:
    heat = heat_map(view, columns=48, offset=0, limit=10)
    assert (heat.total, heat.column_s, len(heat.at_s)) == (3, HOUR_S, 30)
    assert heat.at_s[0] == heat.start_s == START_S
    assert [row.node for row in heat.rows] == ["east-0", "east-1", "west/0"]
    assert heat.rows[0].utilisation_without == [0.2] * 30
    assert heat.rows[1].utilisation_with == [0.3] * 30
    assert heat.rows[1].mean_with == 0.3


@pytest.mark.parametrize(("columns", "cells"), [(48, 30), (24, 15), (5, 3), (1, 1)])
def test_cells_grow_so_that_the_whole_replay_fits(view: RunView, columns: int, cells: int) -> None:
    heat = heat_map(view, columns=columns, offset=0, limit=1)
    assert len(heat.rows[0].utilisation_with) == len(heat.at_s) == cells


@pytest.mark.parametrize(
    ("cluster", "offset", "limit", "names"),
    [
        (None, 1, 1, ["east-1"]),
        (None, 3, 5, []),
        ("west", 0, 5, ["west/0"]),
        ("north", 0, 5, []),
    ],
)
def test_only_the_lines_asked_for_are_sent(
    view: RunView, cluster: str | None, offset: int, limit: int, names: list[str]
) -> None:
    heat = heat_map(view, columns=4, offset=offset, limit=limit, cluster=cluster)
    assert [row.node for row in heat.rows] == names


def test_a_map_of_a_run_without_frames_is_empty() -> None:
    heat = heat_map(FrameLog(INFO).view(), columns=4, offset=0, limit=5)
    assert heat.at_s == []
    assert [row.mean_with for row in heat.rows] == [None, None, None]


def test_a_node_shows_what_was_kept_beside_what_came(view: RunView) -> None:
    series = node_series(view, 2, points=48, reason="why")
    assert (series.node, series.cluster, series.cpu_cores) == ("west/0", "west", 10.0)
    assert series.kept_cores == [4.0] * 3 + [1.0] * 27
    assert series.came_cores == [2.0] * 30
    assert (series.judged_forecasts, series.exceeded_forecasts) == (2, 1)
    assert series.reason == "why"


def test_what_came_is_unknown_until_the_day_is_over() -> None:
    log = FrameLog(INFO)
    for number in range(1, 26):
        log.append(frame(number, kept=4.0 if number <= 3 else 1.0))
    series = node_series(log.view(), 0, points=48, reason="")
    assert series.came_cores == [2.0] * 3 + [None] * 22
    assert (series.judged_forecasts, series.exceeded_forecasts) == (1, 0)


def test_points_are_bounded_however_long_the_run(view: RunView) -> None:
    series = node_series(view, 0, points=7, reason="")
    assert series.step_s == 7 * HOUR_S
    assert len(series.at_s) == len(series.online_cores) == len(series.came_cores) == 5
