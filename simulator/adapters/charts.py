"""Charts as inline SVG: no script, no font, no request to anywhere.

Colours come from the page's style (classes `c0` and up, `ours`, `axis`), so that one chart serves
light and dark. Every mark carries its numbers as a title, which a browser shows under the pointer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 900, 430
LEFT, RIGHT, TOP, BOTTOM = 62, 200, 16, 48


@dataclass(frozen=True, slots=True)
class Axis:
    """Values to pixels, with the values that get a mark."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: str
    log: bool = False

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end; beyond them at the end."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; the marks stand apart from it."""

    name: str
    points: tuple[tuple[float, float], ...]
    style: str  # a class of the page's style
    mark: tuple[float, float] | None = None


def line_chart(
    lines: Sequence[Line], x: Axis, y: Axis, *, levels: Sequence[tuple[float, str]] = ()
) -> str:
    """Lines with their names at the right, horizontal `levels` across."""
    drawn = [_frame(x, y)]
    for value, name in levels:
        at = _y(y, value)
        drawn.append(
            f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
            f'<text class="note" x="{WIDTH - RIGHT + 8}" y="{at + 4}">{escape(name)}</text>'
        )
    taken = [_y(y, value) + 4 for value, _ in levels]
    for line, at in zip(lines, _apart([_end(line, y) for line in lines], taken), strict=True):
        drawn.append(_line(line, x, y, at))
    return _svg("".join(drawn), HEIGHT)


def _line(line: Line, x: Axis, y: Axis, name_at: float) -> str:
    spots = [(_x(x, a), _y(y, b)) for a, b in line.points]
    parts = []
    if len(spots) > 1:
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in spots)
        parts.append(f'<polyline points="{path}"/>')
    for (a, b), (at, value) in zip(spots, line.points, strict=True):
        told = f"{line.name}: {100 * at:.3g} % exceeded, {100 * value:.1f} % saved"
        parts.append(
            f'<circle class="spot" cx="{a:.1f}" cy="{b:.1f}" r="2.5"><title>{escape(told)}</title>'
            "</circle>"
        )
    if line.mark is not None:
        at, value = line.mark
        told = f"{line.name} as set: {100 * at:.3g} % exceeded, {100 * value:.1f} % saved"
        parts.append(
            f'<circle class="mark" cx="{_x(x, at):.1f}" cy="{_y(y, value):.1f}" r="5.5">'
            f"<title>{escape(told)}</title></circle>"
        )
    end_x, end_y = (
        max(spots) if spots else (_x(x, line.mark[0]), _y(y, line.mark[1])) if line.mark else (0, 0)
    )
    parts.append(
        f'<path class="lead" d="M{end_x:.1f},{end_y:.1f} L{WIDTH - RIGHT + 14},{name_at - 4:.1f}"/>'
        f'<text class="name" x="{WIDTH - RIGHT + 18}" y="{name_at:.1f}">{escape(line.name)}</text>'
    )
    return f'<g class="line {line.style}">{"".join(parts)}</g>\n'


def _end(line: Line, y: Axis) -> float:
    """The height at which the line's right end lies."""
    if line.points:
        return _y(y, max(line.points)[1]) + 4
    return _y(y, line.mark[1]) + 4 if line.mark else float(HEIGHT - BOTTOM)


def _apart(wanted: Sequence[float], taken: Sequence[float], gap: float = 17.0) -> list[float]:
    """Heights near the wanted ones, no two closer than the gap, and within the chart."""
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    placed = [0.0] * len(wanted)
    low = float(TOP)
    for at in order:
        height = max(wanted[at], low)
        while any(abs(height - other) < gap for other in taken):
            height += 1.0
        placed[at], low = height, height + gap
    over = max(placed, default=0.0) - (HEIGHT - 8)
    for at in reversed(order):
        if over <= 0:
            break
        placed[at] -= over
        before = order[order.index(at) - 1] if order.index(at) else None
        over = placed[before] + gap - placed[at] if before is not None else 0.0
    return placed


