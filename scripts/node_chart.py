"""One node's two weeks, its forecast and what came, as an SVG of a few lines.

Drawn by hand because a plotting library would be a dependency for one picture.
"""

from __future__ import annotations

import numpy as np

from slacktide.messages import FloatArray

WIDTH, HEIGHT, LEFT, TOP = 860.0, 320.0, 44.0, 14.0
STYLE = {
    "capacity": "stroke:#888;stroke-dasharray:2 3",
    "kept": "stroke:#c0392b;stroke-width:2",
    "reference": "stroke:#7f6fb0;stroke-dasharray:6 3",
}


def chart(hours: np.ndarray, past: FloatArray, came: FloatArray, levels: dict[str, float]) -> str:
    """Hourly peaks over two weeks, what came the day after, and the levels of one forecast."""
    top, first, last = 1.08 * max(levels.values()), float(hours[0]), 24.0

    def x(hour: float) -> float:
        return LEFT + (hour - first) / (last - first) * (WIDTH - LEFT - 90)

    def y(cores: float) -> float:
        return TOP + (1 - cores / top) * (HEIGHT - TOP - 40)

    def path(at: np.ndarray, values: FloatArray) -> str:
        pairs = zip(at.tolist(), values.tolist(), strict=True)
        return " ".join(f"{x(hour):.1f},{y(value):.1f}" for hour, value in pairs)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img"'
            ' font-family="sans-serif" font-size="11">'
        ),
        "<title>Hourly peaks of one node, its forecast, and what came</title>",
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="#fff"/>',
        (
            f'<rect x="{x(0):.1f}" y="{TOP:g}" width="{x(24) - x(0):.1f}"'
            f' height="{y(0) - TOP:.1f}" fill="#f6efe2"/>'
        ),
    ]
    for name, level in levels.items():
        start = 0.0 if name == "kept" else -168.0 if name == "reference" else first
        parts += [
            (
                f'<path d="M{x(start):.1f} {y(level):.1f}H{x(last):.1f}" fill="none"'
                f' style="{STYLE[name]}"/>'
            ),
            f'<text x="{x(last) + 6:.1f}" y="{y(level) + 4:.1f}">{name} {level:.1f}</text>',
        ]
    parts += [
        f'<polyline points="{path(hours, past)}" fill="none" stroke="#2471a3"/>',
        (
            f'<polyline points="{path(np.arange(24) + 1.0, came)}" fill="none" stroke="#1e8449"'
            ' stroke-width="2"/>'
        ),
        f'<path d="M{LEFT:g} {TOP:g}V{y(0):.1f}H{x(last):.1f}" fill="none" stroke="#444"/>',
    ]
    for cores in range(0, int(top) + 1, 8):
        parts.append(
            f'<text x="{LEFT - 6:g}" y="{y(cores) + 4:.1f}" text-anchor="end">{cores}</text>'
        )
    for day in range(-14, 2, 2):
        label = "now" if day == 0 else f"{day} d"
        parts.append(
            f'<text x="{x(24 * day):.1f}" y="{y(0) + 16:.1f}" text-anchor="middle">{label}</text>'
        )
    about = "blue: hourly peaks of its warm pods; green: what came; shaded: the 24 h forecast"
    parts.append(f'<text x="{LEFT:g}" y="{HEIGHT - 6:g}" fill="#444">{about}, in cores</text>')
    return "\n".join([*parts, "</svg>", ""])
