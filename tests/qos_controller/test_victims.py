"""Who goes, as a table of small nodes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.core.settings import Settings
from qos_controller.core.signals import OfflineTask
from qos_controller.core.victims import least_lost, work_lost_core_s

LAW = Settings()
NOW_S = 10_000.0
GIB = float(2**30)


def task(name: str, *, age_s: float, cores: float = 1.0, **more: float | str | None) -> OfflineTask:
    made = OfflineTask(task=name, cpu_cores=cores, memory_bytes=GIB, started_s=NOW_S - age_s)
    return replace(made, **more)  # type: ignore[arg-type]  # a table's cells are of mixed types


def chosen(*tasks: OfflineTask, for_memory: bool = False) -> str | None:
    victim = least_lost(tasks, for_memory=for_memory, now_s=NOW_S, settings=LAW)
    return None if victim is None else victim.task


@pytest.mark.parametrize(
    ("tasks", "goes"),
    [
        pytest.param([task("old", age_s=900), task("young", age_s=60)], "young", id="youngest"),
        pytest.param(
            [task("saved", age_s=9000, checkpoint_s=NOW_S - 10), task("young", age_s=60)],
            "saved",
            id="just-saved",
        ),
        pytest.param(
            [task("measured", age_s=9000, work_lost_core_s=5.0), task("young", age_s=60)],
            "measured",
            id="measured-work-beats-the-estimate",
        ),
        pytest.param(
            [task("tiny", age_s=1, cores=0.01), task("big", age_s=60, cores=4.0)],
            "big",
            id="a-restart-costs-too",
        ),
        pytest.param(
            [task("a", age_s=60, gang="g", gang_members=100), task("alone", age_s=600)],
            "alone",
            id="a-broken-gang-costs-all-its-work",
        ),
        pytest.param(
            [task("a", age_s=60, gang="g", gang_slack=1, gang_members=100), task("b", age_s=600)],
            "a",
            id="a-gang-that-can-spare-one",
        ),
        pytest.param(
            [
                task("a", age_s=60, gang="g", gang_members=2),
                task("b", age_s=60, gang="g", gang_members=2),
                task("alone", age_s=70),
            ],
            "a",
            id="a-gang-all-on-this-node-frees-all-it-holds",
        ),
        pytest.param([task("b", age_s=60), task("a", age_s=60)], "a", id="ties-by-name"),
        pytest.param([task("empty", age_s=60, cores=0.0)], None, id="nothing-to-free"),
        pytest.param([], None, id="nobody"),
    ],
)
def test_the_least_work_lost_per_core_freed_goes(
    tasks: list[OfflineTask], goes: str | None
) -> None:
    assert chosen(*tasks) == goes


def test_for_memory_the_price_is_per_byte() -> None:
    small = task("small", age_s=60, memory_bytes=GIB)
    large = task("large", age_s=120, memory_bytes=20 * GIB)
    assert chosen(small, large) == "small"
    assert chosen(small, large, for_memory=True) == "large"


def test_a_broken_gang_is_priced_over_all_nodes() -> None:
    ranks = [task(name, age_s=100, gang="g", gang_members=8) for name in "ab"]
    victim = least_lost(ranks, for_memory=False, now_s=NOW_S, settings=LAW)
    assert victim is not None
    assert victim.breaks_gang
    assert (victim.freed_cores, victim.work_lost_core_s) == (2.0, 800.0)


def test_a_checkpoint_before_the_start_saves_nothing() -> None:
    assert work_lost_core_s(task("a", age_s=50, checkpoint_s=NOW_S - 500), NOW_S) == 50.0


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_the_tasks_does_not_matter(ages: list[int], rng: random.Random) -> None:
    tasks = [task(f"t{i}", age_s=age) for i, age in enumerate(ages)]
    first = chosen(*tasks)
    rng.shuffle(tasks)
    assert chosen(*tasks) == first
