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
RADIUS = {"spot": 3, "mark": 5.5}


@dataclass(frozen=True, slots=True)
class Axis:
    """Values to pixels, with the values that get a mark."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: str
    log: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value lies between the ends."""
        return self.low <= value <= self.high

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
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
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    alt: str,
    levels: Sequence[tuple[float, str]] = (),
) -> str:
    """Lines with a list of their names at the right, first at the top; `levels` go across.

    `alt` says what it shows to who cannot see it.
    """
    drawn = [_frame(x, y)]
    for value, name in levels:
        at = _y(y, value)
        drawn.append(
            f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text class="note" x="{LEFT + 8}" y="{at - 6:.1f}">{escape(name)}</text>'
        )
    # The first of the list is drawn last, over the others.
    drawn += [_line(line, x, y, row) for row, line in reversed(list(enumerate(lines)))]
    return _svg("".join(drawn), HEIGHT, alt)


def _line(line: Line, x: Axis, y: Axis, row: int) -> str:
    inside = [(a, b) for a, b in line.points if x.holds(a) and y.holds(b)]
    parts = []
    if len(inside) > 1:
        path = " ".join(f"{_x(x, a):.1f},{_y(y, b):.1f}" for a, b in inside)
        parts.append(f'<polyline points="{path}"/>')
    parts += [_spot("spot", line.name, point, x, y) for point in inside]
    if line.mark is not None and x.holds(line.mark[0]) and y.holds(line.mark[1]):
        parts.append(_spot("mark", f"{line.name} as set", line.mark, x, y))
    left, height = WIDTH - RIGHT + 24, TOP + 12 + 22 * row
    parts.append(
        f'<polyline points="{left},{height - 4} {left + 22},{height - 4}"/>'
        f'<text class="name" x="{left + 30}" y="{height}">{escape(line.name)}</text>'
    )
    return f'<g class="line {line.style}">{"".join(parts)}</g>\n'


def _spot(kind: str, name: str, at: tuple[float, float], x: Axis, y: Axis) -> str:
    told = f"{name}: {100 * at[0]:.3g} % exceeded, {100 * at[1]:.1f} % saved"
    place = f'cx="{_x(x, at[0]):.1f}" cy="{_y(y, at[1]):.1f}" r="{RADIUS[kind]}"'
    return f'<circle class="{kind}" {place}><title>{escape(told)}</title></circle>'


def bars(
    values: Sequence[tuple[str, float, str]], *, level: float, level_name: str, alt: str
) -> str:
    """Horizontal bars of (name, share, what the pointer tells), and a line at the level."""
    left, right, row = 210, 90, 22
    top = 24
    most = max([level * 1.6, *(value for _, value, _ in values)]) or 1.0
    wide = WIDTH - left - right
    height = top + row * len(values) + 10
    at_x = left + wide * level / most
    drawn = [
        f'<line class="level" x1="{at_x:.1f}" x2="{at_x:.1f}" y1="{top - 6}" y2="{height - 6}"/>',
        f'<text class="note middle" x="{at_x:.1f}" y="{top - 10}">{escape(level_name)}</text>',
    ]
    for at, (name, value, told) in enumerate(values):
        y, long = top + at * row, wide * value / most
        drawn.append(
            f'<g class="bar"><title>{escape(told)}</title>'
            f'<text class="row halo" x="{left - 10}" y="{y + 13}">{escape(name)}</text>'
            f'<rect x="{left}" y="{y + 2}" width="{max(long, 1):.1f}" height="{row - 6}"/>'
            f'<text class="value halo" x="{left + long + 6:.1f}" y="{y + 13}">'
            f"{_percent(value)}</text></g>\n"
        )
    return _svg("".join(drawn), height, alt)


def columns(
    values: Sequence[tuple[int, float]], *, level: float, level_name: str, label: str, alt: str
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
    return _svg("".join(drawn), HEIGHT, alt)


def _round_ticks(low: int, high: int) -> list[float]:
    step = max(1, round((high - low) / 8))
    return [float(at) for at in range(low, high + 1, step)]


def _share_ticks(high: float) -> list[float]:
    step = next(s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1) if high / s <= 6)
    return [step * at for at in range(int(high / step + 1e-9) + 1)]


def _frame(x: Axis, y: Axis) -> str:
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    marks = [
        f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{floor}"/>'
        f'<text class="tick middle" x="{at:.1f}" y="{floor + 16}">{_tick(x, tick)}</text>'
        for tick in x.ticks
        for at in (_x(x, tick),)
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


def _svg(inside: str, height: float, alt: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(alt)}"'
        f' xmlns="http://www.w3.org/2000/svg">\n'
        f"{inside}</svg>\n"
    )
