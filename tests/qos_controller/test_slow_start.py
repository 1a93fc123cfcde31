"""Who begins to use the disk begins slowly, once, and only where a throttle would bind it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.core.batch_io import BatchOnDisk, summed
from qos_controller.core.disk import first, without
from qos_controller.core.node_settings import DiskSettings
from qos_controller.core.pace import FREE, Held, Pace, limits
from qos_controller.core.sample import PodUse
from qos_controller.core.slow_start import met, next_pace
from qos_controller.core.state import CALM

MIB = 2.0**20
LAW = DiskSettings()
DIRECT = PodUse(uid="dd", cpu_cores=0.4, written_bytes_per_s=600 * MIB)
BUFFERED = PodUse(uid="hdd", cpu_cores=1.0, written_bytes_per_s=600 * MIB, dirty_bytes=64 * MIB)
LIGHT = PodUse(uid="log", cpu_cores=0.1, written_bytes_per_s=2 * MIB)


def batch(*pods: PodUse) -> BatchOnDisk:
    return summed(pods, blamed="", offline_cores=1.0)


@pytest.mark.parametrize(
    ("pods", "known", "held"),
    [
        ((DIRECT,), frozenset(), ["dd"]),
        ((DIRECT,), frozenset({"dd"}), []),
        ((DIRECT, BUFFERED), frozenset(), ["dd"]),
        ((BUFFERED,), frozenset(), []),
        ((replace(DIRECT, buffered_bytes_per_s=600 * MIB),), frozenset(), []),
        ((LIGHT,), frozenset(), []),
    ],
)
def test_a_newcomer_begins_slowly_where_a_throttle_sees_it(
    pods: tuple[PodUse, ...], known: frozenset[str], held: list[str]
) -> None:
    pace = next_pace(FREE, known, batch(*pods), 0.1, LAW)
    assert [one.pod for one in pace.held] == held
    assert list(limits(pace, LAW)) == held


def test_before_any_pod_was_read_all_begin_slowly_and_are_named_later() -> None:
    unread = BatchOnDisk(offline_cores=1.0, bytes_per_s=600 * MIB)
    pace = next_pace(FREE, frozenset(), unread, 0.1, LAW)
    assert list(limits(pace, LAW)) == [""]
    assert list(limits(next_pace(pace, frozenset(), batch(DIRECT), 0.1, LAW), LAW)) == ["dd"]
    assert next_pace(pace, frozenset(), batch(BUFFERED), 0.1, LAW) == FREE


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=40))
def test_the_start_only_grows_and_ends_in_bounded_time(steps_s: list[float]) -> None:
    pace, elapsed_s = next_pace(FREE, frozenset(), batch(DIRECT), 0.1, LAW), 0.0
    for dt_s in steps_s:
        grown = next_pace(pace, met(frozenset(), batch(DIRECT), LAW), batch(DIRECT), dt_s, LAW)
        assert grown == FREE or grown.share > pace.share
        pace, elapsed_s = grown, elapsed_s + dt_s
        if pace == FREE:
            break
    assert (pace == FREE) == (elapsed_s >= 5.65) or 5.6 < elapsed_s < 5.7


def test_it_is_met_once_and_forgotten_when_it_leaves() -> None:
    known = met(frozenset(), batch(DIRECT, LIGHT), LAW)
    assert known == {"dd", "log"}
    idle = PodUse(uid="dd", cpu_cores=0.4)
    assert met(known, batch(idle), LAW) == {"dd"}


@pytest.mark.parametrize(("gone", "stage"), [({"dd"}, 2), ({"dd", "hdd"}, CALM)])
def test_when_all_who_were_held_back_have_left_the_ladder_begins_anew(
    gone: set[str], stage: int
) -> None:
    memory = first(LAW)
    pace = Pace((Held("dd", 1e8, 0.4, buffered=False), Held("hdd", 1e8, 1.0, buffered=True)), 0.5)
    memory = replace(memory, pace=pace, ladder=replace(memory.ladder, stage=2))
    after = without(memory, gone, 9.0)
    assert after.ladder.stage == stage
    assert (after.pace == FREE) == (stage == CALM)
