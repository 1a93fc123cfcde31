"""`slacktide explain node`: a node's forecast beside its past, and how earlier promises went."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from predictor.adapters.cells import bytes_text, cores_text
from predictor.core.forecast import ForecastSettings, advance, warmed_up
from predictor.core.history import HOUR_S, History, Samples, node_sums
from predictor.core.node_record import binding, coverage_sentences, kept_by_column, record
from predictor.core.plot import HOURS_A_COLUMN, bars, plot
from slacktide.errors import BadInput

SHOWN_S = 14 * 24 * HOUR_S
LEGEND = (
    f"# p95 and : maximum of {HOURS_A_COLUMN} h of the node's sum, - what was kept for 24 h then,"
    " ? no sample, | a day, now right"
)


def explanation(
    history: History, name: str, now_s: int, settings: ForecastSettings
) -> Iterator[str]:
    """Lines about one node at a time. Raises `BadInput` where no node is called so."""
    if name not in history.nodes:
        some = ", ".join(history.nodes[:5]) + (", ..." if len(history.nodes) > 5 else "")
        raise BadInput(f"no node is called {name!r}; there are: {some}")
    node, known = history.nodes.index(name), history.until(now_s)
    state, made = advance(warmed_up(known, now_s, settings), known, now_s, settings)
    last = len(settings.horizons_s) - 1
    cores = float(known.node_cpu_cores[node])
    size = float(known.node_memory_bytes[node])
    pods = int((known.resident(now_s) & (known.node == node)).sum())
    memory = f" and {bytes_text(size)}" if np.isfinite(size) else ""
    yield f"{name}: {cores_text(cores)} cores{memory}, {pods} running containers, at {now_s} s"
    yield f"  {binding(made, node, last, capacity=(cores, size))}"
    for horizon, horizon_s in enumerate(settings.horizons_s):
        yield f"  for {horizon_s // HOUR_S} h"
        yield from (f"    {part}" for part in made.reasons(node, horizon).split("; "))
    horizons = len(settings.horizons_s)
    for what, learned, samples, risk, as_text in (
        ("CPU, cores", state.cpu, known.cpu_cores, settings.cpu_risk, cores_text),
        ("memory", state.memory, known.memory_bytes, settings.memory_risk, bytes_text),
    ):
        if samples is None or not learned.ledger:
            continue
        found = record(learned.ledger, node, horizons=horizons)
        use = _use(known, samples, node, now_s)
        shown = bars(use, interval_s=known.interval_s, window_s=SHOWN_S)
        line = kept_by_column(
            found,
            last,
            end_s=now_s,
            column_s=HOURS_A_COLUMN * HOUR_S,
            columns=len(shown.highest),
        )
        yield from ("", what, *plot(shown, line, as_text))
        yield from (
            f"  {told}" for told in coverage_sentences(found, settings.horizons_s, risk=risk)
        )
    yield from ("", LEGEND)


def _use(known: History, samples: Samples, node: int, now_s: int) -> Samples:
    """[1, T] what the node used, whoever ran there; NaN where nothing was heard of it."""
    last = known.column(now_s) + 1
    cut = samples[:, max(last - SHOWN_S // known.interval_s, 0) : last]
    there = known.node == node
    sums = node_sums(cut, there, np.zeros_like(known.node), nodes=1)
    heard = ~np.isnan(cut[there]).all(axis=0)
    return np.where(heard, sums, np.nan).astype(np.float32)
