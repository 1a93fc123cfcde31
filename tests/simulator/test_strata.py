"""Every window is in one stratum of each kind, and a broken one shows where it lies."""

from __future__ import annotations

import numpy as np

from simulator.core.strata import ages_days, by_day, by_node, strata
from tests.simulator.fleets import DAY_S, held

TIMES = tuple(range(14 * DAY_S, 28 * DAY_S, 3 * 3_600))


def test_each_kind_of_stratum_holds_every_window_once() -> None:
    came = np.random.default_rng(2).gamma(2.0, 1.0, (6, len(TIMES)))
    found = strata(np.full(came.shape, 3.0), held(came, np.full(6, 10.0), TIMES))
    kinds = {stratum.by for stratum in found}
    assert kinds == {"hour", "size", "age of the pods", "week"}
    for kind in kinds:
        parts = [stratum for stratum in found if stratum.by == kind]
        assert sum(part.windows for part in parts) == came.size
        broken = sum(part.windows * part.violation for part in parts)
        assert round(broken) == int((came > 3.0).sum())


def test_a_promise_broken_at_one_hour_on_one_node_is_found_there() -> None:
    came, at_nine = np.ones((6, len(TIMES))), np.asarray(TIMES) % DAY_S == 9 * 3_600
    came[4, at_nine] = 8.0
    trial, kept = held(came, np.full(6, 10.0), TIMES), np.full(came.shape, 2.0)
    found = strata(kept, trial)
    broken = {(part.by, part.name) for part in found if part.violation}
    assert ("hour", "09:00 to 12:00") in broken
    assert sum(by == "hour" for by, _ in broken) == 1
    assert ("size", "most used third of the nodes") in broken
    assert by_node(kept, trial).argmax() == 4


def test_days_count_the_windows_that_begin_on_them() -> None:
    came = np.ones((2, len(TIMES)))
    came[:, 8:16] = 5.0  # the second day
    days, broken = by_day(np.full(came.shape, 2.0), held(came, np.full(2, 10.0), TIMES))
    assert days.tolist() == list(range(14, 28))
    assert broken.tolist() == [0, 1, *[0] * 12]


def test_the_age_of_a_node_is_the_mean_age_of_its_pods() -> None:
    trial = held(np.ones((2, 4)), np.full(2, 10.0), (DAY_S, 2 * DAY_S, 3 * DAY_S, 4 * DAY_S))
    np.testing.assert_allclose(ages_days(trial), [[1, 2, 3, 4]] * 2)
