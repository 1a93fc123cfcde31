"""Kueue's workloads asked of the planner: what they want, and what it says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scheduler.adapters.kueue_asks import question
from scheduler.core.kueue_check import SOON_S, Forecast, forecast_of
from scheduler.core.member import Decision
from slacktide.contract import ANNOTATION_DURATION, RESOURCE_BATCH_CPU, RESOURCE_BATCH_MEMORY
from slacktide.kube.kueue import Workload
from tests.scheduler.boards import NOW_S, Planner, batch_pod, selling_node

NODES = [selling_node(f"n{k}") for k in range(2)]  # 8 cores


def workload(
    name: str,
    count: int,
    requests: dict[str, Any] | None = None,
    *,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Workload:
    asked = {RESOURCE_BATCH_CPU: "1000"} if requests is None else requests
    container = {"name": "c", "resources": {"requests": asked}}
    template = {
        "metadata": {"annotations": annotations or {}},
        "spec": {"containers": [container], **spec},
    }
    body = {
        "metadata": {"name": name, "namespace": "team", "uid": f"uid-{name}"},
        "spec": {"podSets": [{"name": "main", "count": count, "template": template}]},
    }
    return msgspec.convert(body, Workload)


def forecasts(
    planner: Planner, *waiting: Workload, promised: tuple[Workload, ...] = ()
) -> list[Forecast]:
    asked = question(promised, waiting, planner.board, now_s=0)
    outcome = asked.answer(int(NOW_S))
    leads = {wish.workload.metadata.name: wish.lead for wish in asked.wishes}
    return [forecast_of(outcome, leads[one.metadata.name]) for one in waiting]


def busy(milli: int, duration: str) -> Planner:
    decision = Decision("0-x-1", "n0", 1, 0, at_s=int(NOW_S))
    notes = {ANNOTATION_DURATION: duration}
    pods = [
        batch_pod(f"b{k}", node=f"n{k}", decision=decision, milli=milli, annotations=notes)
        for k in range(2)
    ]
    return Planner(NODES, pods)


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ({RESOURCE_BATCH_CPU: "1500", RESOURCE_BATCH_MEMORY: "1Gi"}, (1_500, 1 << 30)),
        ({"cpu": "1500m", "memory": "1Gi"}, (1_500, 1 << 30)),
        ({"cpu": 2}, (2_000, 0)),
    ],
)
def test_plain_requests_count_as_what_admission_makes_of_them(
    requests: dict[str, Any], expected: tuple[int, int]
) -> None:
    [wish] = question((), [workload("w", 1, requests)], Planner(NODES, []).board, now_s=0).wishes
    assert (wish.cpu_milli, wish.memory_bytes) == expected


def test_a_workload_that_asks_for_nothing_oversold_has_no_row() -> None:
    asked = question((), [workload("w", 3, {})], Planner(NODES, []).board, now_s=0)
    assert asked.wishes == ()


def test_what_cannot_be_read_is_said_and_stops_nobody_else() -> None:
    bad = workload("bad", 1, {RESOURCE_BATCH_CPU: "much"})
    asked = question((), [bad, workload("good", 1)], Planner(NODES, []).board, now_s=0)
    assert "cannot be read" in asked.unreadable["uid-bad"]
    assert [wish.lead for wish in asked.wishes] == [0]


def test_what_fits_fits_and_what_never_can_is_not_foreseen() -> None:
    fits, never = forecasts(Planner(NODES, []), workload("a", 8), workload("b", 9))
    assert fits.fits
    assert (never.fits, never.starts_in_s) == (False, None)
    assert "larger than the nodes hold" in never.reason


@pytest.mark.parametrize(("duration", "soon"), [("2m", True), ("50m", False)])
def test_what_waits_for_endings_says_when(duration: str, soon: bool) -> None:
    [found] = forecasts(busy(2_000, duration), workload("w", 8))
    assert not found.fits
    assert found.starts_in_s is not None
    assert (found.starts_in_s <= SOON_S) == soon


def test_the_same_room_is_not_promised_twice() -> None:
    planner = Planner(NODES, [])
    [found] = forecasts(planner, workload("b", 5), promised=(workload("a", 5),))
    assert (found.fits, found.starts_in_s) == (False, None)
    [found] = forecasts(planner, workload("b", 3), promised=(workload("a", 5),))
    assert found.fits


def test_the_rules_of_its_pods_hold_for_a_workload() -> None:
    [found] = forecasts(Planner(NODES, []), workload("w", 1, nodeSelector={"disk": "ssd"}))
    assert not found.fits
    assert found.starts_in_s is None
