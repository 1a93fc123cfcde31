"""What of a trace is known at a time, and who runs without having been seen yet.

Always holds: a series that has no sample yet is not there, so a trace from which the future was
deleted and the whole trace give the same series, the same shares of a pod's request, and the same
replicas.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from slacktide.trace import Trace


def seen(trace: Trace, now_s: int) -> Trace:
    """The trace until `now_s`, with those series only that have a sample."""
    past = trace.until(now_s)
    usage = past.usage
    sampled = np.isfinite(usage.cpu_cores).any(axis=1)
    if usage.memory_bytes is not None:
        sampled |= np.isfinite(usage.memory_bytes).any(axis=1)
    if sampled.all():
        return past
    rows = np.flatnonzero(sampled)
    known = replace(
        usage,
        pod=usage.pod[rows],
        container=tuple(usage.container[row] for row in rows),
        cpu_cores=usage.cpu_cores[rows],
        cpu_max_cores=None if usage.cpu_max_cores is None else usage.cpu_max_cores[rows],
        memory_bytes=None if usage.memory_bytes is None else usage.memory_bytes[rows],
    )
    return replace(past, usage=known)


def unseen_pods(past: Trace, now_s: int) -> tuple[str, ...]:
    """`namespace/pod` of all that run at `now_s` and have no series in `seen(...)`."""
    pods = past.pods
    runs = (pods.node >= 0) & (pods.start_s <= now_s) & (now_s < pods.end_s)
    runs[past.usage.pod] = False
    return tuple(f"{pods.namespace[row]}/{pods.pod[row]}" for row in np.flatnonzero(runs))
