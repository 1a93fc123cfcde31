"""`slacktide explain workload`: the numbers of a recommendation beside the use they stand on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from predictor.adapters.cells import bytes_text, change_text, cores_text
from predictor.app.findings import Filters, findings_at
from predictor.core.history import History, history_of
from predictor.core.plot import HOURS_A_COLUMN, bars, plot
from predictor.core.ranking import Finding, key_of
from predictor.core.recommend import SizingSettings
from predictor.core.use import containers_of
from slacktide.messages import IntArray
from slacktide.trace import Trace

LEGEND = (
    f"# p95 and : maximum of {HOURS_A_COLUMN} h, - recommended, ? no sample, | a day, now right"
)


def explanation(
    past: Trace, now_s: int, wanted: Filters, settings: SizingSettings
) -> Iterator[str]:
    """Lines about each container that is wanted. Raises `BadInput` where there is none."""
    known, containers = history_of(past), containers_of(past)
    keys = list(
        zip(
            containers.namespace,
            containers.workload,
            containers.kind,
            containers.container,
            strict=True,
        )
    )
    for found in findings_at(past, now_s, wanted, settings):
        key = key_of(found.advice)
        named = np.array([name == key for name in keys])
        rows = np.flatnonzero(known.resident(now_s) & named)
        yield from _words(found)
        yield from _pictures(found, known, rows, settings.window_s)


def _words(found: Finding) -> Iterator[str]:
    advice = found.advice
    name = f"{advice.namespace}/{advice.workload}, {advice.kind}, container {advice.container}"
    yield f"{name}, {advice.replicas} running at {advice.at_s} s: {found.side}"
    for what, change, as_text in (
        ("CPU request", found.cpu_request, cores_text),
        ("CPU limit", found.cpu_limit, cores_text),
        ("memory request", found.memory_request, bytes_text),
        ("memory limit", found.memory_limit, bytes_text),
    ):
        yield f"  {what:<15} {change_text(change, as_text)}"
    yield f"  {'confidence':<15} {advice.confidence:.2f}"
    yield from (f"  {part}" for part in advice.reason.split("; "))


def _pictures(found: Finding, known: History, rows: IntArray, window_s: int) -> Iterator[str]:
    """CPU and memory over the window, a replica each; nothing where nothing was seen."""
    drawn = False
    for what, samples, line, as_text in (
        ("CPU of a replica, cores", known.cpu_cores, found.cpu_request.recommended, cores_text),
        ("memory of a replica", known.memory_bytes, found.memory_request.recommended, bytes_text),
    ):
        if samples is None:
            continue
        shown = bars(samples[rows], interval_s=known.interval_s, window_s=window_s)
        lines = plot(shown, line, as_text)
        if lines:
            yield from ("", what, *lines)
            drawn = True
    yield from (("", LEGEND, "") if drawn else ("",))
