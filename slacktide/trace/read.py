"""Reads a trace folder (nodes, pods, usage and jobs as Parquet, and trace.json).

What comes back is complete and consistent: every index points at a row, every series has at most
one sample a stamp, in order. Anything else is refused with `BadInput`; nothing is repaired.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from slacktide.contract import QOS_CLASSES
from slacktide.errors import BadInput
from slacktide.trace.columns import NEVER, Jobs, Nodes, Pods, Trace
from slacktide.trace.door import Bounds, Table, readable
from slacktide.trace.read_usage import read_usage

# Limits: above anything a fleet holds, below what would exhaust this process.
MAX_ROWS: Final = {"nodes": 10**6, "pods": 10**7, "jobs": 5 * 10**7}
MAX_JSON_BYTES: Final = 2**20

NODE_CORES: Final = Bounds(0, 100_000, above_zero=True)
NODE_BYTES: Final = Bounds(0, 2**50, above_zero=True)  # 1 PiB
POD_CORES: Final = Bounds(0, 100_000)
POD_BYTES: Final = Bounds(0, 2**50)
TASK_CORES: Final = Bounds(0, 100_000, above_zero=True)
TIMES_S: Final = Bounds(-(10**10), 10**10)  # three centuries; pods may precede the origin
SUBMIT_S: Final = Bounds(0, 10**10)
DURATION_S: Final = Bounds(0, 10**10, above_zero=True)
TASKS: Final = Bounds(1, 1_000_000)
PRIORITY: Final = Bounds(-(2**31), 2**31 - 1)  # Kubernetes' int32
INTERVAL_S: Final = Bounds(1, 86_400)


def read_trace(folder: Path | str) -> Trace:
    """The trace in `folder`; BadInput says in one line what is wrong with it."""
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder")
    name, source, licence, interval_s = _read_description(folder / "trace.json")
    nodes = _read_nodes(folder / "nodes.parquet")
    pods = _read_pods(folder / "pods.parquet", nodes)
    usage = read_usage(folder / "usage.parquet", pods, interval_s)
    return Trace(name, source, licence, interval_s, nodes, pods, usage)


def read_jobs(folder: Path | str) -> Jobs:
    """The jobs in `folder` by submission; the folder need hold nothing but jobs.parquet."""
    required = ("job", "queue", "submit_s", "tasks", "cpu_cores", "duration_s")
    table = Table(Path(folder) / "jobs.parquet", max_rows=MAX_ROWS["jobs"], required=required)
    tasks = table.whole("tasks", TASKS)
    submit_s = table.whole("submit_s", SUBMIT_S)
    order = np.argsort(submit_s, kind="stable")
    job, queue = table.unique_names("job"), table.names("queue")
    return Jobs(
        job=tuple(job[i] for i in order),
        queue=tuple(queue[i] for i in order),
        submit_s=submit_s[order],
        tasks=tasks[order],
        min_available=_min_available(table, tasks)[order],
        duration_s=table.whole("duration_s", DURATION_S)[order],
        priority=_optional_whole(table, "priority", PRIORITY)[order],
        cpu_cores=table.numbers("cpu_cores", TASK_CORES, nullable=False)[order],
        memory_bytes=np.nan_to_num(_optional_numbers(table, "memory_bytes", POD_BYTES))[order],
    )


def _read_description(path: Path) -> tuple[str, str, str, int]:
    """Name, source, licence and interval_s from trace.json."""
    with readable(path):
        if path.stat().st_size > MAX_JSON_BYTES:
            raise BadInput(f"{path}: is larger than {MAX_JSON_BYTES:,} bytes")
        text = path.read_bytes()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path}: wants an object with name, source, licence and interval_s")
    interval_s = content.get("interval_s")
    if type(interval_s) is not int or not INTERVAL_S.low <= interval_s <= INTERVAL_S.high:
        raise BadInput(f"{path}: interval_s is {interval_s!r:.40}, not a whole number {INTERVAL_S}")
    name, source, licence = (_text(path, content, key) for key in ("name", "source", "licence"))
    return name or path.absolute().parent.name, source, licence, interval_s


def _text(path: Path, content: dict[str, Any], key: str) -> str:
    value = content.get(key, "")
    if not isinstance(value, str) or len(value) > 10_000 or not value.isprintable():
        raise BadInput(f"{path}: {key} is not one line of text")
    return value


def _read_nodes(path: Path) -> Nodes:
    required = ("node", "cluster", "cpu_cores", "memory_bytes")
    table = Table(path, max_rows=MAX_ROWS["nodes"], required=required)
    return Nodes(
        node=table.unique_names("node"),
        cluster=table.names("cluster"),
        cpu_cores=table.numbers("cpu_cores", NODE_CORES, nullable=False),
        memory_bytes=table.numbers("memory_bytes", NODE_BYTES, nullable=True),
    )


def _read_pods(path: Path, nodes: Nodes) -> Pods:
    """The pods; a bare pod (null workload) is its own workload, of kind Pod."""
    required = (
        *("pod", "node", "namespace", "workload", "kind", "qos"),
        *("cpu_request_cores", "memory_request_bytes", "start_s", "end_s"),
    )
    table = Table(path, max_rows=MAX_ROWS["pods"], required=required)
    pod = table.unique_names("pod")
    start_s = table.whole("start_s", TIMES_S, null=0)
    return Pods(
        pod=pod,
        namespace=table.names("namespace"),
        workload=table.names("workload", default=pod),
        kind=table.names("kind", default=("Pod",) * table.rows),
        qos=_qos(table),
        node=_node_rows(table, nodes),
        cpu_request_cores=table.numbers("cpu_request_cores", POD_CORES, nullable=True),
        cpu_limit_cores=_optional_numbers(table, "cpu_limit_cores", POD_CORES),
        memory_request_bytes=table.numbers("memory_request_bytes", POD_BYTES, nullable=True),
        memory_limit_bytes=_optional_numbers(table, "memory_limit_bytes", POD_BYTES),
        start_s=start_s,
        end_s=_end_s(table, start_s),
    )


def _node_rows(table: Table, nodes: Nodes) -> NDArray[np.int64]:
    """Each pod's row of Nodes."""
    row_of = {node: row for row, node in enumerate(nodes.node)}
    names = table.names("node")
    rows = np.array([row_of.get(name, -1) for name in names], np.int64)
    if rows.min() < 0:
        first = int(np.argmax(rows < 0))
        raise table.place("node").refuse(f"{names[first]} is not in nodes.parquet", first)
    if table.has("cluster"):
        _refuse_elsewhere(table, names, tuple(nodes.cluster[row] for row in rows))
    return rows


