"""Few gangs are on their way at one time, and some always are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.flow import AT_ONCE, to_let_go

SIZES = st.lists(st.integers(1, 2_000), max_size=30)


@pytest.mark.parametrize(
    ("on_way", "sizes", "gangs"),
    [
        (0, [], 0),
        (0, [10] * 9, 5),
        (47, [10, 10], 1),
        (48, [10, 10], 0),
        (0, [1_000, 1_000], 1),
        (40, [1_000, 10], 1),
        (5_000, [1], 0),
    ],
)
def test_gangs_go_whole_until_enough_tasks_are_on_their_way(
    on_way: int, sizes: list[int], gangs: int
) -> None:
    assert to_let_go(on_way, sizes, at_once=48) == gangs


@given(on_way=st.integers(0, 200), sizes=SIZES)
def test_no_gang_goes_that_was_not_needed_to_fill_the_way(on_way: int, sizes: list[int]) -> None:
    gangs = to_let_go(on_way, sizes)
    if gangs:
        assert on_way + sum(sizes[: gangs - 1]) < AT_ONCE


@given(sizes=SIZES)
def test_the_line_never_stands_still_while_nobody_is_on_his_way(sizes: list[int]) -> None:
    assert (to_let_go(0, sizes) > 0) == bool(sizes)


@given(on_way=st.integers(0, 200), sizes=SIZES)
def test_whoever_stays_finds_the_way_full(on_way: int, sizes: list[int]) -> None:
    gangs = to_let_go(on_way, sizes)
    if gangs < len(sizes):
        assert on_way + sum(sizes[:gangs]) >= AT_ONCE
