"""The picture of two weeks: what is high, what is usual, what is missing, where the line runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from predictor.core.plot import COLUMNS_A_DAY, ROWS, Bars, bars, plot

HALF_HOUR_S = 1_800
DAY_S = 86_400
IN_COLUMN = 8  # samples of 30 minutes in four hours


def drawn(samples: list[float], line: float | None = None, *, days: int = 1) -> list[str]:
    made = bars(
        np.array([samples], dtype=np.float32), interval_s=HALF_HOUR_S, window_s=days * DAY_S
    )
    return list(plot(made, line, lambda value: f"{value:g}"))


def test_a_short_peak_is_dotted_and_steady_use_is_solid() -> None:
    steady = [1.0] * IN_COLUMN * 5
    peaky = ([0.25] * 19 + [1.0]) * 2  # a twentieth of a longer column
    flat = bars(np.array([steady], dtype=np.float32), interval_s=HALF_HOUR_S, window_s=DAY_S)
    assert flat.usual[-1] == flat.highest[-1] == 1.0
    short = bars(np.array([peaky], dtype=np.float32), interval_s=720, window_s=DAY_S)
    assert (short.usual[-1], short.highest[-1]) == (0.25, 1.0)
    [*rows, _] = plot(short, None, str)
    assert [row[-1] for row in rows] == [":"] * 9 + ["#"] * 3


def test_the_picture_is_twelve_rows_and_an_axis_with_a_mark_a_day() -> None:
    picture = drawn([1.0] * 48 * 2, 0.5, days=2)
    assert len(picture) == ROWS + 1
    assert len({len(line) for line in picture}) == 1
    assert picture[-1] == "  0 +-----|-----|"


def test_the_line_stands_at_its_share_of_the_top_and_bears_its_value() -> None:
    picture = drawn([0.2] * 48, 1.0)
    assert picture[0] == "1 |" + "-" * COLUMNS_A_DAY
    middle = drawn([1.0] + [0.0] * 47, 0.5)
    assert [line.strip() for line in middle if line.startswith("0.5")] == ["0.5 |#-----"]


def test_without_a_recommendation_there_is_no_line() -> None:
    assert not any("-" in line for line in drawn([1.0] + [0.5] * 47)[:-1])


def test_what_was_not_seen_is_marked_and_nothing_at_all_is_no_picture() -> None:
    unseen = [float("nan")] * IN_COLUMN
    assert drawn([1.0] * IN_COLUMN * 5 + unseen)[-1].endswith("?")
    assert drawn([1.0] * IN_COLUMN)[-1].endswith("+?????|")
    assert drawn(unseen) == []


def test_the_hungriest_replica_is_the_maximum() -> None:
    made = bars(
        np.array([[0.1] * 48, [0.9] * 48], dtype=np.float32),
        interval_s=HALF_HOUR_S,
        window_s=DAY_S,
    )
    assert made.highest == pytest.approx(np.full(6, 0.9))


@given(
    arrays(np.float64, 12, elements=st.one_of(st.floats(0, 1e12), st.just(float("nan")))),
    st.one_of(st.none(), st.floats(0, 1e12)),
)
def test_any_use_makes_a_rectangle(highest: np.ndarray, line: float | None) -> None:
    picture = plot(Bars(usual=highest / 2, highest=highest), line, lambda value: f"{value:g}")
    assert len(picture) in {0, ROWS + 1}
    assert len({len(row) for row in picture}) <= 1


def test_a_line_of_its_own_for_each_column_is_drawn_where_it_was() -> None:
    made = bars(np.array([[1.0] * 48], dtype=np.float32), interval_s=HALF_HOUR_S, window_s=DAY_S)
    line = np.array([np.nan, 2.0, 4.0, 4.0, 3.0, 2.0])
    [*rows, _] = plot(made, line, lambda value: f"{value:g}")
    columns = ["".join(column)[::-1] for column in zip(*(row[-6:] for row in rows), strict=True)]
    assert [column.find("-") + 1 for column in columns] == [0, 6, 12, 12, 9, 6]
    assert all(column.startswith("###") for column in columns)
    assert rows[6].startswith("2 |")  # the newest of the line is named on the axis
