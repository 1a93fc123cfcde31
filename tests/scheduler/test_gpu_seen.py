"""What is expected is what came, lately; what takes much of the time is not overlooked."""

from __future__ import annotations

import pytest

from scheduler.core import gpu_seen
from scheduler.core.gpu_seen import HALF_LIFE, MOST_CLASSES, SeenTasks
from scheduler.core.gpu_usable import TaskClass

SMALL, WIDE = TaskClass(1.0, 1.0, 100, 1), TaskClass(64.0, 1.0, 1_000, 8)


def seen(*tasks: TaskClass) -> SeenTasks:
    found = SeenTasks()
    for task in tasks:
        found.add(task)
    return found


def test_nothing_is_expected_before_anything_came() -> None:
    assert len(SeenTasks().expected()) == 0


def test_classes_weigh_as_often_as_they_came() -> None:
    expected = seen(*[SMALL] * 3, WIDE).expected()
    assert sorted(expected.weight.tolist()) == pytest.approx([0.25, 0.75], abs=1e-3)


def test_what_came_long_ago_counts_half() -> None:
    expected = seen(*[WIDE] * 1_000, *[SMALL] * HALF_LIFE).expected()
    weight = dict(zip(expected.devices.tolist(), expected.weight.tolist(), strict=True))
    before, since = (
        sum(2 ** (-k / HALF_LIFE) for k in range(HALF_LIFE, HALF_LIFE + 1_000)),
        sum(2 ** (-k / HALF_LIFE) for k in range(HALF_LIFE)),
    )
    assert weight[8] == pytest.approx(before / (before + since), rel=1e-3)


def test_a_rare_class_that_takes_much_of_the_time_is_among_them() -> None:
    many = [SMALL._replace(cpu_cores=float(k)) for k in range(MOST_CLASSES)]
    expected = seen(*many * 2, WIDE).expected()
    assert len(expected) == MOST_CLASSES
    assert 8 in expected.devices.tolist()


def test_counts_stay_small_however_many_tasks_and_classes_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu_seen, "_LARGE", 1.01)
    monkeypatch.setattr(gpu_seen, "MOST_KEPT", 8)
    tasks = [SMALL] * 100 + [SMALL._replace(cpu_cores=float(k)) for k in range(2, 22)]
    often, plain = seen(*tasks), SeenTasks()
    monkeypatch.undo()
    for task in tasks:
        plain.add(task)
    assert len(often.expected()) <= 8
    assert often.expected().weight.max() > 0.9
    assert plain.expected().weight.max() == pytest.approx(100 / 120, rel=0.01)
