"""Histories written out by hand: a few pods, a few nodes, five-minute samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predictor.core.history import NEVER_S, History
from simulator.core.backtest import Trial
from slacktide.messages import FloatArray

STEP_S = 300
DAY_S = 86_400
DAY = DAY_S // STEP_S  # columns


def fleet(
    cpu: FloatArray,
    node: Sequence[int] | None = None,
    *,
    cores: float = 16.0,
    request: float = 4.0,
    start_s: int = 0,
    memory: FloatArray | None = None,
) -> History:
    """Pods [S, T] on nodes of `cores`, all of them running from `start_s` on."""
    rows = len(cpu)
    where = np.array(node if node is not None else [0] * rows, np.int64)
    nodes = int(where.max()) + 1
    return History(
        interval_s=STEP_S,
        cpu_cores=cpu.astype(np.float32),
        memory_bytes=None if memory is None else memory.astype(np.float32),
        node=where,
        start_s=np.full(rows, start_s),
        end_s=np.full(rows, NEVER_S),
        cpu_request_cores=np.full(rows, request),
        memory_request_bytes=np.full(rows, 4e9),
        nodes=tuple(f"node-{at}" for at in range(nodes)),
        clusters=("one",) * nodes,
        node_cpu_cores=np.full(nodes, cores),
        node_memory_bytes=np.full(nodes, 64e9),
    )


def held(came: FloatArray, capacity: FloatArray, times_s: Sequence[int] | None = None) -> Trial:
    """A trial in which [N, T] came, whatever the history."""
    nodes, columns = came.shape
    times = tuple(times_s or range(0, columns * 3 * 3_600, 3 * 3_600))
    history = fleet(np.zeros((nodes, DAY)), list(range(nodes)))
    return Trial(history, times, DAY_S, False, came, capacity)
