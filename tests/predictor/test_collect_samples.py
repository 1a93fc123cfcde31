"""Usage answers folded into a row for each container and interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.core.collect_answers import Answer, together
from predictor.core.collect_queries import Ask
from predictor.core.collect_samples import Samples, samples, seen
from predictor.core.collect_settings import CollectSettings
from predictor.core.collect_windows import hours
from tests.predictor.answering import line

SETTINGS = CollectSettings()
WINDOW = hours("east", ("shop",), 3_600)
WEB = {"namespace": "shop", "pod": "web", "container": "app"}
NAN = float("nan")


def found(settings: CollectSettings = SETTINGS, **answers: Answer) -> Samples:
    return samples({Ask[name]: answer for name, answer in answers.items()}, WINDOW, settings)


def minutes(*values: float, from_s: int = 3_360, **labels: str) -> Answer:
    """Short rates, a minute apart; the first five belong to the first interval."""
    return line(*((from_s + 60 * n, value) for n, value in enumerate(values)), **WEB | labels)


def test_an_interval_has_the_mean_p95_and_highest_of_its_short_rates() -> None:
    got = found(CPU=minutes(1, 2, 3, 4, 10, 0.5))
    assert got.ts_s.tolist() == [3_600, 3_900]
    assert got.columns["cpu_cores"].tolist() == [4.0, 0.5]
    assert got.columns["cpu_max_cores"].tolist() == [10.0, 0.5]
    assert got.columns["cpu_p95_cores"].tolist() == pytest.approx([4 + 0.8 * 6, 0.5])


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.none() | st.floats(0, 100, width=32), min_size=5, max_size=5))
def test_what_is_missing_of_an_interval_does_not_count(values: list[float | None]) -> None:
    known = [value for value in values if value is not None]
    got = found(CPU=minutes(*(NAN if value is None else value for value in values)))
    assert got.dropped == 5 - len(known)
    if not known:
        assert len(got.which) == 0
        return
    assert got.columns["cpu_cores"][0] == pytest.approx(np.mean(known), rel=1e-5, abs=1e-30)
    assert got.columns["cpu_max_cores"][0] == max(known)
    p95 = np.percentile(np.array(known, np.float64), 95)
    assert got.columns["cpu_p95_cores"][0] == pytest.approx(p95, rel=1e-4, abs=1e-30)


def test_one_rate_an_interval_says_nothing_of_its_peaks() -> None:
    lean = CollectSettings(burst_s=300, burst_every_s=300)
    got = found(lean, CPU=line((3_600, 0.5), (3_900, 0.6), **WEB))
    assert got.columns["cpu_cores"].tolist() == pytest.approx([0.5, 0.6])
    assert np.isnan(got.columns["cpu_p95_cores"]).all()
    assert np.isnan(got.columns["cpu_max_cores"]).all()


def test_measures_of_a_container_stand_side_by_side() -> None:
    got = found(
        CPU=minutes(0.5),
        MEMORY=line((4_200, 1e9), **WEB),
        THROTTLED=line((3_600, 0.25), (9_999, 1), **WEB),
    )
    assert got.ts_s.tolist() == [3_600, 4_200]
    rows = {name: column.tolist() for name, column in got.columns.items()}
    assert rows["cpu_cores"] == pytest.approx([0.5, NAN], nan_ok=True)
    assert rows["memory_bytes"] == pytest.approx([NAN, 1e9], nan_ok=True)
    assert rows["cpu_throttled_share"] == pytest.approx([0.25, NAN], nan_ok=True)
    assert (seen(got), got.dropped) == ([(("shop", "web", "app"), 3_600, 4_200)], 1)


def test_kills_are_whole_and_none_only_where_somebody_counts_them() -> None:
    memory = line((3_600, 1), (3_900, 1), **WEB)
    assert np.isnan(found(MEMORY=memory).columns["oom_kills"]).all()
    none = found(MEMORY=memory, OOM_EVENTS=together([]))
    assert none.columns["oom_kills"].tolist() == [0, 0]
    killed = found(
        MEMORY=memory,
        OOM_EVENTS=line((3_600, 1.25), **WEB),
        OOM_RESTARTS=line((3_600, 1), (3_900, 2), **WEB),
    )
    assert killed.columns["oom_kills"].tolist() == [1, 2]


def test_copies_of_a_cgroup_count_once_and_two_cgroups_are_added_up() -> None:
    pair = [minutes(0.5, id="/a", replica="1"), minutes(0.75, id="/a", replica="2")]
    got = found(CPU=together([*pair, minutes(0.25, id="/b")]))
    assert got.columns["cpu_cores"].tolist() == [1.0]
    assert got.repeated == 1
    memory = together([line((3_600, 5), **WEB, id="/a"), line((3_600, 9), **WEB, id="/b")])
    assert found(MEMORY=memory).columns["memory_bytes"].tolist() == [9.0]


def test_names_may_repeat_between_namespaces_and_may_be_missing() -> None:
    other = minutes(2.0, namespace="other")
    nameless = line((3_600, 3.0), namespace="shop")
    got = found(CPU=together([minutes(1.0), other, nameless]))
    names = [got.names[at] for at in got.which]
    assert names == [
        ("other", "web", "app"),
        ("shop", "unknown", "unknown"),
        ("shop", "web", "app"),
    ]
    assert got.columns["cpu_cores"].tolist() == [2.0, 3.0, 1.0]


@pytest.mark.parametrize("ts_s", [3_300, 3_301, 7_200, 2**52, -300])
def test_a_stamp_that_was_not_asked_for_is_dropped(ts_s: int) -> None:
    got = found(CPU=line((ts_s, 0.5), **WEB))
    assert (len(got.which), got.dropped) == (0, 1)


@pytest.mark.parametrize("value", [NAN, float("inf"), -0.1, 1e300])
def test_what_is_no_number_of_bytes_is_no_sample(value: float) -> None:
    got = found(MEMORY=line((3_600, value), **WEB))
    assert (len(got.which), got.dropped) == (0, 1)
