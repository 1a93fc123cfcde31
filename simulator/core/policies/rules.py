"""A peer's formula with one knob, apart from the measurements it stands on.

A rule measures once (`look`) and answers for any knob (`keep`), so that walking a knob over weeks
of forecasts reads the history once. Always holds: a larger knob never keeps less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from predictor.core.history import History, Samples, node_sums
from simulator.core.policies.interface import HORIZONS_S, kept_forecast
from slacktide.messages import BoolArray, FloatArray, NodeForecasts

Looked = tuple[FloatArray, ...]  # each [..., N, H] or [..., N, H, K]; H may be 1 for all alike


@dataclass(frozen=True, slots=True)
class Known:
    """One resource of a history at a time; nothing later than `now_s` is in it."""

    history: History
    now_s: int
    horizons_s: tuple[int, ...]
    samples: Samples  # [S, T]
    request: FloatArray  # [S] NaN where none is declared
    capacity: FloatArray  # [N]

    @staticmethod
    def of(history: History, now_s: int, horizons_s: tuple[int, ...], *, memory: bool) -> Known:
        """A history's side of one resource; without samples of memory nothing was ever used."""
        size = history.memory_bytes
        nothing = np.full((len(history.node), 0), np.nan, np.float32)
        return Known(
            history=history,
            now_s=now_s,
            horizons_s=horizons_s,
            samples=history.cpu_cores if not memory else nothing if size is None else size,
            request=history.memory_request_bytes if memory else history.cpu_request_cores,
            capacity=history.node_memory_bytes if memory else history.node_cpu_cores,
        )

    @property
    def resident(self) -> BoolArray:
        """[S] who runs now."""
        return self.history.resident(self.now_s)

    def window(self, window_s: int) -> Samples:
        """[S, W] the samples of the last `window_s`."""
        last = self.history.column(self.now_s) + 1
        return self.samples[:, max(0, last - window_s // self.history.interval_s) : last]

    @property
    def columns(self) -> int:
        """How many columns of samples are known."""
        return min(self.history.column(self.now_s) + 1, int(self.samples.shape[1]))

    def cut(self, first: int, last: int) -> Samples:
        """[S, last - first] those columns."""
        return self.samples[:, first:last]

    def cut_of_nodes(self, first: int, last: int) -> FloatArray:
        """[N, last - first] what each node used, whoever ran there; NaN where none reported."""
        cut, history, nodes = self.cut(first, last), self.history, len(self.capacity)
        used = node_sums(cut, history.node >= 0, history.node, nodes=nodes)
        known = (~np.isnan(cut)).astype(np.float32)
        heard = node_sums(known, history.node >= 0, history.node, nodes=nodes)
        return np.where(heard > 0, used, np.nan)

    def sums(self, window_s: int) -> FloatArray:
        """[N, W] use of the pods that run now, over the last `window_s`; a missing sample is 0."""
        history = self.history
        window = self.window(window_s)
        return node_sums(window, self.resident, history.node, nodes=len(self.capacity))

    def sums_heard(self, window_s: int) -> FloatArray:
        """[N, W] as `sums`, NaN where no pod of the node that runs now reported."""
        history, window = self.history, self.window(window_s)
        known = (~np.isnan(window)).astype(np.float32)
        heard = node_sums(known, self.resident, history.node, nodes=len(self.capacity))
        return np.where(heard > 0, self.sums(window_s), np.nan)

    def over_nodes(self, of_pods: FloatArray) -> FloatArray:
        """[N] the sum of [S] values over the pods that run now."""
        there = self.resident
        at = self.history.node[there]
        return np.bincount(at, of_pods[there], len(self.capacity)).astype(np.float64, copy=False)


class Rule(Protocol):
    """One resource's formula; `look` is called in order of time and may remember."""

    def look(self, known: Known) -> Looked:
        """What the formula stands on, measured now."""
        ...

    def keep(self, looked: Looked, knob: float) -> FloatArray:
        """[..., N, H] what is kept; never less for a larger knob."""
        ...


def alike(of_nodes: FloatArray) -> FloatArray:
    """[N, 1] one value a node, the same over every horizon."""
    return of_nodes[:, None]


@dataclass(slots=True)
class RulePolicy:
    """A rule at one knob behind the interface of every policy."""

    name: str
    every_s: int
    cpu: Rule
    memory: Rule
    cpu_knob: float
    memory_knob: float
    formula: str  # with {} where the knob stands
    horizons_s: tuple[int, ...] = HORIZONS_S
    promised_risk: float = float("nan")

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """Measures, then keeps what the formula says, bounded by each node's capacity."""
        cpu = self._kept(self.cpu, self.cpu_knob, history, now_s, memory=False)
        memory = np.full_like(cpu, np.nan)
        if history.memory_bytes is not None:
            memory = self._kept(self.memory, self.memory_knob, history, now_s, memory=True)
        said = self.formula.format(f"{self.cpu_knob:g}")
        return kept_forecast(
            history,
            now_s,
            cpu_cores=cpu,
            memory_bytes=memory,
            horizons_s=self.horizons_s,
            promised_risk=self.promised_risk,
            reason=lambda n, h: f"keeps {cpu[n, h]:.1f} cores: {said}",
        )

    def _kept(
        self, rule: Rule, knob: float, history: History, now_s: int, *, memory: bool
    ) -> FloatArray:
        known = Known.of(history, now_s, self.horizons_s, memory=memory)
        kept = rule.keep(rule.look(known), knob)
        return np.broadcast_to(kept, (len(history.nodes), len(self.horizons_s)))
