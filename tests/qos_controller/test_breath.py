"""Batch keeps all that online leaves, and pauses where online waits for itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.core.breath import Breath, Room, next_breath
from qos_controller.core.node_settings import BreathSettings

LAW = BreathSettings()
TICK_S = 0.025
WELL = Room(
    waits_share=0.1, used_cores=1.2, batch_cores=0.8, capacity_cores=2.0, batch_is_here=True
)
STUCK = replace(WELL, waits_share=1.0, used_cores=0.9, batch_cores=1.0)
"""Two threads of online on one of two CPUs, batch on the other."""


def looked(rooms: list[Room], law: BreathSettings = LAW) -> list[Breath]:
    """After each look; a pause's end is a look of its own, as the loop has it."""
    breath, now_s, found = Breath(), 100.0, []
    for room in rooms:
        if now_s < breath.pause_until_s + TICK_S and breath.pauses:
            end_s = breath.pause_until_s
            breath = next_breath(breath, room, now_s=end_s, dt_s=LAW.pause_s, settings=law)
        breath = next_breath(breath, room, now_s=now_s, dt_s=TICK_S, settings=law)
        found.append(breath)
        now_s += TICK_S
    return found


def pauses(breaths: list[Breath]) -> int:
    return len({breath.pause_until_s for breath in breaths if breath.pauses})


def test_while_nobody_waits_for_room_batch_has_the_whole_node() -> None:
    assert {breath.cores for breath in looked([WELL] * 100)} == {2.0}


def test_waiting_while_batch_holds_a_cpu_pauses_batch_at_the_next_look() -> None:
    breath = looked([WELL, STUCK])[-1]
    assert breath.pauses
    assert breath.cores == pytest.approx(LAW.pause_share * 2.0)


def test_a_pause_ends_by_itself_after_its_time() -> None:
    (breath,) = looked([STUCK])
    end_s = breath.pause_until_s
    assert end_s == pytest.approx(100.0 + LAW.pause_s)
    before = next_breath(breath, STUCK, now_s=end_s - 0.001, dt_s=0.01, settings=LAW)
    after = next_breath(breath, STUCK, now_s=end_s, dt_s=0.01, settings=LAW)
    assert before.pauses
    assert not after.pauses
    assert after.cores == 2.0


@pytest.mark.parametrize(
    ("room", "why"),
    [
        (replace(WELL, waits_share=0.9, used_cores=1.9), "online fills the node: it waits for CPU"),
        (replace(STUCK, batch_cores=0.05), "batch holds no CPU"),
        (replace(STUCK, waits_share=None), "the kernel does not say who waits"),
    ],
)
def test_nobody_pauses_for_what_batch_does_not_cause(room: Room, why: str) -> None:
    assert pauses(looked([room] * 40)) == 0, why


def test_pauses_in_vain_become_rare() -> None:
    in_10_s = looked([STUCK] * 400)
    assert pauses(in_10_s[:40]) >= 4
    assert 2 <= pauses(in_10_s[-160:]) <= 4


def test_a_pause_that_helped_is_repeated_at_once_when_it_is_needed_again() -> None:
    helped = [STUCK, WELL, WELL, WELL, WELL]
    assert pauses(looked(helped * 20)) == 20


def test_frequent_pauses_limit_batch_and_a_long_rest_lifts_the_limit() -> None:
    often = looked([STUCK, WELL, WELL, WELL, WELL] * 20)
    assert often[-1].share == LAW.least_share
    assert often[-1].limit_cores < 0.6 * (2.0 - 0.9)
    rested = looked([STUCK, WELL, WELL, WELL, WELL] * 20 + [WELL] * 800)
    assert rested[-1].share == 1.0
    assert rested[-1].cores == 2.0


def test_the_next_batch_pod_finds_the_limit_of_the_one_before_for_a_while() -> None:
    often = [STUCK, WELL, WELL, WELL, WELL] * 20
    alone = replace(WELL, batch_is_here=False, batch_cores=0.0)
    soon = looked([*often, *[alone] * 40, WELL])[-1]
    assert LAW.least_share < soon.share < LAW.least_share + 2 * LAW.growth_per_s
    assert soon.cores < 0.7 * (2.0 - 1.2)
    late = looked([*often, *[alone] * 800, WELL])[-1]
    assert late.cores == 2.0


def test_rare_pauses_limit_nobody() -> None:
    rare = looked(([STUCK] + [WELL] * 39) * 10)
    assert pauses(rare) == 10
    assert rare[-1].share == 1.0


def test_a_node_without_batch_has_no_quota() -> None:
    assert looked([STUCK, replace(STUCK, batch_is_here=False)])[-1].cores == math.inf


def test_switched_off_it_never_holds_anybody_back() -> None:
    assert looked([STUCK] * 50, BreathSettings(enabled=False))[-1].cores == math.inf


@given(
    st.lists(
        st.builds(
            Room,
            waits_share=st.none() | st.floats(0.0, 1.0),
            used_cores=st.floats(0.0, 8.0),
            batch_cores=st.floats(0.0, 8.0),
            capacity_cores=st.just(8.0),
            batch_is_here=st.just(True),
        ),
        min_size=1,
        max_size=80,
    )
)
def test_batch_is_never_without_any_cpu_and_never_over_the_node(rooms: list[Room]) -> None:
    for breath in looked(rooms):
        assert LAW.pause_share * 8.0 <= breath.cores <= 8.0
        assert LAW.least_share <= breath.share <= 1.0
        if not breath.pauses:
            assert breath.cores >= (LAW.floor_share - LAW.step_share) * 8.0
