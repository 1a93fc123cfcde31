"""The peers' formulas for what is kept for online, each at its published default.

They are baselines, written from their definitions; a missing sample counts as no use, as in the
published backtests, unless the peer says otherwise. Memory follows the same formula as CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.core.history import History, node_sums
from simulator.core.policies.interface import kept_forecast
from slacktide.messages import BoolArray, FloatArray, NodeForecasts

DAY_S = 86_400
NAN = float("nan")


def resident_sums(history: History, now_s: int, *, window_s: int, memory: bool) -> FloatArray:
    """[N, W] use of the pods that run now, over the last `window_s`; NaN rows without data."""
    samples = history.memory_bytes if memory else history.cpu_cores
    nodes = len(history.nodes)
    if samples is None:
        return np.full((nodes, 1), np.nan)
    last = history.column(now_s) + 1
    first = max(0, last - window_s // history.interval_s)
    return node_sums(samples[:, first:last], history.resident(now_s), history.node, nodes=nodes)


@dataclass(frozen=True, slots=True)
class RequestsOnly:
    """No colocation: what online pods requested is theirs, used or not (plain Kubernetes)."""

    name: str = "requests only"
    every_s: int = 3_600
    promised_risk: float = 0.0

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """Keeps the sum of the running pods' requests."""
        there = history.resident(now_s)
        cpu = self._sum(history, history.cpu_request_cores, there)
        memory = self._sum(history, history.memory_request_bytes, there)
        memory = np.where(np.isnan(history.node_memory_bytes), np.nan, memory)
        return kept_forecast(
            history,
            now_s,
            cpu_cores=cpu,
            memory_bytes=memory,
            promised_risk=self.promised_risk,
            reason=lambda n, _h: f"keeps {cpu[n]:.1f} cores: all that its pods requested",
        )

    @staticmethod
    def _sum(history: History, request: FloatArray, there: BoolArray) -> FloatArray:
        known = np.nan_to_num(request[there])
        sums = np.bincount(history.node[there], known, len(history.nodes))
        return sums.astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class BorgDefault:
    """A constant share of every node, taken as fully requested.

    Source: 'Take it to the limit' (EuroSys'21) calls it borg-default, with 0.9.
    """

    share: float = 0.9
    name: str = "borg-default"
    every_s: int = 3_600
    promised_risk: float = NAN

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """Keeps `share` of the capacity."""
        return kept_forecast(
            history,
            now_s,
            cpu_cores=self.share * history.node_cpu_cores,
            memory_bytes=self.share * history.node_memory_bytes,
            reason=lambda _n, _h: f"keeps {self.share:.0%} of the node, whatever is used",
        )


@dataclass(frozen=True, slots=True)
class NSigma:
    """Mean plus `sigmas` standard deviations of the node's use over the last 10 h.

    Source: 'Take it to the limit' (EuroSys'21), whose released settings are 120 samples of 5 min
    and 5 sigmas.
    """

    sigmas: float = 5.0
    window_s: int = 36_000
    name: str = "n-sigma"
    every_s: int = 3_600
    promised_risk: float = NAN

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """Keeps mean + sigmas * std (ddof 1)."""
        cpu, memory = (self._kept(history, now_s, memory=what) for what in (False, True))
        return kept_forecast(
            history,
            now_s,
            cpu_cores=cpu,
            memory_bytes=memory,
            reason=lambda n, _h: (
                f"keeps {cpu[n]:.1f} cores: mean + {self.sigmas:g} standard deviations of 10 h"
            ),
        )

    def _kept(self, history: History, now_s: int, *, memory: bool) -> FloatArray:
        use = resident_sums(history, now_s, window_s=self.window_s, memory=memory)
        if use.shape[1] < 2:
            return np.full(len(use), np.inf) if not memory else np.full(len(use), np.nan)
        return np.asarray(use.mean(1) + self.sigmas * use.std(1, ddof=1))


