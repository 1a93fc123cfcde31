"""Two weeks of use in plain characters, with the recommendation drawn through them.

A column is a few hours. `#` reaches the 95th percentile of its samples, `:` their maximum, `-` is
the recommended request, `?` below the axis a column without any sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from predictor.core.history import HOUR_S, Samples
from predictor.core.use import percentile
from slacktide.messages import FloatArray

HOURS_A_COLUMN = 4
COLUMNS_A_DAY = 24 // HOURS_A_COLUMN
ROWS = 12


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar for each column, oldest first; NaN where there is no sample."""

    usual: FloatArray  # [K] the 95th percentile
    highest: FloatArray  # [K]


def bars(samples: Samples, *, interval_s: int, window_s: int) -> Bars:
    """The last `window_s` of replicas [R, T], all replicas together, the newest column complete."""
    width = HOURS_A_COLUMN * HOUR_S // interval_s
    columns = window_s // (HOURS_A_COLUMN * HOUR_S)
    window = samples[:, max(samples.shape[1] - columns * width, 0) :]
    lacking = columns * width - window.shape[1]
    window = np.pad(window, ((0, 0), (lacking, 0)), constant_values=np.nan)
    together = window.reshape(len(window), columns, width).transpose(1, 0, 2).reshape(columns, -1)
    return Bars(usual=percentile(together, 0.95), highest=percentile(together, 1.0))


def plot(
    drawn: Bars, line: float | FloatArray | None, as_text: Callable[[float], str]
) -> tuple[str, ...]:
    """The lines of the picture, from the top; empty where there is no sample at all.

    `line` is the recommendation, one for all or for each column [K] (NaN where there is none), None
    where there is none at all; `as_text` writes a value of the axis, of the newest of the line.
    """
    known = drawn.highest[np.isfinite(drawn.highest)]
    if not known.size:
        return ()
    drawn_line = np.broadcast_to(np.nan if line is None else line, drawn.highest.shape)
    top = max(float(known.max()), float(np.nan_to_num(drawn_line).max())) or 1.0
    usual, highest = _heights(drawn.usual, top), _heights(drawn.highest, top)
    rows = np.where(np.isnan(drawn_line), 0, np.maximum(_heights(drawn_line, top), 1))
    labels = {ROWS: as_text(top), int(rows[-1]): as_text(float(np.nan_to_num(drawn_line[-1])))}
    margin = max(len(label) for label in labels.values())
    picture = [
        f"{labels.get(row, ''):>{margin}} |"
        + "".join(
            _mark(row, int(p95), int(most), int(line_row))
            for p95, most, line_row in zip(usual, highest, rows, strict=True)
        )
        for row in range(ROWS, 0, -1)
    ]
    return (*picture, f"{'0':>{margin}} +{_axis(drawn.highest)}")


def _heights(values: FloatArray, top: float) -> FloatArray:
    """Rows that each bar fills; 0 where it is unknown."""
    return np.ceil(np.nan_to_num(values) / top * ROWS - 1e-9)


def _mark(row: int, usual: int, highest: int, line_row: int) -> str:
    if row <= usual:
        return "#"
    if row <= highest:
        return ":"
    return "-" if row == line_row else " "


def _axis(values: FloatArray) -> str:
    """A mark where each day ends, counted back from now; `?` where nothing was seen."""
    count = len(values)
    return "".join(
        "?" if math.isnan(value) else "|" if (count - 1 - n) % COLUMNS_A_DAY == 0 else "-"
        for n, value in enumerate(values.tolist())
    )
