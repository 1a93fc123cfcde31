"""What a replay says as it goes: one frame a step, so that a page can follow it live."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slacktide.messages import FloatArray, IntArray

Column = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What is replayed; said once, before the first frame. N nodes."""

    name: str
    seed: int
    machine: str
    clusters: tuple[str, ...]
    nodes: tuple[str, ...]  # [N]
    node_cluster: IntArray  # [N] index into clusters
    node_cpu_cores: FloatArray  # [N]
    interval_s: int
    start_s: int  # of the trace
    train_until_s: int  # before it the cores only learn
    end_s: int
    cpu_risk: float
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """One step of the replay: the interval that ended at `at_s`, on every node.

    Cores are means over the interval; lost core-seconds are its sum.
    """

    at_s: int
    online_cores: Column  # [N] really used by online
    offline_cores: Column  # [N] really used by offline
    sold_cores: Column  # [N] held by running offline tasks
    kept_cores: Column  # [N] kept for online by the 24 h forecast
    lost_core_s: Column  # [N] what online lost to offline
    evicted_tasks: int
    running_gangs: int
    pending_gangs: int