def _refuse_elsewhere(table: Table, node: tuple[str, ...], at_home: tuple[str, ...]) -> None:
    """A pod's cluster, where stated, must be its node's."""
    for row, said in enumerate(table.names("cluster", default=at_home)):
        if said != at_home[row]:
            why = f"{said}, but nodes.parquet has {node[row]} in {at_home[row]}"
            raise table.place("cluster").refuse(why, row)


def _qos(table: Table) -> tuple[str, ...]:
    classes = table.names("qos", default=("LS",) * table.rows)
    for row, qos in enumerate(classes):
        if qos not in QOS_CLASSES:
            raise table.place("qos").refuse(f"{qos} is none of {', '.join(QOS_CLASSES)}", row)
    return classes


def _end_s(table: Table, start_s: NDArray[np.int64]) -> NDArray[np.int64]:
    end_s = table.whole("end_s", TIMES_S, null=NEVER)
    if (end_s < start_s).any():
        row = int(np.argmax(end_s < start_s))
        why = f"{end_s[row]} is before start_s {start_s[row]}"
        raise table.place("end_s").refuse(why, row)
    return end_s


def _min_available(table: Table, tasks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The gang's floor; where it is not stated, the whole gang."""
    if not table.has("min_available"):
        return tasks
    least = table.whole("min_available", TASKS, null=tasks)
    if (least > tasks).any():
        row = int(np.argmax(least > tasks))
        why = f"{least[row]} is more than the job's {tasks[row]} tasks"
        raise table.place("min_available").refuse(why, row)
    return least


def _optional_numbers(table: Table, column: str, bounds: Bounds) -> NDArray[np.float64]:
    if not table.has(column):
        return np.full(table.rows, np.nan)
    return table.numbers(column, bounds, nullable=True)


def _optional_whole(table: Table, column: str, bounds: Bounds) -> NDArray[np.int64]:
    if not table.has(column):
        return np.zeros(table.rows, np.int64)
    return table.whole(column, bounds, null=0)
