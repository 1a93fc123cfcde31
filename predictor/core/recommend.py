"""Right-sized requests per workload and container, each with its bounds and its sentence.

CPU is compressible: its request is the 95th percentile of two weeks, or of the last day where that
has grown above it, and no limit is advised. Memory is not: its request is the highest peak and a
headroom. All headrooms together cost a share of all peaks, so never more than the same share on
each; but most of it is handed out as one step of equal bytes, at most the container's own peak,
because measured growth is rarely in proportion to size. Where there is too little history the
answer is "not enough data", with what is missing; the declared request then stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.core.history import HOUR_S, History, Samples
from slacktide.messages import FloatArray, IntArray, Recommendation
from slacktide.trace import Trace

DAY_HOURS = 24
MIB = 1 << 20
CPU_LIMIT_ADVICE = "CPU limit: leave unset, a limit throttles even where cores idle"


@dataclass(frozen=True, slots=True)
class Containers:
    """Whose series each row of a `History` is. S series."""

    workload: tuple[str, ...]
    namespace: tuple[str, ...]
    kind: tuple[str, ...]
    container: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SizingSettings:
    """How requests are made from use."""

    window_s: int = 14 * DAY_HOURS * HOUR_S
    """Seconds of history looked at: two weeks hold each weekday twice."""
    least_hours: int = DAY_HOURS
    """Hours with samples before there is an answer: a day and a night."""
    cpu_percentile: float = 0.95
    """Of the samples: what a request must cover; the rest borrows from the node."""
    memory_headroom: float = 0.02
    """Share above the highest peak at least: allocators and page cache are never still."""
    memory_budget: float = 0.15
    """Of all peaks: what headroom costs in sum, the same as KRR's 15 % on each."""
    least_cpu_cores: float = 0.01
    """Floor: 10 m, below which the scheduler's rounding is larger than the request."""
    least_memory_bytes: int = 32 * MIB
    """Floor: 32 MiB, a small sidecar; VPA's 250 MiB is what its users complain of."""


@dataclass(frozen=True, slots=True)
class _Use:
    """Statistics of S series of one resource over the window; NaN where nothing was seen."""

    typical: FloatArray  # the percentile
    last_day: FloatArray  # the percentile of the last 24 h
    median: FloatArray
    highest: FloatArray
    usual_peak: FloatArray  # median of the daily peaks
    hours: FloatArray  # with any sample


def containers_of(trace: Trace) -> Containers:
    """Names of a trace's series, in the order of `history_of(trace)`."""
    pods, rows = trace.pods, trace.usage.pod.tolist()
    return Containers(
        workload=tuple(pods.workload[row] for row in rows),
        namespace=tuple(pods.namespace[row] for row in rows),
        kind=tuple(pods.kind[row] for row in rows),
        container=trace.usage.container,
    )


def recommendations(
    history: History,
    containers: Containers,
    now_s: int,
    settings: SizingSettings = SizingSettings(),
) -> tuple[Recommendation, ...]:
    """One recommendation for each container of each workload that runs at `now_s`, by name.

    Reads nothing later than `now_s`. Over replicas the hungriest one decides.
    """
    known = history.until(now_s)
    running = np.flatnonzero(known.resident(now_s)).tolist()
    if not running:
        return ()
    cpu = _use(known.cpu_cores, known, settings)
    memory = None if known.memory_bytes is None else _use(known.memory_bytes, known, settings)
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for row in running:
        names = (containers.namespace, containers.workload, containers.kind, containers.container)
        key = (names[0][row], names[1][row], names[2][row], names[3][row])
        groups.setdefault(key, []).append(row)
    members = {key: np.array(rows) for key, rows in groups.items()}
    sized = tuple(r for r in members.values() if cpu.hours[r].max() >= settings.least_hours)
    step_bytes = 0.0 if memory is None else _step(memory, sized, settings)
    return tuple(
        _recommend(
            key, rows, known, cpu, memory, step_bytes=step_bytes, now_s=now_s, settings=settings
        )
        for key, rows in sorted(members.items())
    )


