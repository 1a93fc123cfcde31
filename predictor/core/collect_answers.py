"""What a server answered, as columns: checked whole before any of it is used.

Points are nearly all of an answer, so they are read as numbers in bulk and only the rest as JSON:
a seventh of the time (measured).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from predictor.core.collect_settings import HOUR_S, CollectSettings

# Neither stands within a label: there a quote is escaped, and a list of points ends a series.
_FROM: Final = b'"values":[['
_TO: Final = b"]]"
_A_LINE_EACH: Final = bytes.maketrans(b"[", b"\n")
_NOT_NUMBERS: Final = b']"+'
_COLUMNS: Final = csv.ReadOptions(column_names=["ts_s", "value", "end"], use_threads=False)
_NUMBERS: Final = csv.ConvertOptions(
    include_columns=["ts_s", "value"],
    column_types={"ts_s": pa.float64(), "value": pa.float64()},
    null_values=[],
)


class Malformed(ValueError):  # noqa: N818  named for what it is
    """An answer that is cut off or is not what the interface promises; worth asking again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """S series, and their R points in one column."""

    labels: tuple[Mapping[str, str], ...]  # [S]
    series: NDArray[np.int64]  # [R] ascending, into labels
    ts_s: NDArray[np.int64]  # [R] ascending within a series, or not
    values: NDArray[np.float64]  # [R] may be NaN or infinite

    def last(self) -> Iterator[tuple[Mapping[str, str], float]]:
        """The last value of each series that has any."""
        ends = np.searchsorted(self.series, np.arange(len(self.labels)), side="right")
        for number, (labels, end) in enumerate(zip(self.labels, ends.tolist(), strict=True)):
            if end and self.series[end - 1] == number:
                yield labels, float(self.values[end - 1])


def together(answers: Sequence[Answer]) -> Answer:
    """What several answers say, as one."""
    counts = [len(answer.labels) for answer in answers]
    first = np.cumsum([0, *counts])
    none: list[Any] = [np.zeros(0, np.int64)]
    return Answer(
        tuple(labels for answer in answers for labels in answer.labels),
        np.concatenate([*none, *(a.series + n for a, n in zip(answers, first, strict=False))]),
        np.concatenate([*none, *(answer.ts_s for answer in answers)]),
        np.concatenate([np.zeros(0), *(answer.values for answer in answers)]),
    )


def parsed(body: bytes) -> Answer:
    """The series of an answer of /api/v1/query or /api/v1/query_range.

    Raises:
        Malformed: no complete JSON, another shape than promised, or declared partial by the server.
    """
    with _well_formed():
        rest, blocks = _apart(body)
        data = _data(rest)
        if data["resultType"] not in {"matrix", "vector"}:
            raise ValueError("no series")
        lines = data["result"]
        labels = tuple(line["metric"] for line in lines)
        "".join(word for of_one in labels for word in of_one.values())  # nothing else but words
        points = [_points(line, blocks) for line in lines]
        ts_s, values = _numbers(b"".join(points))
        series = np.repeat(np.arange(len(labels)), [block.count(b"\n") for block in points])
        if len(series) != len(values):
            raise ValueError("points that are none")
    return Answer(labels, series, ts_s, values)


def parsed_names(body: bytes) -> list[str]:
    """The values of a label, of an answer of /api/v1/label/NAME/values; empty ones are left out.

    Raises:
        Malformed: as `parsed` does.
    """
    with _well_formed():
        return sorted({str(name) for name in _data(body)} - {""})


def _apart(body: bytes) -> tuple[bytes, list[bytes]]:
    """The answer with a number in place of each series' points, and those points."""
    rest: list[bytes] = []
    blocks: list[bytes] = []
    at = 0
    while (start := body.find(_FROM, at)) >= 0:
        start += len(_FROM) - 2
        end = body.index(_TO, start) + len(_TO)
        rest += [body[at:start], b"%d" % len(blocks)]
        blocks.append(body[start + 1 : end - 1])
        at = end
    return b"".join([*rest, body[at:]]), blocks


def _points(line: Mapping[str, Any], blocks: Sequence[bytes]) -> bytes:
    """A series' points, a line each: stamp, value and a comma."""
    values: Any = line["values"] if "values" in line else [line["value"]]
    if isinstance(values, list):
        return b"".join(b"\n%r,%r," % (float(ts_s), float(value)) for ts_s, value in values)
    block: bytes = blocks[values]
    return block.translate(_A_LINE_EACH, _NOT_NUMBERS) + b","


def _numbers(text: bytes) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Stamps and values [R]."""
    if not text:
        return np.zeros(0, np.int64), np.zeros(0)
    table = csv.read_csv(pa.BufferReader(text), _COLUMNS, convert_options=_NUMBERS)
    ts_s, values = (column.to_numpy() for column in table.columns)
    if not np.isfinite(ts_s).all() or (np.abs(ts_s) > 2**53).any():
        raise ValueError("a stamp is no time")
    return np.rint(ts_s).astype(np.int64), values


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


def series_of_namespaces(answer: Answer, settings: CollectSettings) -> dict[int, dict[str, int]]:
    """How many series each namespace has in each hour; nameless ones are left out."""
    found: dict[int, dict[str, int]] = {}
    hours = (answer.ts_s // HOUR_S * HOUR_S).tolist()
    for number, hour_s, count in zip(
        answer.series.tolist(), hours, answer.values.tolist(), strict=True
    ):
        name = answer.labels[number].get(settings.namespace_label, "")
        if name and np.isfinite(count):
            sizes = found.setdefault(hour_s, {})
            sizes[name] = max(sizes.get(name, 0), int(count))
    return found
