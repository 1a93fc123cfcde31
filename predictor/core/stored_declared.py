"""What stands beside the requests of containers that a stored history knows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from predictor.core.ranking import Declared
from predictor.core.stored_trace import LONE_KIND, QUIET_S
from predictor.core.use import Key


def stored_declared(containers: pa.Table, *, cluster: str, now_s: int) -> Mapping[Key, Declared]:
    """Pods and limits of each container of `CONTAINERS` that runs at `now_s`.

    The largest limit of the replicas; None where any of them has none.
    """
    running = containers.filter(
        (pc.field("first_seen_s") <= now_s) & (pc.field("last_seen_s") >= now_s - QUIET_S)
    )
    parts = [pod.partition("/") for pod in running["pod"].to_pylist()]
    bare = pa.array([name or space for space, _, name in parts], pa.string())
    named = pa.table(
        {
            "namespace": running["namespace"],
            "workload": pc.coalesce(running["workload"], bare),
            "kind": pc.fill_null(running["kind"], LONE_KIND),
            "container": running["container"],
            "pod": bare,
            "cpu": pc.fill_null(running["cpu_limit_cores"], np.inf),
            "memory": pc.fill_null(running["memory_limit_bytes"], np.inf),
        }
    )
    keys = ["namespace", "workload", "kind", "container"]
    grouped = named.group_by(keys, use_threads=False).aggregate(
        [("pod", "list"), ("cpu", "max"), ("memory", "max")]
    )
    columns = [grouped[name].to_pylist() for name in (*keys, "pod_list", "cpu_max", "memory_max")]
    return {
        (namespace, workload, kind, container, cluster): Declared(
            pods=tuple(pods),
            clusters=(cluster,),
            cpu_limit_cores=None if np.isinf(cpu) else cpu,
            memory_limit_bytes=None if np.isinf(memory) else memory,
        )
        for namespace, workload, kind, container, pods, cpu, memory in zip(*columns, strict=True)
    }
