"""The sentence behind a forecast: inputs, formula, and what bound it.

Written from the numbers that were used, never from settings alone, so it cannot drift from them.
"""

from __future__ import annotations

import math

from predictor.core.cold import said_of_cold
from predictor.core.history import HOUR_S
from predictor.core.learning import Kept
from slacktide.messages import FloatArray

GIB = 1 << 30


def sentence(
    kept: Kept,
    *,
    node: int,
    horizon: int,
    horizons_s: tuple[int, ...],
    capacity_cores: float,
    risk: float,
    calibrated: tuple[bool, ...],
    realised: FloatArray,
) -> str:
    """One forecast in words.

    Of each horizon [H]: `calibrated` and `realised`, the broken share so far, NaN where no window
    is over.
    """
    view = kept.outlook
    keeps = f"keeps {kept.kept[node, horizon]:.1f} of {capacity_cores:g} cores"
    by = int(kept.by_horizon[node, horizon])
    added = kept.margin[node, by]
    other = "" if by == horizon else f"as for {horizons_s[by] // HOUR_S} h, "
    parts = [
        f"{keeps} for {horizons_s[horizon] // HOUR_S} h: {other}{_base(kept, node, by)}",
        _margin(added, calibrated=calibrated[by], risk=risk, realised=float(realised[by])),
    ]
    if kept.gap_factor[node] > 1:
        parts.append(
            f"x {kept.gap_factor[node]:g} because the node has been silent for"
            f" {view.silent_hours[node]} h"
        )
    if (kept.cold.node == node).any():
        parts.append(f"plus {said_of_cold(kept.cold, node)}")
    if kept.kept[node, horizon] >= capacity_cores:
        parts.append("capped at the node's capacity, so nothing is reclaimable")
    return "; ".join(parts)


def memory_sentence(
    kept: Kept, *, node: int, horizon: int, capacity_bytes: float, risk: float
) -> str:
    """What is kept of memory and why, in words; where it is unknown, that."""
    most = kept.kept[node, horizon]
    if math.isnan(most):
        return "memory: the node's capacity is unknown, so nothing is promised"
    by, view = int(kept.by_horizon[node, horizon]), kept.outlook
    added = kept.margin[node, by] / GIB
    parts = [
        f"memory: keeps {most / GIB:.1f} of {capacity_bytes / GIB:.0f} GiB",
        (
            f"{kept.base[node, by] / GIB:.1f} between the 7-day peak"
            f" {view.week_peak[node] / GIB:.1f} and the pods' peaks together"
            f" {view.week_sum_of_peaks[node] / GIB:.1f}"
        ),
        f"{_signed(added)} so that {100 * risk:g} % of windows may exceed it",
    ]
    if kept.gap_factor[node] > 1:
        parts.append(f"x {kept.gap_factor[node]:g} because the node is silent")
    if kept.cold_request[node]:
        parts.append(f"plus {kept.cold_request[node] / GIB:.1f} for cold pods")
    if most >= capacity_bytes:
        parts.append("capped at the node's capacity")
    return ", ".join(parts)


def _signed(added: float) -> str:
    return f"{'plus' if added >= 0 else 'less'} {abs(added):.1f}"


def _base(kept: Kept, node: int, horizon: int) -> str:
    view = kept.outlook
    return (
        f"model says {kept.base[node, horizon]:.1f} (7-day peak {view.week_peak[node]:.1f},"
        f" its pods' peaks together {view.week_sum_of_peaks[node]:.1f},"
        f" same window last week {view.last_week[node, horizon]:.1f})"
    )


def _margin(added: float, *, calibrated: bool, risk: float, realised: float) -> str:
    if not calibrated:
        return f"plus {added:.1f} because too few windows are over to calibrate with"
    so_far = f"realised so far {100 * realised:.2g} %"
    if math.isnan(realised):
        so_far = "none is over yet"
    return f"{_signed(added)} calibrated so that {100 * risk:g} % of windows exceed it ({so_far})"
