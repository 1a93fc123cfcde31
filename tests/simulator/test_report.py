"""What a replay came to, as numbers and as cells that a person reads."""

from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pytest

from simulator.core.fleet import Fleet
from simulator.core.report import (
    COLUMNS,
    SHOWN,
    ReportRow,
    Totals,
    shown,
    summarise,
)
from slacktide.trace import Jobs

NAN = float("nan")

ROW = ReportRow(
    policy="slacktide",
    utilisation=0.6543,
    utilisation_without=0.11,
    sold_core_hours=12_345.6,
    used_core_hours=12_000.0,
    jobs_done=1_234,
    jobs_pending=0,
    wait_p50_s=59.4,
    wait_p95_s=7_300.0,
    violation=0.00987,
    promised_risk=0.01,
    online_lost_share=1.234e-7,
    online_lost_core_hours=0.5,
    evicted_share=0.0,
    evicted_tasks=0,
    work_lost_core_hours=0.4,
    throttled_share=0.02,
    partial_gangs=0,
)


def fleet(*submit_s: int) -> Fleet:
    """One gang of two tasks of a core and ten minutes each, on one node."""
    ones = np.ones(len(submit_s), np.int64)
    return Fleet(
        Jobs(
            job=tuple(f"job-{row}" for row in range(len(submit_s))),
            queue=("q",) * len(submit_s),
            submit_s=np.array(submit_s, np.int64),
            tasks=2 * ones,
            min_available=2 * ones,
            duration_s=600 * ones,
            priority=0 * ones,
            cpu_cores=np.ones(len(submit_s)),
            memory_bytes=np.zeros(len(submit_s)),
        ),
        1,
    )


def started(made: Fleet, gang: int, now_s: int) -> None:
    made.submit(now_s)
    made.start(gang, np.array([0]), np.array([2]), cluster=0, now_s=now_s)


def test_shares_have_the_base_their_column_says() -> None:
    totals = Totals(
        capacity=1_000, online_demand=200, online_lost=10, sold=500, offline=400,
        judged=50, exceeded=1, partial_gangs=3,
    )  # fmt: skip
    row = summarise("ours", 0.01, totals, fleet(0))
    assert row.utilisation == pytest.approx((200 - 10 + 400) / 1_000)
    assert row.utilisation_without == pytest.approx(0.2)
    assert row.online_lost_share == pytest.approx(0.05)
    assert row.online_lost_core_hours == pytest.approx(10 / 3_600)
    assert row.throttled_share == pytest.approx(0.2)
    assert row.violation == pytest.approx(0.02)
    assert (row.sold_core_hours, row.used_core_hours) == (500 / 3_600, 400 / 3_600)
    assert (row.policy, row.promised_risk, row.partial_gangs) == ("ours", 0.01, 3)


def test_waits_are_of_those_that_started_and_count_to_the_first_start() -> None:
    made = fleet(0, 100, 100)
    started(made, 0, 300)
    started(made, 1, 300)
    made.evict(0, 0)
    started(made, 0, 900)
    row = summarise("ours", NAN, Totals(), made)
    assert row.wait_p50_s == pytest.approx((300 + 200) / 2)
    assert row.wait_p95_s == pytest.approx(200 + 0.95 * 100)
    assert row.jobs_pending == 1


def test_evictions_count_tasks_and_the_work_they_lost() -> None:
    made = fleet(0, 0)
    started(made, 0, 0)
    started(made, 1, 0)
    made.run(np.ones(1), now_s=0, length_s=300)
    made.evict(0, 0)
    row = summarise("ours", NAN, Totals(), made)
    assert (row.evicted_tasks, row.evicted_share) == (2, 0.5)
    assert row.work_lost_core_hours == pytest.approx(2 * 300 / 3_600)
    assert (row.jobs_done, row.jobs_pending) == (0, 1)


def test_a_gang_not_yet_submitted_does_not_wait() -> None:
    made = fleet(0, 10_000)
    made.submit(0)
    assert summarise("ours", NAN, Totals(), made).jobs_pending == 1


def test_a_replay_in_which_nothing_happened_divides_by_nothing() -> None:
    row = summarise("ours", NAN, Totals(), fleet(0))
    assert np.isnan(row.wait_p50_s)
    assert np.isnan(row.violation)
    assert row.utilisation == row.online_lost_share == row.evicted_share == 0


def test_every_column_says_what_it_means() -> None:
    assert list(COLUMNS) == [column.name for column in fields(ReportRow)]
    assert set(SHOWN) <= set(COLUMNS)


def test_a_row_is_shown_as_a_person_reads_it() -> None:
    assert dict(zip(SHOWN.values(), shown(ROW), strict=True)) == {
        "policy": "slacktide",
        "CPU used": "65.4 %",
        "sold core-h": "12,346",
        "gangs done": "1,234",
        "waiting": "0",
        "wait p50": "59 s",
        "wait p95": "2.03 h",
        "exceeded": "0.987 %",
        "promised": "1 %",
        "online lost": "1.23e-05 %",
        "evicted": "0",
        "lost core-h": "0",
    }


@pytest.mark.parametrize(
    ("column", "value", "cell"),
    [
        ("wait_p50_s", 0.0, "0 s"),
        ("wait_p50_s", 60.0, "1 min"),
        ("wait_p50_s", 3_600.0, "1 h"),
        ("wait_p50_s", 200_000.0, "2.31 d"),
        ("wait_p50_s", NAN, "-"),
        ("promised_risk", NAN, "-"),
        ("violation", 0.0, "0"),
        ("violation", 1.0, "100 %"),
        ("violation", 0.123456, "12.3 %"),
        ("jobs_done", 1_000_000, "1,000,000"),
        ("work_lost_core_hours", 0.0, "0"),
        ("work_lost_core_hours", 1_234.5, "1,234"),
        ("policy", "n-sigma:10", "n-sigma:10"),
    ],
)
def test_a_cell_is_as_long_as_it_must_be(column: str, value: object, cell: str) -> None:
    row = ReportRow(**(asdict(ROW) | {column: value}))
    assert shown(row)[list(SHOWN).index(column)] == cell
