"""Batch keeps nearly all that online leaves, and each CPU falls idle at times."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.core.breath import Breath, next_breath
from qos_controller.core.node_settings import BreathSettings

LAW = BreathSettings()


def breathed(
    uses: list[float], *, batch: bool = True, law: BreathSettings = LAW, cores: float = 2.0
) -> Breath:
    breath = Breath()
    for used in uses:
        breath = next_breath(
            breath,
            used_cores=used,
            capacity_cores=cores,
            batch_is_here=batch,
            dt_s=0.025,
            settings=law,
        )
    return breath


def test_it_is_a_share_of_what_online_leaves_in_the_mean() -> None:
    assert breathed([1.2] * 200).cores == pytest.approx(LAW.share * 0.8)


def test_a_single_request_moves_nothing() -> None:
    steady = breathed([1.2] * 200).cores
    assert breathed([1.2] * 200 + [2.0]).cores == steady


def test_a_lasting_rise_of_online_is_followed_within_seconds() -> None:
    assert breathed([0.6] * 200 + [1.2] * 120).cores < LAW.share * 0.9


def test_a_node_without_batch_has_no_quota() -> None:
    assert breathed([1.2] * 200, batch=False).cores == math.inf


def test_switched_off_it_never_holds_anybody_back() -> None:
    assert breathed([1.9] * 50, law=BreathSettings(enabled=False)).cores == math.inf


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=60), st.floats(1.0, 128.0))
def test_batch_always_keeps_something_and_never_more_than_its_share_of_the_node(
    uses: list[float], cores: float
) -> None:
    kept = breathed(uses, cores=cores).cores
    slack = LAW.step_share * cores
    assert LAW.least_share * cores - slack <= kept <= LAW.share * cores + slack
