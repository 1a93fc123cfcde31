"""How a node's promises went: what was kept at each moment, what came of it, and what binds now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from predictor.core.ledger import Ledger
from slacktide.messages import FloatArray, IntArray, NodeForecasts

RELATIVE_SLACK: Final = 1e-6  # samples are 32-bit
LITTLE_SHARE: Final = 0.02  # of a node: less to spare than this is as good as nothing


@dataclass(frozen=True, slots=True)
class Record:
    """One node over the moments that were kept to learn from; M moments, H horizons."""

    at_s: IntArray  # [M] ascending
    kept: FloatArray  # [M, H]
    windows: IntArray  # [H] that are over and were seen well enough
    broken: IntArray  # [H] of those


def record(ledger: Ledger, node: int, *, horizons: int) -> Record:
    """What the ledger knows of one node."""
    shape = (-1, horizons)
    kept = np.array([moment.kept[node] for moment in ledger], dtype=np.float64).reshape(shape)
    peak = np.array([moment.peak[node] for moment in ledger], dtype=np.float64).reshape(shape)
    trusted = np.array([m.trusted[node] for m in ledger], dtype=np.bool_).reshape(shape)
    broken = trusted & (kept < peak * (1 - RELATIVE_SLACK))
    return Record(
        at_s=np.array([moment.at_s for moment in ledger], dtype=np.int64),
        kept=kept,
        windows=trusted.sum(axis=0),
        broken=broken.sum(axis=0),
    )


def kept_by_column(
    found: Record, horizon: int, *, end_s: int, column_s: int, columns: int
) -> FloatArray:
    """[K] the most kept by the forecasts of each column's time; NaN where none was made.

    A column without a forecast of its own stands under the one before it.
    """
    at = columns - 1 - (end_s - found.at_s) // column_s
    inside = (at >= 0) & (at < columns)
    most = np.full(columns, -np.inf)
    np.maximum.at(most, at[inside], found.kept[inside, horizon])
    line = np.where(np.isfinite(most), most, np.nan)
    for column in range(1, columns):
        if np.isnan(line[column]):
            line[column] = line[column - 1]
    return line


def coverage_sentences(found: Record, horizons_s: tuple[int, ...], *, risk: float) -> Iterator[str]:
    """One for each horizon: how often more came than was kept."""
    for horizon_s, windows, broken in zip(
        horizons_s, found.windows.tolist(), found.broken.tolist(), strict=True
    ):
        hours = f"{horizon_s // 3_600} h"
        if not windows:
            yield f"{hours}: no window is over yet"
            continue
        yield (
            f"{hours}: {broken} of {windows} windows exceeded what was kept,"
            f" {100 * broken / windows:.2g} %; promised over the fleet: {100 * risk:g} %"
        )


def binding(made: NodeForecasts, node: int, horizon: int, *, capacity: tuple[float, float]) -> str:
    """Which resource leaves less of the node, in a sentence.

    `capacity` is (cores, bytes); bytes may be NaN.
    """
    shares = {
        "CPU": float(made.reclaimable_cpu_cores[node, horizon]) / capacity[0],
        "memory": float(made.reclaimable_memory_bytes[node, horizon]) / capacity[1],
    }
    known = {name: share for name, share in shares.items() if np.isfinite(share)}
    least = min(known, key=lambda name: known[name])
    told = ", ".join(f"{100 * share:.0f} % of the {name}" for name, share in known.items())
    if known[least] < LITTLE_SHARE:
        return f"{least} binds: next to nothing of it is to spare ({told} can be reclaimed)"
    if len(known) == 1:
        return f"{least} binds: {told} can be reclaimed, and the other is not known"
    return f"{least} binds: {told} can be reclaimed"