@dataclass(frozen=True, slots=True)
class ResourceCentralLike:
    """The sum of every pod's own percentile over a week.

    Source: 'Take it to the limit' (EuroSys'21) calls it RC-like, after Resource Central (SOSP'17).
    """

    percentile: float = 0.99
    window_s: int = 7 * DAY_S
    name: str = "rc-like"
    every_s: int = 4 * 3_600  # a week of every pod is sorted each time
    promised_risk: float = NAN

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """Keeps the sum over the running pods of each one's percentile."""
        cpu, memory = (self._kept(history, now_s, memory=what) for what in (False, True))
        return kept_forecast(
            history,
            now_s,
            cpu_cores=cpu,
            memory_bytes=memory,
            reason=lambda n, _h: f"keeps {cpu[n]:.1f} cores: the sum of its pods' weekly p99",
        )

    def _kept(self, history: History, now_s: int, *, memory: bool) -> FloatArray:
        samples = history.memory_bytes if memory else history.cpu_cores
        nodes = len(history.nodes)
        if samples is None:
            return np.full(nodes, np.nan)
        there = np.flatnonzero(history.resident(now_s))
        last = history.column(now_s) + 1
        window = samples[there, max(0, last - self.window_s // history.interval_s) : last]
        high = np.quantile(np.nan_to_num(window), self.percentile, axis=1)
        return np.bincount(history.node[there], high, nodes).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class MaxOfWeek:
    """The highest use of the last seven days times a constant factor."""

    factor: float = 1.3
    window_s: int = 7 * DAY_S
    name: str = "max of 7 days"
    every_s: int = 3_600
    promised_risk: float = NAN

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """Keeps factor * max."""
        cpu, memory = (
            self.factor
            * resident_sums(history, now_s, window_s=self.window_s, memory=what).max(1, initial=0)
            for what in (False, True)
        )
        return kept_forecast(
            history,
            now_s,
            cpu_cores=cpu,
            memory_bytes=memory,
            reason=lambda n, _h: (
                f"keeps {cpu[n]:.1f} cores: {self.factor:g} x the peak of seven days"
            ),
        )


@dataclass(frozen=True, slots=True)
class KoordinatorUsage:
    """Koordinator's batch formula: capacity - margin - used, from the last five minutes.

    Source: its slo-controller's `usage` policy, margins 40 % CPU and 35 % memory; a node whose
    metrics are older than 15 minutes is degraded and offers nothing.
    """

    cpu_margin_share: float = 0.40
    memory_margin_share: float = 0.35
    degrade_s: int | None = 900  # None: the bare formula, as published backtests score it
    name: str = "koordinator"
    every_s: int = 300
    promised_risk: float = NAN

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """Keeps margin + used, or everything where the node's metrics are too old."""
        cpu_used = resident_sums(history, now_s, window_s=history.interval_s, memory=False)
        memory_used = resident_sums(history, now_s, window_s=history.interval_s, memory=True)
        silent = self._silent(history, now_s, self.degrade_s)
        cpu = self.cpu_margin_share * history.node_cpu_cores + cpu_used.max(1, initial=0)
        memory = self.memory_margin_share * history.node_memory_bytes + memory_used.max(
            1, initial=0
        )
        return kept_forecast(
            history,
            now_s,
            cpu_cores=np.where(silent, history.node_cpu_cores, cpu),
            memory_bytes=np.where(silent, history.node_memory_bytes, memory),
            reason=lambda n, _h: (
                "degraded: no metrics for 15 minutes"
                if silent[n]
                else f"keeps {cpu[n]:.1f} cores: 40 % of the node + used now"
            ),
        )

    @staticmethod
    def _silent(history: History, now_s: int, degrade_s: int | None) -> BoolArray:
        """[N] nodes with pods, none of which has a sample in the last `degrade_s`."""
        nodes = len(history.nodes)
        if degrade_s is None:
            return np.zeros(nodes, np.bool_)
        last = history.column(now_s) + 1
        recent = history.cpu_cores[:, max(0, last - degrade_s // history.interval_s) : last]
        there = history.resident(now_s)
        heard = there & ~np.isnan(recent).all(axis=1)
        pods = np.bincount(history.node[there], minlength=nodes)
        reporting = np.bincount(history.node[heard], minlength=nodes)
        return np.asarray((pods > 0) & (reporting == 0))


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
