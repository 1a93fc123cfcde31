"""The peak that really comes: what every policy is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.core.history import History, node_sums
from simulator.core.policies.interface import kept_forecast
from slacktide.messages import FloatArray, NodeForecasts


@dataclass(frozen=True, slots=True)
class Oracle:
    """The peak that really comes, for the pods that run now; knows the future and says so.

    Source: the peak oracle of 'Take it to the limit' (EuroSys'21): tasks that end later count 0
    from then on, tasks that come later are not foreseen.
    """

    whole: History
    horizons_s: tuple[int, ...]
    name: str = "oracle"
    every_s: int = 3_600
    promised_risk: float = 0.0

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """Keeps the highest sum within each horizon."""
        cpu, memory = (self.peaks(now_s, memory=what) for what in (False, True))
        return kept_forecast(
            history,
            now_s,
            cpu_cores=cpu,
            memory_bytes=memory,
            horizons_s=self.horizons_s,
            promised_risk=self.promised_risk,
            reason=lambda n, h: f"keeps {cpu[n, h]:.1f} cores: what will come",
        )

    def peaks(self, now_s: int, *, memory: bool) -> FloatArray:
        """[N, H] highest sum over (now, now + horizon] of the pods resident now."""
        whole, step = self.whole, self.whole.interval_s
        samples = whole.memory_bytes if memory else whole.cpu_cores
        nodes = len(whole.nodes)
        if samples is None:
            return np.full((nodes, len(self.horizons_s)), np.nan)
        first = now_s // step + 1
        ahead = samples[:, first : first + self.horizons_s[-1] // step]
        sums = node_sums(ahead, whole.resident(now_s), whole.node, nodes=nodes)
        return np.stack(
            [sums[:, : max(1, h // step)].max(1, initial=0.0) for h in self.horizons_s], axis=1
        )
