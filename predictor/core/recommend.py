"""Right-sized requests per workload and container, each with its bounds and its sentence.

CPU is compressible: its request is the 95th percentile of two weeks, or the 90th of the last day
where that has grown above it, and no limit is advised. Memory is not: its request is a peak and a
headroom. The peak is one that two days reached, or the last two. All requests together cost the
highest peaks and a share of them, so never more than the same share on each; what that leaves for
headroom is handed out as one step of equal bytes, because measured growth is not in proportion to
size, and within each container's room. Where there is too little history the answer is "not enough
data", with what is missing; the declared request then stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from predictor.core.borrowed import with_hints
from predictor.core.history import HOUR_S, History
from predictor.core.use import DAY_HOURS, Containers, statistics
from slacktide.messages import BoolArray, FloatArray, Recommendation

MIB = 1 << 20
CPU_LIMIT_ADVICE = "CPU limit: leave unset, a limit throttles even where cores idle"

Use = dict[str, Any]  # a row of `predictor.core.use.USE`; None = not known


@dataclass(frozen=True, slots=True)
class SizingSettings:
    """How requests are made from use."""

    window_s: int = 14 * DAY_HOURS * HOUR_S
    """Seconds of history looked at: two weeks hold each weekday twice."""
    least_hours: int = DAY_HOURS
    """Hours with samples before there is an answer: a day and a night."""
    cpu_percentile: float = 0.95
    """Of the samples: what a request must cover; the rest borrows from the node."""
    last_day_percentile: float = 0.90
    """The same of the last day alone: growth counts once it filled a tenth of a day."""
    peak_days: int = 2
    """Days of the window that reached a peak, before it counts; what the last two did counts."""
    memory_budget: float = 0.14
    """Of all highest peaks: what all requests cost above them; KRR puts 15 % on each."""
    memory_room: float = 2.0
    """Times its peak: the most headroom a container gets, so that none is grown absurdly."""
    least_cpu_cores: float = 0.01
    """Floor: 10 m, below which the scheduler's rounding is larger than the request."""
    least_memory_bytes: int = 32 * MIB
    """Floor: 32 MiB, a small sidecar; VPA's 250 MiB is what its users complain of."""


def recommendations(
    history: History,
    containers: Containers,
    now_s: int,
    settings: SizingSettings = SizingSettings(),
) -> tuple[Recommendation, ...]:
    """One recommendation for each container of each workload that runs at `now_s`, by name.

    Reads nothing later than `now_s`. Over replicas the hungriest one decides.
    """
    return recommended(use_for(history, containers, now_s, settings), now_s, settings)


def use_for(
    history: History,
    containers: Containers,
    now_s: int,
    settings: SizingSettings,
    *,
    counted: BoolArray | None = None,
) -> pa.Table:
    """The `USE` that sizes by these settings are made from; `counted` as of `statistics`."""
    return statistics(
        history,
        containers,
        now_s,
        window_s=settings.window_s,
        cpu_percentile=settings.cpu_percentile,
        last_day_percentile=settings.last_day_percentile,
        peak_days=settings.peak_days,
        counted=counted,
    )


def recommended(
    use: pa.Table, now_s: int, settings: SizingSettings = SizingSettings()
) -> tuple[Recommendation, ...]:
    """One recommendation for each row of a whole fleet's `USE` that has a replica, in its order."""
    rows: list[Use] = [row for row in use.to_pylist() if row["replicas"]]
    step_bytes = _step(rows, settings)
    return with_hints([_recommend(row, step_bytes, now_s=now_s, settings=settings) for row in rows])


def equal_step(rooms: FloatArray, replicas: FloatArray, budget: float) -> float:
    """The step s with sum(min(s, room) x replicas) = budget: water filled up to each room.

    `rooms` and `replicas` [G], all above 0. A budget beyond all rooms gives the largest room.
    """
    order = np.argsort(rooms)
    level, weight = rooms[order], replicas[order]
    above = np.cumsum(weight[::-1])[::-1]  # replicas whose room is at least this one
    below = np.concatenate([[0.0], np.cumsum(level * weight)[:-1]])  # bytes of those filled up
    full = np.flatnonzero(below + level * above >= budget)
    if not full.size:
        return float(level[-1])
    return float((budget - below[full[0]]) / above[full[0]])


def _step(rows: list[Use], settings: SizingSettings) -> float:
    """Bytes that each container may get above its peak; what they cost together is the budget."""
    known = [
        (row["memory_highest"], row["memory_repeated_peak"], _room(row, settings), row["replicas"])
        for row in rows
        if row["cpu_hours"] >= settings.least_hours and (row["memory_repeated_peak"] or 0.0) > 0
    ]
    if not known:
        return 0.0
    highest, peaks, rooms, replicas = np.array(known, dtype=np.float64).T
    spent = float((((1 + settings.memory_budget) * highest - peaks) * replicas).sum())
    return equal_step(rooms, replicas, max(spent, 0.0))


