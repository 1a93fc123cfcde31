"""What nodes sell by their forecasts, which are believed less the older they are.

A forecast that is not renewed says nothing of an online load that grew since, so its node climbs
down, and never up without news:

    fresh      sells what was forecast, at most what its allocatable publishes
    stale      nothing grows: neither with its allocatable, nor with a horizon that has run on
    decaying   a share of that, falling to a floor
    closed     nothing new; also where there is no forecast, or none that can be read

What runs on the node stays in every case: no rung evicts.

Always holds: the same forecast never sells more when it is older, and a node never sells more than
its allocatable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise
from typing import Final

import numpy as np

from scheduler.core.snapshot import NodeColumns, RunningColumns, held_through
from slacktide.messages import BoolArray, FloatArray, IntArray


class Rung(IntEnum):
    """How far down the ladder a node is."""

    FRESH = 0
    STALE = 1
    DECAYING = 2
    CLOSED = 3


@dataclass(frozen=True, slots=True)
class AgeSettings:
    """The rungs. The defaults suit forecasts that are made each minute."""

    stale_after_s: float = 180.0  # s: three missed; one lost message is no outage
    decay_after_s: float = 600.0  # s: a predictor restarts within ten minutes, mostly
    closed_after_s: float = 3_600.0  # s: what was promised for the next hour is over
    floor_share: float = 0.5  # share of it sold just before it closes
    clock_skew_s: float = 60.0  # s: one made so much later than now is of no known time

    def __post_init__(self) -> None:
        rungs = (0.0, self.stale_after_s, self.decay_after_s, self.closed_after_s)
        if not all(low < high for low, high in pairwise(rungs)):
            raise ValueError(f"the rungs {rungs[1:]} must ascend, from above 0")
        if not 0 <= self.floor_share <= 1:
            raise ValueError(f"floor_share {self.floor_share} is no share")


DEFAULT: Final = AgeSettings()


@dataclass(frozen=True, slots=True)
class Supply:
    """What N nodes are forecast to leave free over H ascending horizons, and since when.

    Amounts are at least 0 and finite; a horizon that nothing is known of has 0.
    """

    horizons_s: IntArray  # [H]
    cpu_cores: FloatArray  # [N, H]
    memory_bytes: FloatArray  # [N, H]
    made_s: FloatArray  # [N] since the epoch; NaN: no forecast that can be read
    calm_cpu_cores: FloatArray  # [N] allocatable when last seen fresh; infinite: never
    calm_memory_bytes: FloatArray  # [N]


def rungs(made_s: FloatArray, *, now_s: float, settings: AgeSettings = DEFAULT) -> IntArray:
    """[N] where each node stands."""
    age_s = now_s - made_s
    ends_s = (settings.stale_after_s, settings.decay_after_s, settings.closed_after_s)
    found = np.searchsorted(ends_s, age_s)  # NaN lies behind all
    return np.where(age_s < -settings.clock_skew_s, int(Rung.CLOSED), found)


def believed_share(
    made_s: FloatArray, *, now_s: float, settings: AgeSettings = DEFAULT
) -> FloatArray:
    """[N] how much of what it says is sold."""
    span_s = settings.closed_after_s - settings.decay_after_s
    down = np.clip((now_s - made_s - settings.decay_after_s) / span_s, 0.0, 1.0)
    share: FloatArray = 1.0 - (1.0 - settings.floor_share) * down
    share[rungs(made_s, now_s=now_s, settings=settings) == Rung.CLOSED] = 0.0
    return share


def aged(
    nodes: NodeColumns,
    supply: Supply,
    running: RunningColumns,
    *,
    now_s: float,
    settings: AgeSettings = DEFAULT,
) -> NodeColumns:
    """The nodes as they sell by their forecasts.

    Args:
        nodes: what they have and are, by their allocatable alone, less all that is held.
        supply: of the same nodes.
        running: what batch tasks hold; what is held beside them is held through every horizon.
        now_s: on the clock of `made_s` and `end_s`.
        settings: the rungs.
    """
    rung = rungs(supply.made_s, now_s=now_s, settings=settings)
    closed = (rung == Rung.CLOSED)[:, None]
    held_cpu, held_memory = held_through(
        running, horizons_s=supply.horizons_s, nodes=len(nodes.names), now_s=int(now_s)
    )
    cpu, memory = sold_amounts(nodes, supply, now_s=now_s, settings=settings)

    def free(
        plain: FloatArray, allocatable: FloatArray, sold: FloatArray, held: FloatArray
    ) -> FloatArray:
        beside = np.maximum(allocatable[:, None] - plain[:, :1] - held[:, :1], 0.0)
        # Of a closed node it is told what it would sell; nobody is given any of it.
        return np.where(closed, plain[:, :1], sold - held - beside)

    return replace(
        nodes,
        horizons_s=supply.horizons_s,
        free_cpu_cores=free(nodes.free_cpu_cores, nodes.cpu_cores, cpu, held_cpu),
        free_memory_bytes=free(nodes.free_memory_bytes, nodes.memory_bytes, memory, held_memory),
        open=nodes.open & ~closed[:, 0],
        supply_note=note(rung[nodes.open], settings),
    )


def sold_amounts(
    nodes: NodeColumns, supply: Supply, *, now_s: float, settings: AgeSettings = DEFAULT
) -> tuple[FloatArray, FloatArray]:
    """Cores and bytes [N, H] that each node sells, held or not."""
    fresh = rungs(supply.made_s, now_s=now_s, settings=settings) == Rung.FRESH
    share = believed_share(supply.made_s, now_s=now_s, settings=settings)[:, None]
    covering = _covering(supply, fresh=fresh, now_s=now_s)

    def sold(forecast: FloatArray, allocatable: FloatArray, calm: FloatArray) -> FloatArray:
        lasting = np.minimum.accumulate(forecast, axis=1)  # what stays longer is there till then
        most = np.where(fresh, allocatable, np.minimum(allocatable, calm))
        believed = share * np.take_along_axis(lasting, covering, axis=1)
        amounts: FloatArray = np.minimum(believed, most[:, None])
        return amounts

    return (
        sold(supply.cpu_cores, nodes.cpu_cores, supply.calm_cpu_cores),
        sold(supply.memory_bytes, nodes.memory_bytes, supply.calm_memory_bytes),
    )


def _covering(supply: Supply, *, fresh: BoolArray, now_s: float) -> IntArray:
    """[N, H] the horizon whose forecast reaches as far from now as each says; else the longest."""
    gone_s = np.where(fresh, 0.0, np.maximum(np.nan_to_num(now_s - supply.made_s), 0.0))
    reach_s = supply.horizons_s[None, :] + gone_s[:, None]
    return np.minimum(np.searchsorted(supply.horizons_s, reach_s), len(supply.horizons_s) - 1)


def note(rung: IntArray, settings: AgeSettings = DEFAULT) -> str:
    """Which rungs nodes stand on, in words; empty where all forecasts are fresh."""
    many = np.bincount(rung, minlength=len(Rung))
    minutes = [
        f"{limit_s / 60:g} min"
        for limit_s in (settings.stale_after_s, settings.decay_after_s, settings.closed_after_s)
    ]
    said = (
        (Rung.STALE, f"stale (older than {minutes[0]}: nothing grows)"),
        (Rung.DECAYING, f"decaying (older than {minutes[1]}: less is sold by and by)"),
        (Rung.CLOSED, f"closed (older than {minutes[2]}, or missing: nothing new)"),
    )
    parts = [f"{many[one]} {text}" for one, text in said if many[one]]
    return f"of {len(rung)} nodes' forecasts: {', '.join(parts)}" if parts else ""
