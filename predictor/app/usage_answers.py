"""The shapes that the history's API answers with. Lists of one answer are equally long."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

import pyarrow as pa
from fastapi import Response
from pydantic_core import to_json

from predictor.app.usage_reader import Answer

ARROW: Final = "application/vnd.apache.arrow.stream"

Values = list[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Use over time: a value a step, null where nothing reported. ts_s is a step's first second."""

    cluster: str
    namespace: str | None
    workload: str | None
    node: str | None
    from_s: int
    to_s: int
    step_s: int
    interval_s: int
    torn_files: int  # that could not be read: their samples are missing
    ts_s: list[int]
    cpu_mean_cores: Values
    cpu_max_cores: Values
    cpu_p95_cores: Values  # of the summed series' samples within the step
    memory_mean_bytes: Values
    memory_max_bytes: Values
    memory_p95_bytes: Values
    containers: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRow:
    """What is stored of a cluster."""

    cluster: str
    first_day: int | None  # days since the origin
    last_day: int | None
    days: int
    containers: int
    nodes: int
    interval_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """All clusters, by name."""

    clusters: list[ClusterRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRow:
    """A workload and who runs it; a pod without a known one is its own."""

    namespace: str
    workload: str
    kind: str
    pods: int
    containers: list[str]
    first_seen_s: int
    last_seen_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workloads:
    """A page of them by namespace, name and kind; `total` counts all pages."""

    cluster: str
    total: int
    offset: int
    rows: list[WorkloadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The server answers."""

    status: str


def json_answer(value: object) -> Response:
    """The value as JSON; what is not finite is null."""
    return Response(to_json(value, inf_nan_mode="null"), media_type="application/json")


def arrow_answer(answer: Answer) -> Response:
    """The table as an Arrow IPC stream, with what is beside it as metadata."""
    steps = answer.steps
    told = {"cluster": answer.cluster, "step_s": steps.step_s, "torn_files": answer.torn_files}
    table = answer.usage.replace_schema_metadata({key: str(said) for key, said in told.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW)


def usage_answer(answer: Answer) -> Usage:
    """The table as lists."""
    steps, asked = answer.steps, answer.question
    columns = {name: answer.usage[name].to_pylist() for name in answer.usage.column_names}
    return Usage(
        cluster=answer.cluster,
        namespace=asked.namespace,
        workload=asked.workload,
        node=asked.node,
        from_s=steps.from_s,
        to_s=steps.to_s,
        step_s=steps.step_s,
        interval_s=steps.interval_s,
        torn_files=answer.torn_files,
        **columns,
    )


def workload_rows(containers: pa.Table) -> pa.Table:
    """A row a workload of containers as `UsageReader.containers` gives them, by its name."""
    key = ["namespace", "workload", "kind"]
    grouped = containers.group_by(key, use_threads=False).aggregate(
        [
            ("pod", "count_distinct"),
            ("container", "distinct"),
            ("first_seen_s", "min"),
            ("last_seen_s", "max"),
        ]
    )
    measured = ["pod_count_distinct", "container_distinct", "first_seen_s_min", "last_seen_s_max"]
    names = [row.name for row in fields(WorkloadRow)]
    table = grouped.select([*key, *measured]).rename_columns(names)
    return table.sort_by([(name, "ascending") for name in key])
