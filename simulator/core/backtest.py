"""A policy's kept peaks held against what came: violation, severity, savings, share of the oracle.

Source of the definitions: 'Take it to the limit' (EuroSys'21). A prediction made at a time sees
`History.until` that time and nothing more; the oracle alone sees the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from predictor.core.history import History
from simulator.core.policies.interface import SupplyPolicy
from simulator.core.policies.of_nodes import DAY_S
from simulator.core.policies.oracle import Oracle
from slacktide.messages import BoolArray, FloatArray, NodeForecasts


@dataclass(frozen=True, slots=True)
class Score:
    """How one policy did over N nodes and T times, for one resource and horizon."""

    policy: str
    violation: float  # share of (node, time) whose kept peak is below the oracle
    severity: float  # mean of (oracle - kept) / oracle, 0 where kept
    savings: float  # 1 - kept / capacity
    of_oracle: float  # savings / the oracle's savings
    worst_node: float  # highest violation of any node
    scored: int


def prediction_times(
    history: History, *, from_day: float, every_s: int, horizon_s: int
) -> list[int]:
    """Times whose whole horizon lies in the trace, from `from_day` on, `every_s` apart."""
    step = history.interval_s
    last = history.cpu_cores.shape[1] - horizon_s // step - 1
    first = int(from_day * DAY_S) // step
    return [int(k) * step for k in range(first, last, max(1, every_s // step))]


def predictions(
    policy: SupplyPolicy, history: History, times_s: list[int]
) -> Iterator[NodeForecasts]:
    """The policy's forecast at each time, each from the past alone."""
    for now_s in times_s:
        yield policy.forecast(history.until(now_s), now_s)


def at_horizon(made: NodeForecasts, horizon_s: int) -> NodeForecasts:
    """A forecast as its answer for one horizon; a peer's formula keeps the same over any."""
    at = made.horizon_index(horizon_s)
    return replace(
        made,
        horizons_s=(horizon_s,),
        peak_cpu_cores=made.peak_cpu_cores[:, [at]],
        reclaimable_cpu_cores=made.reclaimable_cpu_cores[:, [at]],
        peak_memory_bytes=made.peak_memory_bytes[:, [at]],
        reclaimable_memory_bytes=made.reclaimable_memory_bytes[:, [at]],
        reasons=lambda node, _horizon: made.reasons(node, at),
    )


def oracle_peaks(
    history: History, times_s: list[int], *, horizon_s: int, memory: bool
) -> FloatArray:
    """[N, T] what each node's pods really peaked at within the horizon after each time."""
    oracle = Oracle(history, (horizon_s,))
    return np.stack([oracle.peaks(now_s, memory=memory)[:, 0] for now_s in times_s], axis=1)


@dataclass(frozen=True, slots=True)
class Trial:
    """The (node, time) grid that every policy is held against, for one resource and horizon."""

    history: History
    times_s: tuple[int, ...]  # [T]
    horizon_s: int
    memory: bool
    came: FloatArray  # [N, T] the oracle's peaks
    capacity: FloatArray  # [N]

    def exceeded(self, kept: FloatArray) -> BoolArray:
        """[N, T] where more came than was kept."""
        return exceeded(kept, self.came, self.capacity)

    def score(self, policy: str, kept: FloatArray) -> Score:
        """How a policy did that kept [N, T]."""
        return score(policy, kept, self.came, self.capacity)


def trial_of(history: History, times_s: list[int], *, horizon_s: int, memory: bool) -> Trial:
    """What really came at each time, and the nodes that it came to."""
    return Trial(
        history=history,
        times_s=tuple(times_s),
        horizon_s=horizon_s,
        memory=memory,
        came=oracle_peaks(history, times_s, horizon_s=horizon_s, memory=memory),
        capacity=history.node_memory_bytes if memory else history.node_cpu_cores,
    )


def exceeded(kept: FloatArray, came: FloatArray, capacity: FloatArray) -> BoolArray:
    """[N, T] where more came than was kept; where nothing was answered, nothing was exceeded."""
    # A relative slack of 1e-6: samples are 32-bit.
    short: BoolArray = np.minimum(kept, capacity[:, None]) < came * (1 - 1e-6)
    return short


def score(policy: str, kept: FloatArray, came: FloatArray, capacity: FloatArray) -> Score:
    """Scores kept against came.

    Args:
        policy: the name to put on it.
        kept: [N, T]; NaN where the policy gave no answer, which saves nothing and is not scored.
        came: [N, T] the oracle's peaks.
        capacity: [N].
    """
    short, capacity = exceeded(kept, came, capacity), capacity[:, None]
    kept = np.minimum(kept, capacity)
    answered = ~np.isnan(kept)
    severity = np.where(short, (came - kept) / np.maximum(came, 1e-9), 0.0)
    total = capacity.sum() * kept.shape[1]
    savings = 1 - np.where(answered, kept, capacity).sum() / total
    best = 1 - np.minimum(came, capacity).sum() / total
    return Score(
        policy=policy,
        violation=float(short.sum() / max(1, answered.sum())),
        severity=float(severity.mean()),
        savings=float(savings),
        of_oracle=float(savings / best),
        worst_node=float(short.mean(axis=1).max()),
        scored=int(answered.sum()),
    )
