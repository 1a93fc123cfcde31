"""`slacktide backtest` and `slacktide generate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from predictor.core.history import history_of
from simulator.core.backtest import at_horizon, oracle_peaks, prediction_times, predictions, score
from simulator.core.generate import builtin_sample
from simulator.core.policies.catalogue import NAMES, OURS, make
from slacktide.durations import DURATION, HORIZON
from slacktide.errors import BadInput
from slacktide.output import output_option, print_rows
from slacktide.predictions import Predictions
from slacktide.progress import progress_over
from slacktide.trace import read_trace, write_jobs, write_trace

DEFAULT_POLICIES = (
    "oracle",
    "borg-default",
    "n-sigma",
    "n-sigma:10",
    "koordinator-formula",
    "max-of-week:1.1",
    "max-of-week:1.3",
    "rc-like",
    OURS,
)


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "--policy",
    "names",
    multiple=True,
    default=DEFAULT_POLICIES,
    metavar="NAME[:KNOB]",
    help=f"Repeatable. One of {', '.join(NAMES)}; some take a knob, as n-sigma:10.",
)
@click.option("--horizon", type=HORIZON, default="24h", show_default=True)
@click.option("--every", type=DURATION, default="3h", show_default=True)
@click.option("--from-day", type=click.FloatRange(min=0), default=14, show_default=True)
@click.option("--risk", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=None)
@click.option("--what", type=click.Choice(["cpu", "memory"]), default="cpu", show_default=True)
@click.option(
    "--predictions",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every prediction made to this Parquet file.",
)
@output_option
def backtest(
    trace: Path,
    names: tuple[str, ...],
    horizon: int,
    every: int,
    from_day: float,
    risk: float | None,
    what: str,
    out: Path | None,
    output: str,
) -> None:
    """Hold any policy's node forecasts against what really came.

    TRACE is a folder of nodes, pods and usage in Parquet with a trace.json. Each prediction sees
    only what was known at its time.

    \b
    Examples:
      slacktide backtest my-trace
      slacktide backtest my-trace --policy slacktide --policy n-sigma:10 --horizon 1h
      slacktide backtest my-trace --policy slacktide --predictions made.parquet
    """
    history = history_of(read_trace(trace))
    times = prediction_times(history, from_day=from_day, every_s=every, horizon_s=horizon)
    if not times:
        raise click.UsageError(
            f"{trace}: no time lies {from_day:g} days into the trace with {horizon} s after it; "
            "choose an earlier --from-day or a shorter --horizon"
        )
    memory = what == "memory"
    if memory and history.memory_bytes is None:
        raise BadInput(f"{trace}/usage.parquet: holds no memory_bytes to score forecasts of memory")
    cpu_risk, memory_risk = (risk or 0.01), (risk or 0.001)
    came = oracle_peaks(history, times, horizon_s=horizon, memory=memory)
    capacity = history.node_memory_bytes if memory else history.node_cpu_cores
    written = Predictions()
    rows = []
    policies = [
        make(name, history, cpu_risk=cpu_risk, memory_risk=memory_risk, horizons_s=(horizon,))
        for name in names
    ]
    for name, policy in zip(names, policies, strict=True):
        kept = np.empty_like(came)
        made = predictions(policy, history, times)
        for column, forecast in enumerate(progress_over(made, total=len(times), what=name)):
            asked = at_horizon(forecast, horizon)
            kept[:, column] = (asked.peak_memory_bytes if memory else asked.peak_cpu_cores)[:, 0]
            if out is not None:
                written.add(name, asked, 0)
        rows.append(asdict(score(name, kept, came, capacity)))
    if out is not None:
        written.write(out)
    print_rows(
        rows,
        output,
        title=f"{what}, {horizon // 3600} h ahead, {came.shape[0]} nodes x {len(times)} times",
    )


@click.command("generate")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seed", type=int, default=1, show_default=True)
def generate_command(folder: Path, seed: int) -> None:
    """Write the built-in sample as a trace: 3 clusters, 60 nodes, 21 days, and its jobs.

    \b
    Examples:
      slacktide generate sample --seed 7
      slacktide up --trace sample --jobs sample --once
    """
    trace, jobs = builtin_sample(seed)
    write_trace(trace, folder)
    write_jobs(jobs, folder)
    click.echo(
        f"{folder}: {len(trace.nodes.node)} nodes, {len(trace.pods.pod)} pods, "
        f"{len(jobs.job)} gangs",
        err=True,
    )


commands = [backtest, generate_command]
