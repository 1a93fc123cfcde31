"""Kueue's admission check: when forecast capacity counts as there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scheduler.core.kueue_check import Forecast, answered, asked, patch, waits_for_us
from slacktide.kube.kueue import Workload

OURS = ("forecast",)
FITS = Forecast(True, "room for 4 tasks through 2 h")
LATER = Forecast(False, "no room now", starts_in_s=60.0)
MUCH_LATER = Forecast(False, "no room now", starts_in_s=3_600.0)
NEVER = Forecast(False, "larger than the cluster")


def workload(
    *,
    checks: dict[str, str] | None = None,
    message: str = "",
    reserved: dict[str, int] | None = None,
    quota: bool = True,
    active: bool = True,
) -> Workload:
    states = {"forecast": "Pending"} if checks is None else checks
    body: dict[str, Any] = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "metadata": {"name": "job-train-7", "namespace": "team", "uid": "uid-7"},
        "spec": {
            "active": active,
            "podSets": [
                {"name": "driver", "count": 1, "template": {"spec": {"containers": []}}},
                {"name": "workers", "count": 8, "minCount": 2},
            ],
        },
        "status": {
            "admissionChecks": [
                {"name": name, "state": state, "message": message, "lastTransitionTime": "x"}
                for name, state in states.items()
            ]
        },
    }
    if quota:
        given = [{"name": name, "count": count} for name, count in (reserved or {}).items()]
        body["status"]["admission"] = {"clusterQueue": "q", "podSetAssignments": given}
    return msgspec.json.decode(msgspec.json.encode(body), type=Workload)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [("driver", 1), ("workers", 8)]),
        ({"driver": 1, "workers": 3}, [("driver", 1), ("workers", 3)]),
    ],
)
def test_what_has_to_fit_is_what_quota_was_reserved_for(
    given: dict[str, int], expected: list[tuple[str, int]]
) -> None:
    assert [(one.name, one.pods) for one in asked(workload(reserved=given))] == expected


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (workload(), ("forecast",)),
        (workload(quota=False), ()),
        (workload(active=False), ()),
        (workload(checks={"forecast": "Ready"}), ()),
        (workload(checks={"forecast": "Retry"}), ()),
        (workload(checks={"provisioning": "Pending"}), ()),
        (workload(checks={"provisioning": "Ready", "forecast": "Pending"}), ("forecast",)),
    ],
)
def test_only_our_pending_checks_with_reserved_quota_are_answered(
    found: Workload, names: tuple[str, ...]
) -> None:
    assert waits_for_us(found, OURS) == names
    assert set(answered(found, OURS, FITS)) == set(names)
    assert set(answered(found, OURS, NEVER)) == set(names), "what was passed is never taken back"


@pytest.mark.parametrize(
    ("forecast", "state"),
    [(FITS, "Ready"), (LATER, "Pending"), (MUCH_LATER, "Retry"), (NEVER, "Retry")],
)
def test_the_answer_follows_the_forecast(forecast: Forecast, state: str) -> None:
    assert answered(workload(), OURS, forecast) == {"forecast": state}


def test_the_same_answer_is_not_written_twice() -> None:
    assert patch(workload(message="no room now"), OURS, LATER, now_s=0.0) is None


def test_what_is_patched_names_our_check_alone() -> None:
    found = workload(checks={"provisioning": "Pending", "forecast": "Pending"})
    where = "/status/admissionChecks/1"
    assert patch(found, OURS, FITS, now_s=1_767_225_600.9) == [
        {"op": "test", "path": "/metadata/uid", "value": "uid-7"},
        {"op": "test", "path": f"{where}/name", "value": "forecast"},
        {"op": "test", "path": f"{where}/state", "value": "Pending"},
        {"op": "add", "path": f"{where}/state", "value": "Ready"},
        {"op": "add", "path": f"{where}/message", "value": "room for 4 tasks through 2 h"},
        {"op": "add", "path": f"{where}/lastTransitionTime", "value": "2026-01-01T00:00:00Z"},
    ]
