"""Small traces written by hand: each container's use is a number, so that a test can foretell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slacktide.trace import NEVER, Nodes, Pods, Trace, Usage, write_trace

GIB = 1 << 30
MIB = 1 << 20
DAY_S = 86_400
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod with one container and steady use."""

    workload: str
    used_cores: float
    used_bytes: float = 512.0 * MIB
    cpu_request_cores: float = 2.0
    cpu_limit_cores: float = 4.0
    memory_request_bytes: float = 4.0 * GIB
    namespace: str = "shop"
    kind: str = "Deployment"
    container: str = "app"
    start_day: float = 0
    first_sample_day: float = 0


def trace_of(pods: Sequence[Pod], *, days: int = 15, interval_s: int = 1_800) -> Trace:
    """All pods on one node of 64 cores and 256 GiB."""
    at_s = np.arange(days * DAY_S // interval_s) * interval_s
    start_s = np.array([int(pod.start_day * DAY_S) for pod in pods])
    first_s = np.array([int(pod.first_sample_day * DAY_S) for pod in pods])
    absent = at_s < np.maximum(start_s, first_s)[:, None]

    def series(values: list[float]) -> np.ndarray:
        steady = np.repeat(np.array(values, dtype=np.float32)[:, None], len(at_s), axis=1)
        return np.where(absent, np.float32(np.nan), steady)

    request_bytes = np.array([pod.memory_request_bytes for pod in pods])
    return Trace(
        name="sized",
        source="written by a test",
        licence="Apache-2.0",
        interval_s=interval_s,
        nodes=Nodes(("node-0",), ("here",), np.array([64.0]), np.array([256.0 * GIB])),
        pods=Pods(
            pod=tuple(f"pod-{n}" for n in range(len(pods))),
            namespace=tuple(pod.namespace for pod in pods),
            workload=tuple(pod.workload for pod in pods),
            kind=tuple(pod.kind for pod in pods),
            qos=("LS",) * len(pods),
            node=np.zeros(len(pods), dtype=np.int64),
            cpu_request_cores=np.array([pod.cpu_request_cores for pod in pods]),
            cpu_limit_cores=np.array([pod.cpu_limit_cores for pod in pods]),
            memory_request_bytes=request_bytes,
            memory_limit_bytes=request_bytes,
            start_s=start_s,
            end_s=np.full(len(pods), NEVER),
        ),
        usage=Usage(
            pod=np.arange(len(pods)),
            container=tuple(pod.container for pod in pods),
            cpu_cores=series([pod.used_cores for pod in pods]),
            cpu_max_cores=None,
            memory_bytes=series([pod.used_bytes for pod in pods]),
        ),
    )


def written(folder: Path, pods: Sequence[Pod], *, days: int = 15) -> Path:
    """The trace in a folder, as a user has it."""
    write_trace(trace_of(pods, days=days), folder)
    return folder
