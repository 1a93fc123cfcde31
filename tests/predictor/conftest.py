"""Small fleets with a day and night, for the predictor's tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from predictor.core.history import NEVER_S, History

DAY_S = 86_400
GIB = float(1 << 30)


def small_fleet(
    *, days: int = 10, pods: int = 9, nodes: int = 3, seed: int = 0, memory: bool = True
) -> History:
    """Pods with a daily wave and noise, sampled every 30 minutes, some young, some short-lived."""
    rng = np.random.default_rng(seed)
    columns = days * 48
    wave = 1.0 + 0.5 * np.sin(2 * np.pi * np.arange(columns) / 48)
    cpu = (rng.gamma(4.0, 0.1, (pods, columns)) * wave).astype(np.float32)
    bursts = rng.random(cpu.shape) < 0.01
    cpu = np.where(bursts, cpu * 3, cpu).astype(np.float32)
    cpu[rng.random(cpu.shape) < 0.05] = np.nan
    start_s = np.where(np.arange(pods) % 4 == 3, rng.integers(0, days * DAY_S, pods), 0)
    end_s = np.where(np.arange(pods) % 5 == 4, start_s + 3 * DAY_S, NEVER_S)
    at = np.arange(columns) * 1_800
    cpu[(at < start_s[:, None]) | (at >= end_s[:, None])] = np.nan
    use = np.where(np.isnan(cpu), np.nan, (1 + cpu) * GIB).astype(np.float32)
    return History(
        interval_s=1_800,
        cpu_cores=cpu,
        memory_bytes=use if memory else None,
        node=np.arange(pods) % nodes,
        start_s=start_s,
        end_s=end_s,
        cpu_request_cores=np.full(pods, 2.0),
        memory_request_bytes=np.full(pods, 4 * GIB),
        nodes=tuple(f"node-{n}" for n in range(nodes)),
        clusters=("here",) * nodes,
        node_cpu_cores=np.full(nodes, 16.0),
        node_memory_bytes=np.full(nodes, 64 * GIB if memory else np.nan),
    )


@pytest.fixture
def fleet() -> Callable[..., History]:
    """The builder itself, so that a test says what fleet it needs."""
    return small_fleet
