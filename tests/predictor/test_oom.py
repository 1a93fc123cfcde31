"""After a kill a container counts at what it needed, for a week, and never before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from predictor.core.forecast import ForecastSettings, advance
from predictor.core.history import History
from predictor.core.oom import NEED_OF_LIMIT, REMEMBERED_S, counting_oom_kills

DAY_S = 86_400
GIB = float(1 << 30)
Fleet = Callable[..., History]
KILLED_AT = 100  # the column of 1,800 s


def killed(past: History, *, row: int = 0, limit_gib: float = 3.0) -> History:
    kills = np.zeros(past.cpu_cores.shape, dtype=np.float32)
    kills[row, KILLED_AT] = 1
    limit = np.full(len(past.node), np.nan)
    limit[row] = limit_gib * GIB
    return replace(past, oom_kills=kills, memory_limit_bytes=limit)


def memory_of(history: History) -> np.ndarray:
    assert history.memory_bytes is not None
    return history.memory_bytes


def test_the_week_after_a_kill_counts_at_least_at_the_limit_and_a_fifth(fleet: Fleet) -> None:
    past = killed(fleet(days=12))
    needed, seen = memory_of(counting_oom_kills(past)), memory_of(past)
    week = slice(KILLED_AT, KILLED_AT + REMEMBERED_S // past.interval_s + 1)
    assert (needed[0, week] >= np.float32(NEED_OF_LIMIT * 3 * GIB)).all()
    needed[0, week] = seen[0, week]
    assert np.array_equal(needed, seen, equal_nan=True), "nothing else has changed"


@pytest.mark.parametrize("limit_gib", [3.0, 0.1])
def test_no_sample_shrinks(fleet: Fleet, limit_gib: float) -> None:
    past = killed(fleet(days=6), limit_gib=limit_gib)
    seen = np.nan_to_num(memory_of(past))
    assert (np.nan_to_num(memory_of(counting_oom_kills(past))) >= seen).all()


def test_it_is_bounded_by_the_node(fleet: Fleet) -> None:
    past = killed(fleet(days=6), limit_gib=60.0)
    assert np.nanmax(memory_of(counting_oom_kills(past))) == 64 * GIB


@pytest.mark.parametrize("without", ["oom_kills", "memory_bytes", "memory_limit_bytes"])
def test_what_is_not_known_changes_nothing(fleet: Fleet, without: str) -> None:
    past = replace(killed(fleet(days=3)), **{without: None})  # type: ignore[arg-type]  # by name
    assert counting_oom_kills(past) is past


def test_without_a_kill_or_a_limit_the_history_is_the_same_one(fleet: Fleet) -> None:
    past = killed(fleet(days=3), limit_gib=np.nan)
    assert counting_oom_kills(past) is past
    nowhere = killed(fleet(days=3))
    nowhere = replace(nowhere, node=np.full_like(nowhere.node, -1))
    assert counting_oom_kills(nowhere) is nowhere


@pytest.mark.parametrize("columns", [50, KILLED_AT, KILLED_AT + 1, 200])
def test_a_kill_is_not_known_before_it_happens(fleet: Fleet, columns: int) -> None:
    past = killed(fleet(days=12))
    now_s = (columns - 1) * past.interval_s
    then = memory_of(counting_oom_kills(past.until(now_s)))
    later = memory_of(counting_oom_kills(past).until(now_s))
    assert np.array_equal(then, later, equal_nan=True)


def test_a_node_with_a_kill_keeps_more_memory_for_a_week(fleet: Fleet) -> None:
    past = killed(fleet(days=14, pods=6), limit_gib=9.0)
    quick = ForecastSettings(horizons_s=(3_600,))

    def kept(history: History, day: int) -> np.ndarray:
        return advance(None, history, day * DAY_S, quick)[1].peak_memory_bytes[:, 0] / GIB

    counted = counting_oom_kills(past)
    assert (kept(counted, 2) == kept(past, 2)).all(), "not killed yet"
    assert kept(counted, 4)[0] > kept(past, 4)[0] + 5
    assert (kept(counted, 4)[1:] == kept(past, 4)[1:]).all(), "other nodes are as they were"
