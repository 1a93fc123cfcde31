"""The question every policy answers: how much of each node is kept for online, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from predictor.core.history import History
from slacktide.messages import FloatArray, NodeForecasts

HORIZONS_S = (3_600, 4 * 3_600, 12 * 3_600, 24 * 3_600)


class SupplyPolicy(Protocol):
    """A rule for the peak that is kept for online on every node.

    `history` holds nothing later than `now_s`; calls come in order of time, so a policy may learn
    between them.
    """

    @property
    def name(self) -> str:
        """As a user writes it."""
        ...

    @property
    def every_s(self) -> int:
        """How often a replay asks it again."""
        ...

    @property
    def promised_risk(self) -> float:
        """Share of (node, time) it says will exceed what it kept; NaN if it says nothing."""
        ...

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """What to keep from `now_s` on."""
        ...


def kept_forecast(
    history: History,
    now_s: int,
    *,
    cpu_cores: FloatArray,
    memory_bytes: FloatArray,
    reason: Callable[[int, int], str],
    horizons_s: tuple[int, ...] = HORIZONS_S,
    promised_risk: float = float("nan"),
) -> NodeForecasts:
    """What a formula keeps, as a forecast bounded by each node's capacity.

    Args:
        history: for the nodes and their capacity.
        now_s: when the formula was asked.
        cpu_cores: kept, [N] for all horizons alike or [N, H].
        memory_bytes: kept, [N] or [N, H]; NaN where unknown.
        reason: the sentence of (node, horizon).
        horizons_s: ascending.
        promised_risk: as of the policy.
    """
    cpu = _bounded(cpu_cores, history.node_cpu_cores, len(horizons_s))
    memory = _bounded(memory_bytes, history.node_memory_bytes, len(horizons_s))
    return NodeForecasts(
        at_s=now_s,
        nodes=history.nodes,
        horizons_s=horizons_s,
        peak_cpu_cores=cpu,
        reclaimable_cpu_cores=history.node_cpu_cores[:, None] - cpu,
        peak_memory_bytes=memory,
        reclaimable_memory_bytes=history.node_memory_bytes[:, None] - memory,
        cpu_risk=promised_risk,
        memory_risk=promised_risk,
        reasons=reason,
    )


def _bounded(kept: FloatArray, capacity: FloatArray, horizons: int) -> FloatArray:
    wide = kept if kept.ndim == 2 else np.repeat(kept[:, None], horizons, axis=1)
    return np.clip(wide, 0.0, capacity[:, None])
