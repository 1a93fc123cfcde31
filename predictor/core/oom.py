"""A container killed for memory needed more than it was seen to use.

Its samples stop at the limit that killed it, so they understate what it needs. For a week after a
kill each of its samples counts at least as much as the limit and a fifth, which is where it will go
when the limit is raised or the pod moves. Always holds: no sample shrinks, none counts more than
its node has, and none changes before the kill: forecasts stay blind to the future.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from predictor.core.history import HOUR_S, History

NEED_OF_LIMIT = 1.2  # VPA bumps a killed container's peak by 20 % as well
REMEMBERED_S = 7 * 24 * HOUR_S


def counting_oom_kills(history: History) -> History:
    """The history with memory as it was needed; the same one where no kill is known.

    A limit that is not declared leaves the samples as they are.
    """
    kills, memory, limit = history.oom_kills, history.memory_bytes, history.memory_limit_bytes
    if kills is None or memory is None or limit is None:
        return history
    most = np.where(np.isnan(history.node_memory_bytes), np.inf, history.node_memory_bytes)
    need = np.minimum(NEED_OF_LIMIT * limit, most[history.node])
    rows = np.flatnonzero((kills > 0).any(axis=1) & np.isfinite(need) & (history.node >= 0))
    if not rows.size:
        return history
    column = np.arange(kills.shape[1])
    last_kill = np.maximum.accumulate(np.where(kills[rows] > 0, column, -(2**40)), axis=1)
    recent = column - last_kill <= REMEMBERED_S // history.interval_s
    needed = memory.copy()
    needed[rows] = np.where(recent, np.fmax(memory[rows], need[rows, None]), memory[rows])
    return replace(history, memory_bytes=needed)
