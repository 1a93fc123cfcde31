"""`slacktide up`: the main job on one machine."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from dashboard.app.runbook import RunBook
from dashboard.app.server import create_app
from dashboard.app.up import DAY_S, Order, Staged, Told, prepare, run
from simulator.core.policies.catalogue import BASELINES, NAMES, OURS
from simulator.core.replay import Outage
from simulator.core.report import SHOWN, ReportRow, shown
from slacktide.durations import parse_duration_s
from slacktide.output import output_option, print_rows, print_table
from slacktide.progress import bars
from slacktide.serving.http_server import HttpServer
from slacktide.serving.leaving import leaving_cleanly


class _OutageType(click.ParamType[Outage]):
    name = "cluster@start+length"

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Outage:
        if isinstance(value, Outage):
            return value
        match = re.fullmatch(r"([^@]+)@([^+]+)\+(.+)", value)
        if match is None:
            self.fail(f"{value!r} is not CLUSTER@START+LENGTH, as eu-west@15d+2h", param, ctx)
        try:
            start_s, length_s = parse_duration_s(match[2]), parse_duration_s(match[3])
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return Outage(match[1], start_s, start_s + length_s)


@click.command()
@click.option("--trace", type=click.Path(path_type=Path), help="Folder with online usage.")
@click.option("--jobs", type=click.Path(path_type=Path), help="Folder with batch jobs.")
@click.option("--once", is_flag=True, help="Print the report and end, without a dashboard.")
@click.option(
    "--train-days",
    type=click.FloatRange(min=1),
    default=14,
    show_default=True,
    help="Days that are only learnt from; jobs begin to come after them.",
)
@click.option("--days", type=click.FloatRange(min=1), help="Days to replay.  [default: the rest]")
@click.option("--speed", type=click.FloatRange(min=1), help="Virtual seconds per second at most.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the built-in sample.")
@click.option(
    "--repeat-jobs",
    "copies",
    type=click.IntRange(1, 1000),
    help="Submit each job so often.  [default: as often as gives the nodes enough to do]",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    default=BASELINES,
    metavar="NAME[:KNOB]",
    help=f"Baselines beside slacktide, repeatable. Of {', '.join(NAMES[1:])}.",
)
@click.option(
    "--risk",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Promised share of windows in which online needs more CPU than was kept.",
)
@click.option(
    "--outage",
    "outages",
    type=_OutageType(),
    multiple=True,
    help="Cut a cluster off from the hub, as eu-west@15d+2h. Repeatable.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@output_option
def up(
    trace: Path | None,
    jobs: Path | None,
    once: bool,
    train_days: float,
    days: float | None,
    speed: float | None,
    seed: int,
    copies: int | None,
    policies: tuple[str, ...],
    risk: float,
    outages: tuple[Outage, ...],
    port: int,
    output: str,
) -> None:
    """Replay a trace through every room, to a report and a live page.

    Learns from the first days, then sells what the forecasts leave to the jobs, with the real
    forecast, admission, federation, gang scheduling and node control code on virtual time, beside
    the peers' policies. Without --trace a built-in sample is generated: 3 clusters, 60 nodes.

    \b
    Examples:
      slacktide up --once
      slacktide up --port 9000 --speed 3600
      slacktide up --trace my-trace --jobs my-jobs --once -o json
      slacktide up --once --outage eu-west@15d+6h
    """
    order = Order(
        trace=trace,
        jobs=jobs,
        train_days=train_days,
        days=days,
        seed=seed,
        copies=copies,
        policies=policies,
        cpu_risk=risk,
        speed=speed,
        outages=outages,
    )
    with leaving_cleanly():
        staged = prepare(order)
        _say_what(staged)
        book = RunBook()
        if once:
            _print(_run(staged, order, book), output)
            return
        with HttpServer(create_app(book), port=port) as server:
            click.echo(f"dashboard on {server.url}", err=True)
            _print(_run(staged, order, book), output)
            click.echo(f"done; the dashboard stays on {server.url} until Ctrl-C", err=True)
            threading.Event().wait()


def _run(staged: Staged, order: Order, book: RunBook) -> list[ReportRow]:
    with _bars((OURS, *order.policies)) as told:
        return run(staged, order, book, told)


@contextmanager
def _bars(policies: tuple[str, ...]) -> Iterator[Told]:
    with bars() as shown:
        task = {name: shown.add_task(name, total=1.0, note="") for name in policies}

        def told(policy: str, share: float, note: str) -> None:
            shown.update(task[policy], completed=share, note=note)

        yield told


def _say_what(staged: Staged) -> None:
    info, jobs = staged.info, staged.scenario.jobs
    days = (info.end_s - info.train_until_s) / DAY_S
    times = f", each submitted {staged.copies} times" if staged.copies > 1 else ""
    click.echo(
        f"{info.name}: {len(info.nodes)} nodes in {len(info.clusters)} clusters, "
        f"{info.train_until_s / DAY_S:g} days to learn from, {days:g} to replay, "
        f"{len(jobs.job):,} gangs{times}",
        err=True,
    )


def _print(rows: list[ReportRow], output: str) -> None:
    if output != "table":
        print_rows([asdict(row) for row in rows], output)
        return
    table = Table(
        title=f"CPU used by online alone: {rows[0].utilisation_without:.1%} of the nodes",
        title_justify="left",
        header_style="bold",
    )
    for name, heading in SHOWN.items():
        table.add_column(heading, justify="left" if name == "policy" else "right")
    for row in rows:
        table.add_row(*shown(row), style="bold" if row.policy == OURS else None)
    print_table(table)
