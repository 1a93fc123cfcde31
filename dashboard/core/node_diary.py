"""A node agent's last minutes as columns of equal steps: what a chart of one time axis needs.

Always holds: a step takes the worst of its ticks for pressure, stage and latency, and the lowest
for limits, so that nothing that hurt is averaged away; a step without a tick is null, not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dashboard.core.units import Shares, column
from qos_controller.adapters.ticks import Event, Tick

STEP_S: Final = 0.5
MOST_STEPS: Final = 420
MOST_EVENTS: Final = 60

Numbers = Annotated[list[float | None], Field(description="null where unknown or unlimited")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """One sentence of the diary; `pod` is a UID."""

    at_s: float
    kind: str
    pod: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeries:
    """Columns of one length; `at_s` is Unix time, the start of each step."""

    step_s: float
    at_s: list[float]
    level: Numbers
    online_full_share: Shares
    io_full_share: Shares
    memory_used_share: Shares
    cpu_stage: Numbers
    disk_stage: Numbers
    memory_stage: Numbers
    network_stage: Numbers
    quota_cores: Numbers
    online_used_cores: Numbers
    offline_used_cores: Numbers
    system_used_cores: Numbers
    latency_s: Numbers
    requests_per_s: Numbers
    slow_share: Shares
    disk_write_limit_bytes_per_s: Numbers
    egress_limit_bytes_per_s: Numbers
    frozen: Shares


Values = NDArray[np.float64]
Places = NDArray[np.intp]
Gather = Callable[[Values, Places, int], Values]


def series_of(ticks: Sequence[Tick]) -> NodeSeries | None:
    """The newest `MOST_STEPS` steps; None where there is no tick."""
    if not ticks:
        return None
    at = np.array([tick.unix_s for tick in ticks])
    steps = np.floor(at / STEP_S).astype(np.intp)
    first = max(int(steps.min()), int(steps[-1]) - MOST_STEPS + 1)
    # A clock that was set back or forward leaves ticks outside of the axis; they are not drawn.
    shown = (steps >= first) & (steps <= steps[-1])
    place, length = steps[shown] - first, int(steps[-1]) - first + 1

    def told(name: str, gather: Gather, digits: int = 4) -> list[float | None]:
        values = np.array([getattr(tick, name) for tick in ticks], dtype=np.float64)[shown]
        return column(gather(values, place, length), digits)

    return NodeSeries(
        step_s=STEP_S,
        at_s=[(first + k) * STEP_S for k in range(length)],
        **{name: told(name, gather) for name, gather in _GATHERED.items()},
    )


def events_of(events: Sequence[Event]) -> list[NodeEvent]:
    """The newest first."""
    newest = list(events)[-MOST_EVENTS:]
    return [
        NodeEvent(at_s=one.unix_s, kind=one.kind, pod=one.pod, text=one.text)
        for one in reversed(newest)
    ]


def _worst(
    values: NDArray[np.float64], place: NDArray[np.intp], length: int
) -> NDArray[np.float64]:
    found = np.full(length, np.nan)
    np.fmax.at(found, place, values)
    return found


def _least(
    values: NDArray[np.float64], place: NDArray[np.intp], length: int
) -> NDArray[np.float64]:
    found = np.full(length, np.nan)
    np.fmin.at(found, place, values)
    return found


def _mean(values: Values, place: Places, length: int) -> Values:
    known = np.isfinite(values)
    total = np.bincount(place[known], values[known], length)
    count = np.bincount(place[known], minlength=length)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


_GATHERED: Final[dict[str, Gather]] = {
    "level": _worst,
    "online_full_share": _worst,
    "io_full_share": _worst,
    "memory_used_share": _worst,
    "cpu_stage": _worst,
    "disk_stage": _worst,
    "memory_stage": _worst,
    "network_stage": _worst,
    "quota_cores": _least,
    "online_used_cores": _mean,
    "offline_used_cores": _mean,
    "system_used_cores": _mean,
    "latency_s": _worst,
    "requests_per_s": _mean,
    "slow_share": _worst,
    "disk_write_limit_bytes_per_s": _least,
    "egress_limit_bytes_per_s": _least,
    "frozen": _worst,
}
