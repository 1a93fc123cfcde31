"""When a report is worth a write, and what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.app.neighbour.reporting import encoded
from qos_controller.core.qos_report import OnlineLost, Pace, QosReport, Stages, is_due

PACE = Pace()
CALM = QosReport(at_s=1_000.0, since_s=900.0, alive=True, quota_cores=1.5, reason="calm")
THROTTLED = replace(CALM, stage=Stages(cpu=1))
LOST = OnlineLost(requests=5)


@pytest.mark.parametrize(
    ("now", "told", "ago_s", "due"),
    [
        pytest.param(CALM, None, None, True, id="the first"),
        pytest.param(CALM, None, 0.5, False, id="the first, but just tried"),
        pytest.param(THROTTLED, CALM, 1.1, True, id="a stage"),
        pytest.param(THROTTLED, CALM, 0.9, False, id="a stage, too soon"),
        pytest.param(replace(CALM, evictions=1), CALM, 1.1, True, id="an eviction"),
        pytest.param(replace(CALM, open=False), CALM, 1.1, True, id="closed"),
        pytest.param(replace(CALM, alive=False), CALM, 1.1, True, id="dead"),
        pytest.param(replace(CALM, off=True), CALM, 1.1, True, id="off"),
        pytest.param(replace(CALM, quota_cores=1.0), CALM, 9.0, False, id="a quota, too soon"),
        pytest.param(replace(CALM, quota_cores=1.0), CALM, 10.1, True, id="a quota"),
        pytest.param(replace(CALM, quota_cores=1.51), CALM, 60.0, False, id="noise of a quota"),
        pytest.param(replace(CALM, level=0.9, at_s=2e3), CALM, 99.0, False, id="noise of a level"),
        pytest.param(replace(CALM, reason="other"), CALM, 10.1, True, id="a reason"),
        pytest.param(CALM, CALM, 9_999.0, False, id="nothing new"),
        pytest.param(replace(CALM, lost=LOST), CALM, 299.0, False, id="counts, too soon"),
        pytest.param(replace(CALM, lost=LOST), CALM, 301.0, True, id="counts"),
    ],
)
def test_a_report_is_written_when_it_is_worth_it(
    now: QosReport, told: QosReport | None, ago_s: float | None, *, due: bool
) -> None:
    told_s = [] if ago_s is None else [5_000.0 - ago_s]
    assert is_due(now, told, told_s=told_s, now_s=5_000.0, pace=PACE) is due


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 4), st.floats(0, 4)), max_size=300),
    st.integers(1, 20),
)
def test_however_a_node_flaps_its_writes_are_few(
    steps: list[tuple[float, int, float]], most: int
) -> None:
    pace, told, told_s, now_s = Pace(most_a_minute=most), None, list[float](), 0.0
    for passed_s, stage, quota in steps:
        now_s += passed_s
        now = replace(CALM, stage=Stages(disk=stage), quota_cores=quota)
        if is_due(now, told, told_s=told_s, now_s=now_s, pace=pace):
            told, told_s = now, [*told_s, now_s]
    assert all(b - a >= pace.urgent_s for a, b in pairwise(told_s))
    assert all(sum(at <= one < at + 60 for one in told_s) <= most for at in told_s)


def test_the_report_reads_as_kubernetes_writes() -> None:
    report = replace(THROTTLED, lost=OnlineLost(slow_requests=2.5), quota_cores=None)
    assert json.loads(encoded(report)) == {
        "version": 1,
        "atS": 1_000.0,
        "sinceS": 900.0,
        "alive": True,
        "off": False,
        "open": True,
        "stage": {"cpu": 1, "disk": 0, "memory": 0, "network": 0},
        "level": 0.0,
        "quotaCores": None,
        "frozenShare": 0.0,
        "onlinePods": 0,
        "batchPods": 0,
        "evictions": 0,
        "lost": {"watchedS": 0.0, "stalledS": 0.0, "requests": 0.0, "slowRequests": 2.5},
        "reason": "calm",
    }
