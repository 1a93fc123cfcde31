"""The usage history's three tables, as the store keeps them and as a fit reads them.

Nothing else defines their columns. A column that a source does not know is null, never 0; keys are
never null. Pods are named `namespace/name`, because names alone repeat between namespaces.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

KEY: Final = ("ts_s", "pod", "container")

SAMPLES: Final = pa.schema(
    [
        pa.field("ts_s", pa.int64(), nullable=False),  # of the interval's end
        pa.field("pod", pa.string(), nullable=False),
        pa.field("container", pa.string(), nullable=False),
        pa.field("cpu_cores", pa.float32()),  # mean of the interval
        pa.field("cpu_p95_cores", pa.float32()),  # of the short rates within it
        pa.field("cpu_max_cores", pa.float32()),  # the highest of them
        pa.field("cpu_throttled_share", pa.float32()),  # of the scheduler periods, 0..1
        pa.field("memory_bytes", pa.float32()),  # highest working set of the interval
        pa.field("oom_kills", pa.float32()),  # within the interval
    ]
)

CONTAINERS: Final = pa.schema(
    [
        pa.field("pod", pa.string(), nullable=False),
        pa.field("container", pa.string(), nullable=False),
        pa.field("namespace", pa.string(), nullable=False),
        pa.field("workload", pa.string()),  # null = the source does not know
        pa.field("kind", pa.string()),
        pa.field("node", pa.string()),
        pa.field("image", pa.string()),
        pa.field("labels", pa.string()),  # of the pod, a JSON object with sorted keys
        pa.field("cpu_request_cores", pa.float64()),
        pa.field("cpu_limit_cores", pa.float64()),
        pa.field("memory_request_bytes", pa.float64()),
        pa.field("memory_limit_bytes", pa.float64()),
        pa.field("hpa_cpu_target_share", pa.float64()),  # null = no autoscaler on this resource
        pa.field("hpa_memory_target_share", pa.float64()),
        pa.field("jvm_heap_bytes", pa.float64()),  # the largest heap allowed; null = no JVM seen
        pa.field("first_seen_s", pa.int64(), nullable=False),
        pa.field("last_seen_s", pa.int64(), nullable=False),
    ]
)

NODES: Final = pa.schema(
    [
        pa.field("node", pa.string(), nullable=False),
        pa.field("cpu_cores", pa.float64()),
        pa.field("memory_bytes", pa.float64()),
        pa.field("last_seen_s", pa.int64(), nullable=False),
    ]
)
