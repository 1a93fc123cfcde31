"""Many rows to few points, without losing or moving anything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core.buckets import bucket_means, bucket_rows, bucket_sums, bucket_times

NUMBERS = st.lists(st.one_of(st.integers(-9, 9), st.just(float("nan"))), max_size=40)


@pytest.mark.parametrize(
    ("rows", "points", "expected"), [(10, 10, 1), (11, 10, 2), (1, 600, 1), (8640, 600, 15)]
)
def test_a_bucket_is_as_small_as_the_points_allow(rows: int, points: int, expected: int) -> None:
    assert bucket_rows(rows, points) == expected


@given(rows=st.integers(1, 10_000), points=st.integers(1, 2_000))
def test_there_are_never_more_buckets_than_points(rows: int, points: int) -> None:
    assert -(-rows // bucket_rows(rows, points)) <= points


@given(values=NUMBERS, size=st.integers(1, 7))
def test_a_mean_is_of_what_is_known_in_its_bucket(values: list[float], size: int) -> None:
    means = bucket_means(np.array(values, dtype=np.float64), size)
    for place, mean in enumerate(means):
        known = [v for v in values[place * size : (place + 1) * size] if v == v]  # noqa: PLR0124 - NaN
        assert np.isnan(mean) if not known else mean == pytest.approx(sum(known) / len(known))
    assert len(means) == -(-len(values) // size)


def test_columns_are_averaged_one_by_one() -> None:
    table = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, np.nan]])
    assert bucket_means(table, 2)[0].tolist() == [2.0, 20.0]
    assert bucket_means(table, 2)[1, 0] == 5.0


@given(values=st.lists(st.integers(0, 9), max_size=40), size=st.integers(1, 7))
def test_sums_lose_no_count(values: list[int], size: int) -> None:
    assert bucket_sums(np.array(values, dtype=np.int64), size).sum() == sum(values)


def test_a_bucket_begins_with_its_first_interval() -> None:
    ends = np.array([3_600, 7_200, 10_800])
    assert bucket_times(ends, 2, interval_s=3_600) == [0, 7_200]
