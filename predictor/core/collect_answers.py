"""What a server answered, as columns: checked whole before any of it is used.

Points are nearly all of an answer, so they are read as numbers in bulk and only the rest as JSON:
a seventh of the time (measured).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from predictor.core.collect_settings import HOUR_S, CollectSettings

# `"values":[[` stands in no label: a quote within a string is escaped.
_POINTS: Final = re.compile(rb'"values"\s*:\s*\[\s*(\[[^{}]*\])\s*\]')
_A_LINE_EACH: Final = bytes.maketrans(b"[", b"\n")
_NOT_NUMBERS: Final = b']"+ \t\r\n'
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
        blocks: list[bytes] = []
        data = _data(_POINTS.sub(lambda found: _kept(found[1], blocks), body))
        if data["resultType"] not in {"matrix", "vector"}:
            raise ValueError("no series")
        lines = data["result"]
        labels = tuple({str(k): str(v) for k, v in line["metric"].items()} for line in lines)
        points = [_points(line, blocks) for line in lines]
        rows = _numbers(b"".join(points))
    counts = [block.count(b"\n") for block in points]
    if sum(counts) != len(rows):
        raise Malformed("the answer is malformed (points)")
    series = np.repeat(np.arange(len(labels)), counts)
    return Answer(labels, series, np.rint(rows[:, 0]).astype(np.int64), rows[:, 1])


def parsed_names(body: bytes) -> list[str]:
    """The values of a label, of an answer of /api/v1/label/NAME/values; empty ones are left out.

    Raises:
        Malformed: as `parsed` does.
    """
    with _well_formed():
        return sorted({str(name) for name in _data(body)} - {""})


def _kept(block: bytes, blocks: list[bytes]) -> bytes:
    """Puts points aside; their number stands for them."""
    blocks.append(block)
    return b'"values":%d' % (len(blocks) - 1)


def _points(line: Mapping[str, Any], blocks: Sequence[bytes]) -> bytes:
    """A series' points, a line each: stamp, value and a comma."""
    if "values" not in line:
        ts_s, value = line["value"]
        return f"\n{ts_s},{float(value)},".encode()
    values = line["values"]
    if values == []:
        return b""
    block: bytes = blocks[values]
    return block.translate(_A_LINE_EACH, _NOT_NUMBERS) + b","


def _numbers(text: bytes) -> NDArray[np.float64]:
    """Rows [R, 2] of stamp and value."""
    if not text:
        return np.zeros((0, 2))
    table = csv.read_csv(pa.BufferReader(text), _COLUMNS, convert_options=_NUMBERS)
    rows = np.stack([np.asarray(column, np.float64) for column in table.columns], axis=1)
    if not np.isfinite(rows[:, 0]).all() or (np.abs(rows[:, 0]) > 2**53).any():
        raise ValueError("a stamp is no time")
    return rows


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
