"""`slacktide explain node`, beside the other explanations."""

from __future__ import annotations

from pathlib import Path

import click

from predictor.app.explain_node import explanation
from predictor.core.forecast import ForecastSettings
from predictor.core.history import history_of
from slacktide.errors import BadInput
from slacktide.trace import read_trace


@click.command()
@click.argument("node")
@click.option("--trace", required=True, type=click.Path(path_type=Path), help="A trace folder.")
@click.option("--at", "at_s", type=click.IntRange(min=0), help="Seconds since the trace's origin.")
@click.option(
    "--risk",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=ForecastSettings().cpu_risk,
    show_default=True,
    help="Promised share of windows in which online needs more CPU than was kept.",
)
def explain_node(node: str, trace: Path, at_s: int | None, risk: float) -> None:
    """Show what is kept of a node and why, over two weeks of its use.

    Without --at the end of the trace is now. Nothing later than that time is read.

    \b
    Examples:
      slacktide explain node node-007 --trace my-trace
      slacktide explain node node-007 --trace my-trace --at 1209600 --risk 0.001
    """
    history = history_of(read_trace(trace))
    last_s = (history.cpu_cores.shape[1] - 1) * history.interval_s
    if at_s is not None and at_s > last_s:
        raise BadInput(f"--at {at_s}: the trace ends at {last_s}")
    now_s = last_s if at_s is None else at_s
    for line in explanation(history, node, now_s, ForecastSettings(cpu_risk=risk)):
        click.echo(line)
