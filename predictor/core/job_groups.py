"""Jobs that something else than a CronJob creates are put together by a label each of them has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import pyarrow as pa

KINDS: Final = ("Job", "CronJob")
GROUPING_LABELS: Final = (  # the first that a Job has names its group
    "slacktide.io/job-group",
    "app.kubernetes.io/name",
    "app",
)


def job_groups(containers: pa.Table) -> pa.Table:
    """The same rows; Jobs get the name of their label group, rows without an owner their pod's."""
    workload, kind = containers["workload"].to_pylist(), containers["kind"].to_pylist()
    labels, pods = containers["labels"].to_pylist(), containers["pod"].to_pylist()
    named = [
        (_group(text) if what == "Job" else None) or name or pod.rpartition("/")[2]
        for name, what, text, pod in zip(workload, kind, labels, pods, strict=True)
    ]
    kinds = ["Pod" if what is None else what for what in kind]
    places = [containers.schema.get_field_index(name) for name in ("workload", "kind")]
    for place, name, values in zip(places, ("workload", "kind"), (named, kinds), strict=True):
        containers = containers.set_column(place, name, pa.array(values, pa.string()))
    return containers


def _group(labels: str | None) -> str | None:
    """The value of the first grouping label."""
    pairs: Mapping[str, str] = json.loads(labels) if labels else {}
    return next((pairs[label] for label in GROUPING_LABELS if pairs.get(label)), None)
