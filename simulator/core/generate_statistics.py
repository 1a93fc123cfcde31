"""What a trace is like, in figures that mean the same for a real trace and a generated one.

These figures judge what the generator makes. Shares are of the request; a missing sample is left
out of a pod's figures and counts as no use in a node's sum. Compare traces of equal length: the
longer a trace, the more of its drift shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slacktide.messages import BoolArray, FloatArray
from slacktide.trace import Trace

DAY_S = 86_400
HOUR_S = 3_600
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
CYCLE_CORRELATION = 0.3  # above it, a pod is said to repeat itself
LONG_ENOUGH_S = 10 * DAY_S  # pods measured for less are left out of the pods' figures

Spread = tuple[float, ...]  # quantiles at LEVELS; empty where the trace lacks the quantity


@dataclass(frozen=True, slots=True)
class TraceStatistics:
    """The figures of one trace."""

    requested_of_nodes: float  # CPU requests / capacity, in the middle of the trace
    used_of_nodes: float  # mean CPU use / capacity
    mean_of_request: Spread  # over pods: mean use / request
    p99_of_mean: Spread  # over pods: 99th percentile / mean
    peak_of_request: Spread  # over pods: maximum / request
    intermittent_share: float  # of pods whose 90th percentile is above half the request
    intermittent_of_use: float  # their part of all use
    correlation_5min: Spread  # over pods: autocorrelation at one lag
    correlation_1h: Spread
    correlation_24h: Spread
    intermittent_correlation_1h: Spread  # over the intermittent pods
    daily_share: float  # of pods whose hourly means correlate above 0.3 after a day
    weekly_share: float  # and after a week
    node_peak_of_mean: Spread  # over nodes and days: maximum / mean of the sum
    node_correlation_5min: Spread
    node_correlation_1h: Spread
    node_correlation_24h: Spread
    memory_mean_of_request: Spread  # over pods
    memory_variation: Spread  # over pods: standard deviation / mean
    memory_correlation_1h: Spread
    interval_peak_of_mean: Spread  # over samples above 5 millicores: cpu_max_cores / cpu_cores


def statistics(trace: Trace) -> TraceStatistics:
    """The figures of a trace of three weeks or so."""
    hour, day = HOUR_S // trace.interval_s, DAY_S // trace.interval_s
    sums, alive_cores = _node_sums(trace), _requested_halfway(trace)
    capacity = float(trace.nodes.cpu_cores.sum())
    long = _long_enough(trace)
    cpu = trace.usage.cpu_cores[long].astype(np.float64)
    request = trace.pods.cpu_request_cores[trace.usage.pod[long]]
    mean = np.nanmean(cpu, axis=1)
    p90, p99 = np.nanquantile(cpu, [0.9, 0.99], axis=1)
    intermittent = p90 > 0.5 * request
    hourly = _hourly(cpu, hour)
    memory = _memory_figures(trace, long, hour)
    return TraceStatistics(
        requested_of_nodes=alive_cores / capacity,
        used_of_nodes=float(sums.sum(axis=0).mean()) / capacity,
        mean_of_request=_spread(mean / request),
        p99_of_mean=_spread(p99[mean > 0] / mean[mean > 0]),
        peak_of_request=_spread(np.nanmax(cpu, axis=1) / request),
        intermittent_share=float(intermittent.mean()),
        intermittent_of_use=float(mean[intermittent].sum() / mean.sum()),
        correlation_5min=_spread(autocorrelation(cpu, 1)),
        correlation_1h=_spread(autocorrelation(cpu, hour)),
        correlation_24h=_spread(autocorrelation(cpu, day)),
        intermittent_correlation_1h=_spread(autocorrelation(cpu[intermittent], hour)),
        daily_share=float((autocorrelation(hourly, 24) > CYCLE_CORRELATION).mean()),
        weekly_share=float((autocorrelation(hourly, 7 * 24) > CYCLE_CORRELATION).mean()),
        node_peak_of_mean=_spread(_daily_peak_of_mean(sums, day)),
        node_correlation_5min=_spread(autocorrelation(sums, 1)),
        node_correlation_1h=_spread(autocorrelation(sums, hour)),
        node_correlation_24h=_spread(autocorrelation(sums, day)),
        memory_mean_of_request=memory[0],
        memory_variation=memory[1],
        memory_correlation_1h=memory[2],
        interval_peak_of_mean=_interval_peaks(trace),
    )


def autocorrelation(series: FloatArray, lag: int) -> FloatArray:
    """[R] correlation of each row [R, T] with itself `lag` columns later, over pairs without NaN.

    0 where a row does not vary or has no such pair.
    """
    early, late = series[:, :-lag], series[:, lag:]
    both = ~np.isnan(early) & ~np.isnan(late)
    pairs = np.maximum(both.sum(axis=1, keepdims=True), 1)
    early, late = np.where(both, early, 0.0), np.where(both, late, 0.0)
    early = np.where(both, early - early.sum(axis=1, keepdims=True) / pairs, 0.0)
    late = np.where(both, late - late.sum(axis=1, keepdims=True) / pairs, 0.0)
    scale = np.sqrt((early**2).sum(axis=1) * (late**2).sum(axis=1))
    together = (early * late).sum(axis=1)
    varies = scale > 1e-12
    return np.asarray(np.where(varies, together, 0.0) / np.where(varies, scale, 1.0), np.float64)


def _spread(values: FloatArray) -> Spread:
    return tuple(float(q) for q in np.quantile(values, LEVELS)) if values.size else ()


def _node_sums(trace: Trace) -> FloatArray:
    """[N, T] cores used on each node."""
    sums = np.zeros((len(trace.nodes.node), trace.usage.cpu_cores.shape[1]))
    np.add.at(sums, trace.pods.node[trace.usage.pod], np.nan_to_num(trace.usage.cpu_cores))
    return sums


def _requested_halfway(trace: Trace) -> float:
    """Cores requested by the pods that run in the middle of the trace."""
    middle_s = trace.usage.cpu_cores.shape[1] // 2 * trace.interval_s
    alive = (trace.pods.start_s <= middle_s) & (trace.pods.end_s > middle_s)
    return float(np.nansum(trace.pods.cpu_request_cores[alive]))


def _long_enough(trace: Trace) -> BoolArray:
    """[S] series with enough samples to say anything about, and with some use."""
    samples = np.count_nonzero(~np.isnan(trace.usage.cpu_cores), axis=1)
    used = np.nansum(trace.usage.cpu_cores, axis=1) > 0
    return np.asarray((samples * trace.interval_s >= LONG_ENOUGH_S) & used, bool)


def _hourly(series: FloatArray, hour: int) -> FloatArray:
    """[R, T / hour] means of whole hours; NaN for an hour without a sample."""
    hours = series[:, : series.shape[1] // hour * hour].reshape(len(series), -1, hour)
    samples = np.count_nonzero(~np.isnan(hours), axis=2)
    return np.where(samples > 0, np.nansum(hours, axis=2) / np.maximum(samples, 1), np.nan)


def _daily_peak_of_mean(sums: FloatArray, day: int) -> FloatArray:
    """Maximum over mean of every node and whole day with any use."""
    days = sums[:, : sums.shape[1] // day * day].reshape(-1, day)
    days = days[days.mean(axis=1) > 0]
    return np.asarray(days.max(axis=1) / days.mean(axis=1), np.float64)


def _memory_figures(trace: Trace, long: BoolArray, hour: int) -> tuple[Spread, Spread, Spread]:
    """Mean of request, variation and correlation after an hour, over the pods that use any."""
    if trace.usage.memory_bytes is None:
        return (), (), ()
    used = np.nansum(trace.usage.memory_bytes, axis=1) > 0
    memory = trace.usage.memory_bytes[long & used].astype(np.float64)
    request = trace.pods.memory_request_bytes[trace.usage.pod[long & used]]
    mean = np.nanmean(memory, axis=1)
    variation = np.nanstd(memory, axis=1) / mean
    return (
        _spread(mean / request),
        _spread(variation),
        _spread(autocorrelation(memory, hour)),
    )


def _interval_peaks(trace: Trace) -> Spread:
    if trace.usage.cpu_max_cores is None:
        return ()
    # Below a few millicores a ratio says more about the meter than about the load.
    told = trace.usage.cpu_cores > 0.005
    ratio = trace.usage.cpu_max_cores[told] / trace.usage.cpu_cores[told]
    return _spread(ratio[~np.isnan(ratio)].astype(np.float64))
