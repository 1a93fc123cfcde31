"""`slacktide whatif`: which settings are tried, what each came to, and which is worth having."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.app.sources import staged, work_of
from simulator.core.replay import AS_SHIPPED, Replay
from simulator.core.report import ReportRow
from simulator.core.whatif import (
    DEFAULT,
    PACKINGS,
    Setting,
    name_of,
    outcomes,
    settings_of,
    verdict,
)
from slacktide.trace import write_trace
from tests.simulator.commanding import slacktide
from tests.simulator.tiny import replay, scenario, trace, written

ROW = ReportRow(
    policy="slacktide",
    utilisation=0.6,
    utilisation_without=0.2,
    sold_core_hours=10.0,
    used_core_hours=9.0,
    jobs_done=5,
    jobs_pending=1,
    wait_p50_s=60.0,
    wait_p95_s=600.0,
    violation=0.008,
    promised_risk=0.01,
    online_lost_share=0.0002,
    online_lost_core_hours=0.1,
    evicted_share=0.001,
    evicted_tasks=3,
    work_lost_core_hours=1.0,
    throttled_share=0.01,
    partial_gangs=0,
)
BOLD, CAREFUL = Setting(risk=0.05), Setting(risk=0.001)


def row(**changed: float) -> ReportRow:
    return replace(ROW, **changed)  # type: ignore[arg-type]


def test_one_setting_changes_at_a_time_and_the_default_is_first_and_once() -> None:
    found = settings_of((0.01, 0.05), (0.85,), ("spread", "lifetime"))
    assert found == [DEFAULT, BOLD, Setting(watermark=0.85), Setting(packing="spread")]
    assert [name_of(setting) for setting in found] == [
        "default", "risk 0.05", "watermark 0.85", "packing spread",
    ]  # fmt: skip


def test_the_default_is_what_ships() -> None:
    assert DEFAULT.choices == AS_SHIPPED


def test_the_agents_limit_moves_with_the_watermark_and_stays_above_it() -> None:
    for watermark in (0.5, 0.93, 0.97):
        limit = Setting(watermark=watermark).choices.qos.memory_limit_share
        assert watermark < limit < 1


@pytest.mark.parametrize(
    ("of_bold", "best"),
    [
        ({"utilisation": 0.7}, BOLD),
        ({"utilisation": 0.7, "online_lost_share": 0.002}, DEFAULT),
        ({"utilisation": 0.7, "evicted_share": 0.02}, DEFAULT),
        ({"utilisation": 0.7, "violation": 0.07}, DEFAULT),
        ({"utilisation": 0.7, "violation": math.nan}, BOLD),
        ({"utilisation": 0.5}, DEFAULT),
    ],
)
def test_the_best_uses_most_of_those_that_keep_their_promise_and_harm_little(
    of_bold: dict[str, float], best: Setting
) -> None:
    found = outcomes([DEFAULT, BOLD], [row(), row(**of_bold)])
    assert [outcome.setting for outcome in found if outcome.best] == [best]


def test_where_all_harm_the_best_takes_least_from_online() -> None:
    rows = [row(online_lost_share=0.03), row(online_lost_share=0.02), row(online_lost_share=0.04)]
    found = outcomes([DEFAULT, CAREFUL, BOLD], rows)
    assert [outcome.setting for outcome in found if outcome.best] == [CAREFUL]


def test_what_another_beats_in_all_three_is_not_on_the_frontier() -> None:
    rows = [
        row(),
        row(utilisation=0.55, online_lost_share=0.0001),
        row(utilisation=0.5, online_lost_share=0.0003, evicted_share=0.002),
    ]
    found = outcomes([DEFAULT, CAREFUL, BOLD], rows)
    assert [outcome.on_frontier for outcome in found] == [True, True, False]


BETTER = "against it the default gives up 5.0 points of CPU use, saves online 0.030 % of its CPU"
WORSE = "against risk 0.05 it gives up 5.0 points of CPU use, saves online 0.980 % of its CPU"
HARM = "risk 0.05 took 1 % of online's CPU"


@pytest.mark.parametrize(
    ("utilisation", "lost", "sentence"),
    [
        (0.65, 0.0005, f"The best of these is risk 0.05: {BETTER}, and evicts 7 fewer tasks."),
        (
            0.65,
            0.01,
            f"The default is the best of these: {WORSE}, and evicts 7 fewer tasks; {HARM}.",
        ),
        (0.6, 0.01, "The default is the best of these: none uses more CPU."),
    ],
)
def test_the_verdict_says_what_the_default_gives_up_and_saves(
    utilisation: float, lost: float, sentence: str
) -> None:
    other = row(utilisation=utilisation, online_lost_share=lost, evicted_tasks=10)
    assert verdict(outcomes([DEFAULT, BOLD], [row(), other])) == sentence


def used(choices_of: Setting) -> float:
    run = Replay(scenario(1, 2), replay(scenario(1, 2), "borg-default").policy, choices_of.choices)
    for _ in run.steps():
        pass
    return run.report().used_core_hours


def test_a_watermark_that_leaves_no_memory_sells_nothing() -> None:
    assert used(Setting(watermark=0.01)) == 0
    assert used(DEFAULT) > 0


@pytest.mark.slow
def test_the_command_prints_a_row_a_setting_the_default_first(tmp_path: Path) -> None:
    folder = written(tmp_path / "small")
    answer = slacktide(
        "whatif", folder, "--risk", "0.05", "--packing", "spread", "--days", "1", "-o", "json"
    )
    rows = answer.rows()
    assert [found["setting"] for found in rows] == ["default", "risk 0.05", "packing spread"]
    assert [found["risk"] for found in rows] == [0.01, 0.05, 0.01]
    assert [found["promised_risk"] for found in rows] == [0.01, 0.05, 0.01]
    assert sum(found["best"] for found in rows) == 1
    assert any(found["on_frontier"] for found in rows)
    assert "its own jobs" in answer.err
    assert "the best of these" in answer.err


def test_without_jobs_some_are_generated_and_that_is_said(tmp_path: Path) -> None:
    write_trace(trace(1, 2), tmp_path / "bare")
    work = work_of(tmp_path / "bare", None, seed=4)
    source = staged(trace(1, 2), work, train_days=14, days=1)
    assert "generated jobs (seed 4" in source.said
    assert len(source.scenario.jobs.job) > 0


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--packing", "loose"), "--packing"),
        (("--watermark", "1.2"), "--watermark"),
        (("--risk", "0"), "--risk"),
        (("--train-days", "15.5"), "lower --train-days"),
    ],
)
def test_wrong_use_is_told_before_anything_runs(
    asked: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    answer = slacktide("whatif", written(tmp_path / "small"), *asked)
    assert answer.code == 2
    assert told in answer.err


def test_every_packing_is_another_order_of_nodes() -> None:
    assert len(set(PACKINGS.values())) == len(PACKINGS)
