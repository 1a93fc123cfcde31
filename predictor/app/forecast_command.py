"""`slacktide forecast`: what of each node is to spare, from the past alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from predictor.adapters.state_file import read_state, write_state
from predictor.app.history_options import history_options, one_source
from predictor.app.stored import stored
from predictor.core.forecast import ForecastSettings, advance, warmed_up
from predictor.core.history import History, history_of
from slacktide.durations import HORIZON
from slacktide.errors import BadInput
from slacktide.messages import NodeForecasts
from slacktide.output import output_option, print_rows
from slacktide.predictions import Predictions, write_predictions
from slacktide.trace import read_trace


@click.command()
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@history_options
@click.option("--at", "at_s", type=click.IntRange(min=0), help="Seconds since the trace's origin.")
@click.option("--horizon", type=HORIZON, default="24h", show_default=True)
@click.option(
    "--risk",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Share of windows in which online may need more than what was kept.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="File of what was learned, of --history a folder: gone on from where it fits, updated.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Parquet file.")
@output_option
def forecast(
    trace: Path | None,
    history: Path | None,
    cluster: str | None,
    engine: str,
    at_s: int | None,
    horizon: int,
    risk: float,
    state: Path | None,
    out: Path | None,
    output: str,
) -> None:
    """Say how much of each node can be reclaimed, from the past alone.

    Give a trace folder, or with --history what `slacktide collect` stored; --engine takes that to
    Spark. Without --at the newest sample is now. Nothing later than that time is read.

    \b
    Examples:
      slacktide forecast my-trace
      slacktide forecast my-trace --at 1296000 --horizon 4h --risk 0.001
      slacktide forecast my-trace --at 1296000 --out forecast.parquet
      slacktide forecast my-trace --state forecast.npz
      slacktide forecast --history history --cluster east
      slacktide forecast --history history --engine 'local[*]' --out forecast.parquet
    """
    settings = ForecastSettings(horizons_s=(horizon,), cpu_risk=risk)
    if trace is not None and history is None:
        now_s, table = _of_trace(trace, at_s, settings, state)
    elif history is not None and trace is None:
        asked = stored(history, cluster, engine, () if at_s is None else (at_s,))
        now_s, table = asked.times[-1], asked.forecasts(settings, state)
    else:
        raise one_source("TRACE")
    if out is not None:
        write_predictions(table, out)
        click.echo(f"{out}: {len(table)} nodes", err=True)
        return
    rows: list[dict[str, Any]] = table.to_pylist()
    if output == "table":
        rows = [_shown(row) for row in rows]
    print_rows(rows, output, title=f"reclaimable for {horizon / 3600:g} h from {now_s} s")


def _of_trace(
    trace: Path, at_s: int | None, settings: ForecastSettings, state: Path | None
) -> tuple[int, pa.Table]:
    """The time that was asked about, and the predictions file's rows."""
    history = history_of(read_trace(trace))
    last_s = (history.cpu_cores.shape[1] - 1) * history.interval_s
    now_s = last_s if at_s is None else at_s
    if now_s > last_s:
        raise BadInput(f"--at {now_s}: the trace ends at {last_s}")
    found = Predictions()
    found.add("slacktide", _made(history.until(now_s), now_s, settings, state), 0)
    return now_s, found.table()


def _made(
    history: History, now_s: int, settings: ForecastSettings, file: Path | None
) -> NodeForecasts:
    """The forecast, from the saved state on where there is one that fits."""
    state = None
    if file is not None:
        state, history, why = read_state(file, history, settings)
        if why:
            click.echo(f"{why}: learning from the history", err=True)
    if state is not None and now_s < state.at_s:
        raise BadInput(f"{file} was learned until {state.at_s}: give a later --at, or delete it")
    state = warmed_up(history, now_s, settings, state)
    state, made = advance(state, history, now_s, settings)
    if file is not None:
        write_state(file, state, history, settings)
    return made


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """What a person wants of a row; json, yaml and csv have all of it."""
    memory_bytes = row["reclaimable_memory_bytes"]
    return {
        "node": row["node"],
        "keeps_cores": row["peak_cpu_cores"],
        "reclaimable_cores": row["reclaimable_cpu_cores"],
        "reclaimable_GiB": None if memory_bytes is None else memory_bytes / 2**30,
        "reason": row["reason"],
    }
