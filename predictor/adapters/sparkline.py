"""Two weeks of use as a small SVG picture, with the declared and recommended request as lines.

The dark area is the 95th percentile of a few hours, the light one their maximum; a gap is time
without a sample. Numbers only are written into the picture, so nothing in it needs escaping but
the text that describes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

import numpy as np

from predictor.core.plot import Bars
from slacktide.messages import FloatArray

WIDTH_A_BAR = 2
HEIGHT = 36


def sparkline(bars: Bars, *, current: float | None, recommended: float | None, said: str) -> str:
    """The picture, or nothing where no sample is known; `said` describes it to who cannot see."""
    known = bars.highest[np.isfinite(bars.highest)]
    if not known.size:
        return ""
    top = max(float(known.max()), current or 0.0, recommended or 0.0) or 1.0
    width = len(bars.highest) * WIDTH_A_BAR
    shapes = [
        f'<path class="{name}" d="{area(values, top)}"/>'
        for name, values in (("most", bars.highest), ("usual", bars.usual))
    ]
    for name, value in (("now", current), ("then", recommended)):
        if value is not None:
            y = _y(value, top)
            shapes.append(f'<line class="{name}" x1="0" x2="{width}" y1="{y}" y2="{y}"/>')
    return (
        f'<svg viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" role="img"'
        f' aria-label="{escape(said)}">{"".join(shapes)}</svg>'
    )


def area(values: FloatArray, top: float) -> str:
    """A path of one closed shape for each stretch without a gap."""
    return "".join(_shape(first, part, top) for first, part in _stretches(values))


def _stretches(values: FloatArray) -> Iterator[tuple[int, list[float]]]:
    part: list[float] = []
    for n, value in enumerate([*values.tolist(), math.nan]):
        if math.isnan(value):
            if part:
                yield n - len(part), part
            part = []
        else:
            part.append(value)


def _shape(first: int, part: list[float], top: float) -> str:
    x = first * WIDTH_A_BAR
    steps = "".join(f"V{_y(value, top)}h{WIDTH_A_BAR}" for value in part)
    return f"M{x} {HEIGHT}{steps}V{HEIGHT}Z"


def _y(value: float, top: float) -> str:
    """Downwards, with room for a line's width at both ends."""
    return f"{HEIGHT - 1 - value / top * (HEIGHT - 2):.1f}"
