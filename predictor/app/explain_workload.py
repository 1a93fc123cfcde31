"""`slacktide explain workload`: the numbers of a recommendation beside the use they stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from predictor.adapters.cells import bytes_text, change_text, cores_text
from predictor.app.findings import Filters, findings_at
from predictor.app.stored import Stored
from predictor.core.confidence import in_words
from predictor.core.history import History, history_of
from predictor.core.mindful import DEFAULTS, MindfulSettings
from predictor.core.plot import HOURS_A_COLUMN, bars, plot
from predictor.core.ranking import Finding, key_of
from predictor.core.recommend import SizingSettings
from predictor.core.use import NAMES, Containers, containers_of
from predictor.core.weekdays import bar, day_name, usual_by_weekday
from predictor.core.would_change import would_change
from slacktide.messages import IntArray
from slacktide.trace import Trace

WEEK_S = 7 * 86_400
LEGEND = (
    f"# p95 and : maximum of {HOURS_A_COLUMN} h, - recommended, ? no sample, | a day, now right"
)


def explanation(
    past: Trace, now_s: int, wanted: Filters, settings: SizingSettings
) -> Iterator[str]:
    """Lines about each container of a trace that is wanted. Raises `BadInput` where there is none.

    Seconds are the trace's own.
    """
    found = findings_at(past, now_s, wanted, settings)
    yield from _each(found, history_of(past).until(now_s), containers_of(past), now_s, settings)


def stored_explanation(source: Stored, wanted: Filters, settings: SizingSettings) -> Iterator[str]:
    """The same of a stored history, at the newest time asked about. Raises `BadInput` as above."""
    newest_s = source.times[-1]
    found = source.findings(newest_s, wanted, settings, {}, DEFAULTS)
    keys = [key_of(one.advice) for one in found]
    past = source.part(keys, newest_s, settings.window_s)
    now_s = newest_s - past.origin_s
    yield from _each(found, past.history.until(now_s), past.containers, now_s, settings)


def _each(
    findings: Sequence[Finding],
    known: History,
    names: Containers,
    now_s: int,
    settings: SizingSettings,
) -> Iterator[str]:
    keys = list(zip(*(getattr(names, column) for column in NAMES), strict=True))
    for found in findings:
        key = key_of(found.advice)
        named = np.array([name == key for name in keys])
        rows = np.flatnonzero(known.resident(now_s) & named)
        yield from explained(found, known, rows, settings.window_s)


def explained(
    found: Finding,
    known: History,
    rows: IntArray,
    window_s: int,
    how: MindfulSettings = DEFAULTS,
) -> Iterator[str]:
    """Lines about one finding: its numbers, its clauses, its days, and what would change it.

    `rows` are the finding's series in `known`, which ends now; second 0 of it is a midnight, of a
    Thursday where the finding's cluster is known.
    """
    yield from _words(found)
    yield from _would_change(found, how)
    yield from _pictures(found, known, rows, window_s)
    yield from _week(found, known, rows, window_s)


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
    yield f"  {'confidence':<15} {advice.confidence:.2f}, {in_words(advice.confidence)}"
    yield from (f"  {part}" for part in advice.reason.split("; "))


def _would_change(found: Finding, how: MindfulSettings) -> Iterator[str]:
    yield "  what would change it:"
    yield from (f"    {sentence}" for sentence in would_change(found, how))


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


def _week(found: Finding, known: History, rows: IntArray, window_s: int) -> Iterator[str]:
    """The 95th percentile of each weekday, where a whole week can be seen."""
    columns = window_s // known.interval_s
    width = known.cpu_cores.shape[1]
    first = max(width - columns, 0) // (WEEK_S // known.interval_s) * (WEEK_S // known.interval_s)
    usual = usual_by_weekday(known.cpu_cores[rows, first:], interval_s=known.interval_s)
    if np.isnan(usual).all() or width * known.interval_s < WEEK_S:
        return
    yield "CPU p95 by day of the week, cores"
    for number, value in enumerate(usual.tolist()):
        name = day_name(number, dated=found.known.cluster is not None)
        said = "-" if np.isnan(value) else cores_text(value)
        yield f"{name:>5} {said:>6} {bar(value, float(np.nanmax(usual)))}"
    yield ""
