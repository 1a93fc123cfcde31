"""Kueue's admission check "forecast capacity is there": asked once quota is reserved.

Kueue counts quota and does not know what online will leave; we do. While the forecast has no room
for the workload the check stays Pending, for so long as it is expected to find room soon; beyond
that it says Retry, so that Kueue takes the quota back and lets others try.

Always holds: a check that was passed is never taken back by us (Kueue would evict what runs);
checks of other controllers are not touched; nothing is written where nothing changed.

Source: kueue, "Admission Check" (states) and workload_types.go (podSetAssignments).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np

from scheduler.core.endings import Endings
from scheduler.core.fit import TaskClasses, task_of
from scheduler.core.plan import Plan
from slacktide.kube.groups import PodTemplate
from slacktide.kube.kueue import Workload

PENDING: Final = "Pending"
READY: Final = "Ready"
RETRY: Final = "Retry"
LONGEST_MESSAGE: Final = 1_024
SOON_S: Final = 300.0  # holding quota for longer would keep others from it


class Asked(NamedTuple):
    """Identical pods that a workload wants to run at one time."""

    name: str
    pods: int
    template: PodTemplate


class Forecast(NamedTuple):
    """What the planner says about a workload's pods, all together."""

    fits: bool
    reason: str  # its sentence
    starts_in_s: float | None = None  # where they do not fit now; None: not foreseeable


def asked(workload: Workload) -> tuple[Asked, ...]:
    """What has to fit: what quota was reserved for, which may be less than was asked for."""
    admission = workload.status.admission
    given = {one.name: one.count for one in admission.pod_set_assignments} if admission else {}
    found = []
    for one in workload.spec.pod_sets:
        reserved = given.get(one.name)
        found.append(Asked(one.name, one.count if reserved is None else reserved, one.template))
    return tuple(found)


def waits_for_us(workload: Workload, ours: Collection[str]) -> tuple[str, ...]:
    """The names of our checks that have to be answered now; `ours` are all that we answer."""
    if workload.status.admission is None or not workload.spec.active:
        return ()
    checks = workload.status.admission_checks
    return tuple(one.name for one in checks if one.name in ours and one.state == PENDING)


def answered(workload: Workload, ours: Collection[str], forecast: Forecast) -> dict[str, str]:
    """The new state of each of our checks that changes, in state or in message."""
    state, message = _state(forecast)
    held = {one.name: (one.state, one.message) for one in workload.status.admission_checks}
    return {name: state for name in waits_for_us(workload, ours) if held[name] != (state, message)}


def patch(
    workload: Workload, ours: Collection[str], forecast: Forecast, *, now_s: float
) -> list[dict[str, object]] | None:
    """The JSON patch of its `status`, or None where nothing changes.

    It names the UID and each check as it was found, so the server refuses it where either is
    another by now; checks of others are not in it.
    """
    changes = answered(workload, ours, forecast)
    if not changes:
        return None
    at = datetime.fromtimestamp(int(now_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = _state(forecast)[1]
    patched: list[dict[str, object]] = [
        {"op": "test", "path": "/metadata/uid", "value": workload.metadata.uid}
    ]
    for place, one in enumerate(workload.status.admission_checks):
        if one.name not in changes:
            continue
        where = f"/status/admissionChecks/{place}"
        for name, seen in (("name", one.name), ("state", one.state)):
            patched.append({"op": "test", "path": f"{where}/{name}", "value": seen})
        new = {"state": changes[one.name], "message": message, "lastTransitionTime": at}
        patched += [
            {"op": "add", "path": f"{where}/{name}", "value": value} for name, value in new.items()
        ]
    return patched


def forecast_of(outcome: Plan, lead: int) -> Forecast:
    """What a plan says about the gang of this row: that it is placed, or when it would be."""
    if lead not in outcome.pending:
        return Forecast(True, outcome.reason(lead))
    after, reason = outcome.aftermath, outcome.reason(lead)
    gangs, nodes = after.snapshot.gangs, after.snapshot.nodes
    endings = Endings.of(nodes, after.snapshot.running, now_s=after.now_s)
    starts_s = after.now_s
    for row in np.flatnonzero(gangs.leads == lead).tolist():
        least = int(gangs.min_available[row])
        if after.fits_now(row) >= least:
            continue
        if after.fits_without_batch(row) < least or not len(endings.end_s):
            return Forecast(False, reason)
        task = task_of(gangs, row, level=int(after.level[row]), constraints=nodes.constraints)
        starts_s = max(starts_s, endings.first_fit_s(TaskClasses.one(task), tasks=least))
    return Forecast(False, reason, float(starts_s - after.now_s))


def _state(forecast: Forecast) -> tuple[str, str]:
    message = forecast.reason[:LONGEST_MESSAGE]
    if forecast.fits:
        return READY, message
    soon = forecast.starts_in_s is not None and forecast.starts_in_s <= SOON_S
    return (PENDING if soon else RETRY), message
