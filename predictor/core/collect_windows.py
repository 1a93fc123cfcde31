"""Stretches of stamps that one query asks for, and how one that was too much is halved.

A window is a stretch of stamps of some namespaces (or of all), perhaps of those names alone that
end in certain letters. Halving cuts the namespaces first, since a server finds and unpacks a series
for each query anew; then the time, then the letters: names in Kubernetes end in a letter or digit,
so the halves are disjoint and complete without their list.

A sample stamped t speaks of the `interval_s` seconds up to t. An hour owns the stamps within it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from predictor.core.collect_settings import HOUR_S

ENDINGS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"  # of RFC 1123 names


@dataclass(frozen=True, slots=True)
class Window:
    """Stamps `from_s <= t < to_s`, both multiples of the interval."""

    cluster: str
    namespaces: tuple[str, ...] | None  # None: all
    from_s: int
    to_s: int
    endings: str = ENDINGS  # last letters of the names that are asked for


def hours(cluster: str, namespaces: tuple[str, ...] | None, hour_s: int, count: int = 1) -> Window:
    """The whole hours that begin at `hour_s`."""
    return Window(cluster, namespaces, hour_s, hour_s + count * HOUR_S)


def planned(
    window: Window,
    *,
    series: Mapping[str, int] | int,
    most_cells: int,
    interval_s: int,
    every_s: int,
) -> list[Window]:
    """The window cut so that each part has at most `most_cells` series x points, if it can be.

    `series` are those of each namespace, or of all; a point comes every `every_s` seconds.
    """
    parts: tuple[Window, ...] = ()
    if _expected(window, series) * (window.to_s - window.from_s) / every_s > most_cells:
        parts = halved(window, interval_s=interval_s)
    if not parts:
        return [window]
    limits = {"most_cells": most_cells, "interval_s": interval_s, "every_s": every_s}
    return [part for half in parts for part in planned(half, series=series, **limits)]


def _expected(window: Window, series: Mapping[str, int] | int) -> float:
    if not isinstance(series, int):
        names = series if window.namespaces is None else window.namespaces
        series = sum(series.get(name, 1) for name in names)
    return series * len(window.endings) / len(ENDINGS)


def halved(window: Window, *, interval_s: int) -> tuple[Window, ...]:
    """Two windows that hold what one held; none where it cannot be cut further."""
    names = window.namespaces or ()
    if len(names) > 1:
        first, second = names[: len(names) // 2], names[len(names) // 2 :]
        return replace(window, namespaces=first), replace(window, namespaces=second)
    points = (window.to_s - window.from_s) // interval_s
    if points > 1:
        middle_s = window.from_s + points // 2 * interval_s
        return replace(window, to_s=middle_s), replace(window, from_s=middle_s)
    letters = window.endings
    if len(letters) > 1:
        half = len(letters) // 2
        return replace(window, endings=letters[:half]), replace(window, endings=letters[half:])
    return ()