def equal_step(peaks: FloatArray, replicas: FloatArray, budget: float) -> float:
    """The step s with sum(min(s, peak) x replicas) = budget: water filled up to each peak.

    `peaks` and `replicas` [G], all above 0. A budget beyond all peaks gives the largest peak.
    """
    order = np.argsort(peaks)
    level, weight = peaks[order], replicas[order]
    above = np.cumsum(weight[::-1])[::-1]  # replicas whose peak is at least this one
    below = np.concatenate([[0.0], np.cumsum(level * weight)[:-1]])  # bytes of those filled up
    full = np.flatnonzero(below + level * above >= budget)
    if not full.size:
        return float(level[-1])
    return float((budget - below[full[0]]) / above[full[0]])


def _step(memory: _Use, members: tuple[IntArray, ...], settings: SizingSettings) -> float:
    """Bytes that each container may get above its peak and the least headroom."""
    known = [
        (float(peak), len(rows))
        for rows in members
        if (peak := _most(memory.highest, rows)) is not None and peak > 0
    ]
    if not known:
        return 0.0
    peaks, replicas = (np.array(column, dtype=np.float64) for column in zip(*known, strict=True))
    share = max(settings.memory_budget - settings.memory_headroom, 0.0)
    return equal_step(peaks, replicas, share * float((peaks * replicas).sum()))


def _use(samples: Samples, history: History, settings: SizingSettings) -> _Use:
    day = DAY_HOURS * history.per_hour
    columns = settings.window_s // history.interval_s
    window = samples[:, max(samples.shape[1] - columns, 0) :]
    if window.shape[1] % day:
        lacking = day - window.shape[1] % day
        window = np.pad(window, ((0, 0), (lacking, 0)), constant_values=np.nan)
    hours = window.reshape(len(window), -1, history.per_hour)
    days = window.reshape(len(window), -1, day)
    daily = np.where(np.isnan(days), -np.inf, days).max(axis=2).astype(np.float64)
    daily = np.where(np.isinf(daily), np.nan, daily)
    return _Use(
        typical=percentile(window, settings.cpu_percentile),
        last_day=percentile(window[:, -day:], settings.cpu_percentile),
        median=percentile(window, 0.5),
        highest=percentile(window, 1.0),
        usual_peak=percentile(daily.astype(np.float32), 0.5),
        hours=(~np.isnan(hours)).any(axis=2).sum(axis=1).astype(np.float64),
    )


def percentile(samples: Samples, share: float) -> FloatArray:
    """[S] smallest sample that at least `share` of the known ones do not exceed; NaN if none."""
    known = (~np.isnan(samples)).sum(axis=1)
    ranked = np.sort(samples, axis=1)  # NaN last
    if not ranked.shape[1]:
        return np.full(len(samples), np.nan)
    rank = np.clip(np.ceil(share * known).astype(np.int64) - 1, 0, ranked.shape[1] - 1)
    return np.take_along_axis(ranked, rank[:, None], axis=1)[:, 0].astype(np.float64)


def _recommend(
    key: tuple[str, str, str, str],
    rows: IntArray,
    history: History,
    cpu: _Use,
    memory: _Use | None,
    *,
    step_bytes: float,
    now_s: int,
    settings: SizingSettings,
) -> Recommendation:
    namespace, workload, kind, container = key
    hours = float(cpu.hours[rows].max())
    declared = _most(history.cpu_request_cores, rows)
    declared_memory = _most(history.memory_request_bytes, rows)
    enough = hours >= settings.least_hours
    cores = _cpu_sizes(cpu, rows, settings) if enough else None
    sizes = (
        _memory_sizes(memory, rows, step_bytes, settings) if enough and memory is not None else None
    )
    return Recommendation(
        workload=workload,
        namespace=namespace,
        kind=kind,
        container=container,
        at_s=now_s,
        replicas=len(rows),
        cpu_request_cores=declared,
        recommended_cpu_request_cores=cores[0] if cores else None,
        cpu_lower_cores=cores[1] if cores else None,
        cpu_upper_cores=cores[2] if cores else None,
        memory_request_bytes=None if declared_memory is None else int(declared_memory),
        recommended_memory_request_bytes=int(sizes[0]) if sizes else None,
        memory_lower_bytes=int(sizes[1]) if sizes else None,
        memory_upper_bytes=int(sizes[2]) if sizes else None,
        confidence=min(1.0, hours * HOUR_S / settings.window_s),
        reason=_reason(
            cpu, memory, rows, cores, sizes, step_bytes=step_bytes, hours=hours, settings=settings
        ),
    )