def _room(row: Use, settings: SizingSettings) -> float:
    """Bytes above its peak that a container may grow by: what was declared is seldom passed."""
    peak, declared = row["memory_repeated_peak"], row["memory_request_bytes"]
    most: float = settings.memory_room * peak
    if declared is None:
        return most
    return float(min(max(declared - peak, settings.memory_budget * peak), most))


def _recommend(
    row: Use, step_bytes: float, *, now_s: int, settings: SizingSettings
) -> Recommendation:
    declared_memory, hours = row["memory_request_bytes"], row["cpu_hours"]
    enough = hours >= settings.least_hours
    cores = _cpu_sizes(row, settings) if enough else None
    sizes = _memory_sizes(row, step_bytes, settings) if enough else None
    return Recommendation(
        workload=row["workload"],
        namespace=row["namespace"],
        kind=row["kind"],
        container=row["container"],
        at_s=now_s,
        replicas=row["replicas"],
        cpu_request_cores=row["cpu_request_cores"],
        recommended_cpu_request_cores=cores[0] if cores else None,
        cpu_lower_cores=cores[1] if cores else None,
        cpu_upper_cores=cores[2] if cores else None,
        memory_request_bytes=None if declared_memory is None else int(declared_memory),
        recommended_memory_request_bytes=int(sizes[0]) if sizes else None,
        memory_lower_bytes=int(sizes[1]) if sizes else None,
        memory_upper_bytes=int(sizes[2]) if sizes else None,
        confidence=min(1.0, hours * HOUR_S / settings.window_s),
        reason=_reason(row, cores, sizes, step_bytes=step_bytes, settings=settings),
        cluster=row["cluster"],
    )


Sizes = tuple[float, float, float]  # request, lower, upper


def _cpu_sizes(row: Use, settings: SizingSettings) -> Sizes | None:
    typical, median, highest = row["cpu_typical"], row["cpu_median"], row["cpu_highest"]
    if typical is None or median is None or highest is None:
        return None
    request = _ceil(max(typical, row["cpu_last_day"] or 0.0), 0.001)
    floor = settings.least_cpu_cores
    request = max(request, floor)
    return (
        request,
        min(max(_ceil(median, 0.001), floor), request),
        max(_ceil(highest, 0.001), request),
    )


def _memory_sizes(row: Use, step_bytes: float, settings: SizingSettings) -> Sizes | None:
    highest, peak = row["memory_highest"], row["memory_repeated_peak"]
    if highest is None or peak is None:
        return None
    request = peak + min(_room(row, settings), step_bytes)
    request = max(_ceil(request, MIB), settings.least_memory_bytes)
    lower = min(max(_ceil(peak, MIB), settings.least_memory_bytes), request)
    return request, lower, max(_ceil(2 * highest, MIB), request)


def _ceil(value: float, step: float) -> float:
    """Up to a whole step; the tiny allowance keeps 0.3 / 0.001, and 32-bit 0.245, from one more."""
    return float(np.ceil(value / step * (1 - 1e-7) - 1e-6) * step)


def _reason(
    row: Use,
    cores: Sizes | None,
    sizes: Sizes | None,
    *,
    step_bytes: float,
    settings: SizingSettings,
) -> str:
    if cores is None:
        return (
            f"not enough data: seen in {row['cpu_hours']:.0f} of the {settings.least_hours}"
            " hours needed; the declared request stands"
        )
    parts = [_cpu_reason(row, cores[0], settings), CPU_LIMIT_ADVICE]
    if sizes is not None:
        parts.append(_memory_reason(row, sizes[0], step_bytes, settings))
    else:
        parts.append("memory: not enough data, no samples; the declared request stands")
    return "; ".join(parts)


def _cpu_reason(row: Use, cores: float, settings: SizingSettings) -> str:
    return (
        f"CPU {cores:.3f} cores: the larger of p{100 * settings.cpu_percentile:g} over"
        f" {_days(settings)} days {row['cpu_typical']:.3f} and"
        f" p{100 * settings.last_day_percentile:g} of the last day"
        f" {row['cpu_last_day'] or 0.0:.3f}, at least {settings.least_cpu_cores:g}"
    )


def _memory_reason(row: Use, size: float, step_bytes: float, settings: SizingSettings) -> str:
    peak, highest = row["memory_repeated_peak"], row["memory_highest"]
    seen = "the highest peak"
    if peak < highest:
        seen = (
            f"a peak of {settings.peak_days} days of {_days(settings)} or of the last two"
            f" (the highest was {_mib(highest)}),"
        )
    return (
        f"memory {_mib(size)} MiB: {seen} {_mib(peak)} and the smaller of the fleet's step"
        f" {_mib(step_bytes)} and its own room {_mib(_room(row, settings))} (to what is declared,"
        f" {100 * settings.memory_budget:g} to {100 * settings.memory_room:g} % of the peak); the"
        f" fleet's requests come to {100 * (1 + settings.memory_budget):g} % of its highest peaks"
    )


def _days(settings: SizingSettings) -> int:
    return settings.window_s // (DAY_HOURS * HOUR_S)


def _mib(size: float) -> str:
    return f"{size / MIB:.0f}"
