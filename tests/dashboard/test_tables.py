"""Recommendations, queues, waiting gangs and the report as rows."""

from __future__ import annotations

import dataclasses

import pytest

from dashboard.core.report_table import SHOWN, report_table
from dashboard.core.tables import (
    pending_gangs,
    queue_row,
    recommendation_row,
    recommendation_table,
)
from simulator.core.report import COLUMNS, ReportRow
from tests.dashboard.runs import pending_gang, queue, recommendation, report_row

ROWS = [
    recommendation_row(recommendation("small", replicas=1)),
    recommendation_row(recommendation("large", replicas=50, namespace="core")),
    recommendation_row(recommendation("new", cpu_request_cores=None, container="Proxy")),
]


def test_the_largest_change_of_all_replicas_comes_first() -> None:
    table = recommendation_table(ROWS, query="", limit=10)
    assert [row.workload for row in table.rows] == ["large", "small", "new"]
    assert (table.total, table.compared) == (3, 2)


def test_the_sums_are_of_all_replicas_with_both_numbers() -> None:
    table = recommendation_table(ROWS, query="", limit=1)
    assert (table.cpu_request_cores, table.recommended_cpu_request_cores) == (102.0, 25.5)
    assert (table.total, len(table.rows)) == (3, 1)


@pytest.mark.parametrize(
    ("query", "found"), [("LARGE", 1), ("core/", 1), ("proxy", 1), ("  small ", 1), ("nothing", 0)]
)
def test_a_query_finds_workload_namespace_and_container(query: str, found: int) -> None:
    assert recommendation_table(ROWS, query=query, limit=10).total == found


def test_numbers_that_are_none_become_null() -> None:
    row = recommendation_row(recommendation("odd", cpu_upper_cores=float("nan")))
    assert row.cpu_upper_cores is None
    assert row.cpu_lower_cores is None


def test_a_queue_without_an_upper_limit_has_none() -> None:
    row = queue_row(queue("batch", parent="root"))
    assert (row.max_cores, row.guaranteed_cores, row.parent) == (None, 10.0, "root")


def test_those_that_wait_longest_come_first() -> None:
    gangs = [pending_gang(f"g{k}", queue="ab"[k % 2], waiting_s=k) for k in range(4)]
    everything = pending_gangs(gangs, queue=None, limit=2)
    assert (everything.total, [row.gang for row in everything.rows]) == (4, ["g3", "g2"])
    one_queue = pending_gangs(gangs, queue="a", limit=9)
    assert [row.gang for row in one_queue.rows] == ["g2", "g0"]


def test_the_report_shows_every_figure_that_the_simulator_tells() -> None:
    fields = [field.name for field in dataclasses.fields(ReportRow)]
    assert sorted(SHOWN) == sorted(fields) == sorted(COLUMNS)


def test_ours_comes_first_and_the_baselines_keep_their_order() -> None:
    rows = [report_row(name, wait_s=60.0) for name in ("oracle", "slacktide", "borg-default")]
    table = report_table(rows, ours="slacktide")
    assert [row["policy"] for row in table.rows] == ["slacktide", "oracle", "borg-default"]


def test_a_figure_that_a_policy_does_not_have_is_null() -> None:
    row = report_table([report_row("oracle", wait_s=float("nan"))], ours="slacktide").rows[0]
    assert (row["wait_p50_s"], row["promised_risk"], row["jobs_done"]) == (None, None, 3)
