"""Which answer stands: noise changes nothing, what must be acts at once, shrinking waits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.steady import LONG_AGO_S, Standing, declared, standing, steady
from slacktide.messages import Recommendation

DAY_S = 86_400
MIB = 1 << 20
MADE = Recommendation(
    workload="cart",
    namespace="shop",
    kind="Deployment",
    container="app",
    at_s=20 * DAY_S,
    replicas=2,
    cpu_request_cores=2.0,
    recommended_cpu_request_cores=1.0,
    cpu_lower_cores=0.5,
    cpu_upper_cores=1.5,
    memory_request_bytes=4096 * MIB,
    recommended_memory_request_bytes=1000 * MIB,
    memory_lower_bytes=900 * MIB,
    memory_upper_bytes=2000 * MIB,
    confidence=1.0,
    reason="made",
)


def stood(*, cores: float | None, mib: int | None, days: float = 30) -> Standing:
    since_s = MADE.at_s - int(days * DAY_S)
    return Standing(cores, since_s, None if mib is None else mib * MIB, since_s)


@pytest.mark.parametrize(
    ("before", "cores", "mib", "why"),
    [
        (stood(cores=None, mib=None), 1.0, 1000, ""),
        (stood(cores=1.0, mib=1000), 1.0, 1000, ""),
        (stood(cores=0.95, mib=950), 0.95, 950, "the new number lies within 10 % of it"),
        (stood(cores=1.1, mib=1100), 1.1, 1100, "the new number lies within 10 % of it"),
        (stood(cores=0.9, mib=901), 1.0, 1000, ""),  # grows beyond the band
        (stood(cores=1.2, mib=1200), 1.0, 1000, ""),  # shrinks beyond it, long after a change
        (stood(cores=1.2, mib=1200, days=1), 1.2, 1200, "it is 1.0 days old, and shrinking waits"),
        (stood(cores=1.2, mib=1200, days=3), 1.0, 1000, ""),
        (stood(cores=0.5, mib=500, days=0), 1.0, 1000, ""),  # growth never waits
    ],
)
def test_an_answer_stands_where_a_change_would_be_noise(
    before: Standing, cores: float, mib: int, why: str
) -> None:
    found = steady(MADE, before)
    assert found.recommended_cpu_request_cores == cores
    assert found.recommended_memory_request_bytes == mib * MIB
    assert found.reason.startswith("made")
    assert (f"CPU stays at {cores:.3f} cores: {why}" in found.reason) == bool(why)
    assert (f"memory stays at {mib} MiB: {why}" in found.reason) == bool(why)


def test_a_peak_above_what_stands_acts_at_once_even_within_the_band() -> None:
    reached = replace(MADE, memory_lower_bytes=960 * MIB, cpu_lower_cores=0.96)
    found = steady(reached, stood(cores=0.95, mib=950))
    assert found.recommended_cpu_request_cores == 1.0
    assert found.recommended_memory_request_bytes == 1000 * MIB


def test_what_is_declared_stands_where_it_fits() -> None:
    fits = replace(MADE, cpu_request_cores=1.05, memory_request_bytes=None)
    found = steady(fits, declared(fits))
    assert declared(fits).cpu_since_s == LONG_AGO_S
    assert found.recommended_cpu_request_cores == 1.05
    assert found.recommended_memory_request_bytes == 1000 * MIB
    assert steady(MADE, declared(MADE)) == MADE


def test_no_answer_stays_no_answer() -> None:
    none = replace(
        MADE,
        recommended_cpu_request_cores=None,
        cpu_lower_cores=None,
        recommended_memory_request_bytes=None,
        memory_lower_bytes=None,
    )
    assert steady(none, stood(cores=1.0, mib=1000, days=0)) == none


def test_a_number_keeps_its_age_until_it_changes() -> None:
    before = stood(cores=1.05, mib=2000)
    after = standing(steady(MADE, before), before)
    assert (after.cpu_cores, after.cpu_since_s) == (1.05, before.cpu_since_s)
    assert (after.memory_bytes, after.memory_since_s) == (1000 * MIB, MADE.at_s)


@given(
    cores=st.floats(0.01, 100),
    mib=st.integers(32, 1 << 20),
    days=st.floats(0, 30),
)
def test_bounds_enclose_whatever_stands(cores: float, mib: int, days: float) -> None:
    before = stood(cores=cores, mib=mib, days=days)
    found = steady(MADE, before)
    assert found.recommended_cpu_request_cores in (1.0, cores)
    assert found.recommended_memory_request_bytes in (1000 * MIB, mib * MIB)
    assert 0.5 <= (found.recommended_cpu_request_cores or 0) <= (found.cpu_upper_cores or 0)
    size = found.recommended_memory_request_bytes or 0
    assert 900 * MIB <= size <= (found.memory_upper_bytes or 0)
