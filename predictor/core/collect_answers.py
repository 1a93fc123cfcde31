"""What a server answered, as columns: checked whole, and never more than was asked for.

A value that is not finite or is negative is no sample. Of two values for one container and stamp
the larger is kept: copies differ by a scrape, and too little promised slack is the safe side.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from predictor.core.collect_queries import MEASURES, Ask, Window
from predictor.core.collect_settings import CollectSettings

LARGEST: Final = 1e15  # cores or bytes: beyond any machine, within float32
UNKNOWN: Final = "unknown"


class Malformed(ValueError):  # noqa: N818  named for what it is
    """An answer that is cut off or is not what the interface promises; worth asking again."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of an answer: R points, ascending or not."""

    labels: Mapping[str, str]
    ts_s: NDArray[np.int64]  # [R]
    values: NDArray[np.float64]  # [R] may be NaN or infinite


@dataclass(frozen=True, slots=True)
class Samples:
    """A namespace's samples of a window, R rows; NaN = not measured."""

    ts_s: NDArray[np.int64]  # [R]
    pod: tuple[str, ...]  # [R] "namespace/name": names alone repeat between namespaces
    container: tuple[str, ...]  # [R]
    measures: Mapping[Ask, NDArray[np.float32]]  # each [R]
    dropped: int  # values that were no finite, positive number
    repeated: int  # values for a container and stamp that already had one


def parsed(body: bytes) -> list[Series]:
    """The series of an answer of /api/v1/query or /api/v1/query_range.

    Raises:
        Malformed: no complete JSON, another shape than promised, or declared partial by the server.
    """
    with _well_formed():
        data = _data(body)
        kind, lines = data["resultType"], data["result"]
        found = [_series(line) for line in lines] if kind in {"matrix", "vector"} else None
    if found is None:
        raise Malformed(f"the answer holds no series but a {kind}")
    return found


def parsed_names(body: bytes) -> list[str]:
    """The values of a label, of an answer of /api/v1/label/NAME/values; empty ones are left out.

    Raises:
        Malformed: as `parsed` does.
    """
    with _well_formed():
        return sorted({str(name) for name in _data(body)} - {""})


def _data(body: bytes) -> Any:  # noqa: ANN401  its shape depends on the question
    answer = json.loads(body)
    if answer["status"] != "success" or answer.get("isPartial"):
        raise ValueError("declared partial by the server")
    return answer["data"]


@contextmanager
def _well_formed() -> Iterator[None]:
    """Whatever parsing raises says one thing: this is not the answer that was promised."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as why:
        raise Malformed(f"the answer is cut off or malformed ({type(why).__name__})") from why
    except RecursionError as why:
        raise Malformed("the answer is nested without end") from why


def _series(line: Mapping[str, Any]) -> Series:
    points = line["values"] if "values" in line else [line["value"]]
    labels = {str(name): str(value) for name, value in line["metric"].items()}
    ts = np.array([point[0] for point in points], np.float64)
    if not np.isfinite(ts).all() or (np.abs(ts) > 2**53).any():
        raise ValueError("a stamp is no time")
    values = np.array([float(point[1]) for point in points], np.float64)
    return Series(labels, np.rint(ts).astype(np.int64), values)


def series_of_namespaces(answer: Sequence[Series], settings: CollectSettings) -> dict[str, int]:
    """How many series each namespace has at most at once; nameless ones are left out."""
    most: dict[str, int] = {}
    for series in answer:
        name = series.labels.get(settings.namespace_label, "")
        finite = series.values[np.isfinite(series.values)]
        if name and finite.size:
            most[name] = max(most.get(name, 0), int(finite.max()))
    return dict(sorted(most.items()))


def samples(
    answers: Mapping[Ask, Sequence[Series]], window: Window, settings: CollectSettings
) -> Samples:
    """The measures of a namespace's containers side by side, a row per container and stamp."""
    step_s = settings.interval_s
    columns = (window.to_s - window.from_s) // step_s
    names = sorted({_named(series, settings) for ask in MEASURES for series in answers[ask]})
    row = {name: number for number, name in enumerate(names)}
    grids, dropped, repeated = {}, 0, 0
    for ask in MEASURES:
        grid = np.full((len(names), columns), np.nan, np.float32)
        for series in answers[ask]:
            lost, again = _fill(grid[row[_named(series, settings)]], series, window, step_s)
            dropped, repeated = dropped + lost, repeated + again
        grids[ask] = grid
    known = ~np.all([np.isnan(grid) for grid in grids.values()], axis=0)
    at, stamp = np.nonzero(known)
    return Samples(
        ts_s=window.from_s + stamp * step_s,
        pod=tuple(f"{window.namespace}/{names[which][0]}" for which in at),
        container=tuple(names[which][1] for which in at),
        measures={ask: grid[known] for ask, grid in grids.items()},
        dropped=dropped,
        repeated=repeated,
    )


def _named(series: Series, settings: CollectSettings) -> tuple[str, str]:
    labels = series.labels
    return labels.get(settings.pod_label, UNKNOWN), labels.get(settings.container_label, UNKNOWN)


def _fill(
    cells: NDArray[np.float32], series: Series, window: Window, step_s: int
) -> tuple[int, int]:
    """Puts a series into its row [T]; returns how many values were dropped, and repeated."""
    lost = again = 0
    for ts_s, value in zip(series.ts_s.tolist(), series.values.tolist(), strict=True):
        column, beside = divmod(ts_s - window.from_s, step_s)
        if beside or not 0 <= column < len(cells) or not 0 <= value <= LARGEST:
            lost += 1
            continue
        again += not math.isnan(cells[column])
        cells[column] = np.fmax(cells[column], np.float32(value))
    return lost, again