def bars(
    values: Sequence[tuple[str, float, str]], *, level: float, level_name: str, style: str = "ours"
) -> str:
    """Horizontal bars of (name, share, what the pointer tells), and a line at the level."""
    left, right, row = 210, 90, 22
    top = 24
    most = max([level * 1.6, *(value for _, value, _ in values)]) or 1.0
    wide = WIDTH - left - right
    height = top + row * len(values) + 10
    drawn = []
    for at, (name, value, told) in enumerate(values):
        y, long = top + at * row, wide * value / most
        drawn.append(
            f'<g class="bar {style}"><title>{escape(told)}</title>'
            f'<text class="row" x="{left - 10}" y="{y + 13}">{escape(name)}</text>'
            f'<rect x="{left}" y="{y + 2}" width="{max(long, 1):.1f}" height="{row - 6}"/>'
            f'<text class="value" x="{left + long + 6:.1f}" y="{y + 13}">{_percent(value)}</text>'
            "</g>\n"
        )
    at_x = left + wide * level / most
    drawn.append(
        f'<line class="level" x1="{at_x:.1f}" x2="{at_x:.1f}" y1="{top - 6}" y2="{height - 6}"/>'
        f'<text class="note middle" x="{at_x:.1f}" y="{top - 10}">{escape(level_name)}</text>'
    )
    return _svg("".join(drawn), height)


def columns(
    values: Sequence[tuple[int, float]], *, level: float, level_name: str, label: str
) -> str:
    """A column for each day, and a line at the level."""
    high = max([level * 2, *(value for _, value in values)])
    days = [day for day, _ in values]
    x = Axis(days[0] - 0.5, days[-1] + 0.5, tuple(_round_ticks(days[0], days[-1])), label)
    y = Axis(0.0, high, tuple(_share_ticks(high)), "exceeded")
    wide = (WIDTH - LEFT - RIGHT) / (days[-1] - days[0] + 1)
    drawn = [_frame(x, y)]
    for day, value in values:
        top, floor = _y(y, value), _y(y, 0.0)
        drawn.append(
            f'<rect class="column" x="{_x(x, day) - wide * 0.4:.1f}" y="{top:.1f}" '
            f'width="{wide * 0.8:.1f}" height="{max(floor - top, 0.6):.1f}">'
            f"<title>day {day}: {_percent(value)} exceeded</title></rect>"
        )
    at = _y(y, level)
    drawn.append(
        f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text class="note" x="{WIDTH - RIGHT + 8}" y="{at + 4:.1f}">{escape(level_name)}</text>'
    )
    return _svg("".join(drawn), HEIGHT)


def _round_ticks(low: int, high: int) -> list[float]:
    step = max(1, round((high - low) / 8))
    return [float(at) for at in range(low, high + 1, step)]


def _share_ticks(high: float) -> list[float]:
    step = next(s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1) if high / s <= 6)
    return [step * at for at in range(int(high / step + 1e-9) + 1)]


def _frame(x: Axis, y: Axis) -> str:
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    marks = [
        f'<line class="grid" x1="{_x(x, tick):.1f}" x2="{_x(x, tick):.1f}" y1="{TOP}" y2="{floor}"/>'
        f'<text class="tick middle" x="{_x(x, tick):.1f}" y="{floor + 16}">{_tick(x, tick)}</text>'
        for tick in x.ticks
    ]
    marks += [
        f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{_y(y, tick):.1f}" '
        f'y2="{_y(y, tick):.1f}"/>'
        f'<text class="tick end" x="{LEFT - 6}" y="{_y(y, tick) + 4:.1f}">{_tick(y, tick)}</text>'
        for tick in y.ticks
    ]
    marks.append(
        f'<text class="label middle" x="{(LEFT + right) / 2}" y="{HEIGHT - 8}">'
        f"{escape(x.label)}</text>"
        f'<text class="label middle" transform="translate(14 {(TOP + floor) / 2}) rotate(-90)">'
        f"{escape(y.label)}</text>"
    )
    return "".join(marks)


def _tick(axis: Axis, value: float) -> str:
    return f"{value:g}" if axis.high > 1 else f"{100 * value:g} %"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _x(axis: Axis, value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * axis.share(value)


def _y(axis: Axis, value: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - axis.share(value))


def _svg(inside: str, height: float) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" xmlns="http://www.w3.org/2000/svg">\n'
        f"{inside}</svg>\n"
    )