def _most(values: FloatArray, rows: IntArray) -> float | None:
    """The largest known value of the rows; None where none is known."""
    known = values[rows][np.isfinite(values[rows])]
    return float(known.max()) if known.size else None


Sizes = tuple[float, float, float]  # request, lower, upper


def _cpu_sizes(use: _Use, rows: IntArray, settings: SizingSettings) -> Sizes | None:
    typical, last_day = _most(use.typical, rows), _most(use.last_day, rows)
    median, highest = _most(use.median, rows), _most(use.highest, rows)
    if typical is None or median is None or highest is None:
        return None
    request = _ceil(max(typical, last_day or 0.0), 0.001)
    floor = settings.least_cpu_cores
    request = max(request, floor)
    return (
        request,
        min(max(_ceil(median, 0.001), floor), request),
        max(_ceil(highest, 0.001), request),
    )


def _memory_sizes(
    use: _Use, rows: IntArray, step_bytes: float, settings: SizingSettings
) -> Sizes | None:
    highest, usual = _most(use.highest, rows), _most(use.usual_peak, rows)
    if highest is None or usual is None:
        return None
    request = highest * (1 + settings.memory_headroom) + min(highest, step_bytes)
    request = max(_ceil(request, MIB), settings.least_memory_bytes)
    lower = min(max(_ceil(usual, MIB), settings.least_memory_bytes), request)
    return request, lower, max(_ceil(2 * highest, MIB), request)


def _ceil(value: float, step: float) -> float:
    """Up to a whole step; the tiny allowance keeps 0.3 / 0.001 from becoming 301."""
    return float(np.ceil(value / step - 1e-6) * step)


def _reason(
    cpu: _Use,
    memory: _Use | None,
    rows: IntArray,
    cores: Sizes | None,
    sizes: Sizes | None,
    *,
    step_bytes: float,
    hours: float,
    settings: SizingSettings,
) -> str:
    if cores is None:
        return (
            f"not enough data: seen in {hours:.0f} of the {settings.least_hours} hours needed;"
            " the declared request stands"
        )
    days = settings.window_s // (DAY_HOURS * HOUR_S)
    parts = [CPU_LIMIT_ADVICE]
    parts.insert(
        0,
        f"CPU {cores[0]:.3f} cores: the larger of p{100 * settings.cpu_percentile:g} over"
        f" {days} days {_most(cpu.typical, rows):.3f} and over the last day"
        f" {_most(cpu.last_day, rows) or 0.0:.3f}, at least {settings.least_cpu_cores:g}",
    )
    if sizes is not None and memory is not None:
        parts.append(
            f"memory {sizes[0] / MIB:.0f} MiB: the highest peak"
            f" {(_most(memory.highest, rows) or 0) / MIB:.0f}, {100 * settings.memory_headroom:g} %"
            f" and at most {step_bytes / MIB:.0f} MiB above it, all headrooms being"
            f" {100 * settings.memory_budget:g} % of all peaks (a usual day's peak is"
            f" {(_most(memory.usual_peak, rows) or 0) / MIB:.0f})"
        )
    else:
        parts.append("memory: not enough data, no samples; the declared request stands")
    return "; ".join(parts)
