"""p99 and stage over time, one SVG a scene, drawn by hand: a few lines need no library.

Always holds: the same results give the same bytes; colours are told apart on light and dark pages
and by the colour-blind (Okabe & Ito's palette), and every line carries its arm's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.qos.measured import Floats, windows_ms
from bench.qos.results import Episode, Results

COLOURS = {
    "solo": "#8a8a8a",
    "nothing": "#d55e00",
    "shares": "#cc79a7",
    "koordinator": "#e69f00",
    "ours": "#0072b2",
}
NAMES = {
    "solo": "warm solo",
    "nothing": "nothing done",
    "shares": "shares = 2",
    "koordinator": "1 s controller",
    "ours": "slacktide",
}
WIDTH, LEFT, RIGHT, TOP, HIGH, GAP, LOW = 760, 64, 130, 34, 220, 46, 70


def draw(results: Results, scene: str, folder: Path) -> Path:
    """Writes FOLDER/SCENE.svg: medians over the episodes at the scene's main load."""
    loads = results.loads(scene)
    load = 60 if 60 in loads else loads[0]
    lines = {
        arm: median_line(results.of(scene, arm, load))
        for arm in results.arms(scene)
        if results.of(scene, arm, load)
    }
    stages = stage_line(results.of(scene, "ours", load))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{scene}.svg"
    file.write_text(picture(scene, load, lines, stages))
    return file


def median_line(episodes: Sequence[Episode]) -> tuple[Floats, Floats]:
    """(time, p99 in 100 ms windows): the median over episodes; from 0.5 s before the step."""
    shift = 0.5
    found = [
        windows_ms(e.meant_s + shift, e.latency_ms, e.told["loaded_s"] + shift) for e in episodes
    ]
    seen = np.vstack([p99 for _, p99 in found])
    known = ~np.isnan(seen).all(axis=0)
    return found[0][0][known] - shift + 0.1, np.nanmedian(seen[:, known], axis=0)


def stage_line(episodes: Sequence[Episode]) -> tuple[Floats, Floats]:
    """(time, highest stage of any ladder): the mean over episodes, in steps of 50 ms."""
    if not any(e.told["ticks"] for e in episodes):
        return np.zeros(0), np.zeros(0)
    at = np.arange(-0.5, episodes[0].told["loaded_s"], 0.05)
    rows = []
    for ticks in (e.told["ticks"] for e in episodes if e.told["ticks"]):
        times = np.array([row[0] for row in ticks])
        stages = np.array([max(row[1:5]) for row in ticks], np.float64)
        rows.append(stages[np.clip(np.searchsorted(times, at, "right") - 1, 0, None)])
    return at, np.mean(rows, axis=0)


def picture(
    scene: str,
    load: int,
    lines: dict[str, tuple[Floats, Floats]],
    stages: tuple[Floats, Floats],
) -> str:
    """The whole SVG."""
    ends = [times[-1] for times, _ in lines.values() if len(times)]
    first_s, last_s = -0.5, max(ends, default=1.0)
    highest = max((float(np.max(p99)) for _, p99 in lines.values() if len(p99)), default=1.0)
    lowest = min((float(np.min(p99)) for _, p99 in lines.values() if len(p99)), default=0.1)
    low, high = math.floor(math.log10(max(lowest, 0.01))), math.ceil(math.log10(highest))
    high = max(high, low + 1)
    across = _scale(first_s, last_s, LEFT, WIDTH - RIGHT)
    up = _scale(low, high, TOP + HIGH, TOP)
    stage_up = _scale(0, 4, TOP + HIGH + GAP + LOW, TOP + HIGH + GAP)
    height = TOP + HIGH + GAP + LOW + 34
    at_load = f" at {load} % load" if load else ""
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'font-family="sans-serif" font-size="12" fill="#7a7a7a" role="img">'
        ),
        f"<title>{scene}: online's p99 and the agent's stage over time</title>",
        (
            f'<text x="{LEFT}" y="18" font-size="14">{scene}{at_load}: p99 of 100 ms windows, ms'
            " (median of episodes; log scale)</text>"
        ),
    ]
    parts += _grid(across, up, stage_up, span_s=(first_s, last_s), decades=(low, high))
    ended = []
    for arm, (times, p99) in lines.items():
        points = [
            (across(t), up(math.log10(max(v, 0.01)))) for t, v in zip(times, p99, strict=True)
        ]
        parts.append(_line(points, COLOURS[arm]))
        ended.append((points[-1][1], arm))
    parts += _labels(ended)
    if len(stages[0]):
        points = [(across(t), stage_up(v)) for t, v in zip(*stages, strict=True)]
        parts.append(_line(points, COLOURS["ours"]))
    return "\n".join([*parts, "</svg>", ""])


Scale = Callable[[float], float]


def _scale(first: float, last: float, begin: float, end: float) -> Scale:
    return lambda value: begin + (value - first) / (last - first) * (end - begin)


def _grid(
    across: Scale,
    up: Scale,
    stage_up: Scale,
    *,
    span_s: tuple[float, float],
    decades: tuple[int, int],
) -> Iterator[str]:
    height = TOP + HIGH + GAP + LOW + 34
    thin = 'stroke="#9a9a9a" stroke-opacity="0.35"'
    for decade in range(decades[0], decades[1] + 1):
        y = up(decade)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" {thin}/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g}</text>'
    for stage in (0, 2, 4):
        y = stage_up(stage)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" {thin}/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{stage}</text>'
    yield f'<text x="{LEFT}" y="{TOP + HIGH + GAP - 10}">stage (mean of episodes)</text>'
    for second in range(math.ceil(span_s[0]), math.floor(span_s[1]) + 1):
        x, bold = across(second), ' stroke-dasharray="4 3"' if second == 0 else ""
        colour = 'stroke="#7a7a7a"' if second == 0 else thin
        yield f'<path d="M{x:.1f} {TOP}V{TOP + HIGH + GAP + LOW}" {colour}{bold}/>'
        yield f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle">{second} s</text>'


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def _labels(ended: list[tuple[float, str]]) -> list[str]:
    """Names at the lines' ends, pushed apart where they would cover one another."""
    labels, last_y = [], -math.inf
    for y, arm in sorted(ended):
        last_y = max(y, last_y + 15)
        labels.append(
            f'<text x="{WIDTH - RIGHT + 6}" y="{last_y + 4:.1f}" '
            f'fill="{COLOURS[arm]}">{NAMES[arm]}</text>'
        )
    return labels
