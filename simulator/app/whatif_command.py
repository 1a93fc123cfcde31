"""`slacktide whatif`: one's own history with other settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import cpu_count
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from simulator.app.runs import Heard, Risks, Run, runs_in_background
from simulator.app.sources import staged, work_of
from simulator.core.policies.catalogue import OURS
from simulator.core.report import ReportRow, shown_by_name
from simulator.core.whatif import (
    DEFAULT,
    PACKINGS,
    Outcome,
    Setting,
    name_of,
    outcomes,
    settings_of,
    verdict,
)
from slacktide.output import output_option, print_rows, print_table
from slacktide.progress import bars
from slacktide.trace import read_trace

COLUMNS = (
    "utilisation",
    "violation",
    "promised_risk",
    "online_lost_share",
    "evicted_tasks",
    "evicted_share",
    "work_lost_core_hours",
    "jobs_done",
    "wait_p95_s",
)
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.Path(path_type=Path), help="Folder with batch jobs.")
@click.option(
    "--risk",
    "risks",
    type=SHARE,
    multiple=True,
    help=f"Promised share of windows that exceed; repeatable; default {DEFAULT.risk:g}.",
)
@click.option(
    "--watermark",
    "watermarks",
    type=click.FloatRange(0.1, 0.97),
    multiple=True,
    help=f"Share of a node's memory to fill; repeatable; default {DEFAULT.watermark:g}.",
)
@click.option(
    "--packing",
    "packings",
    type=click.Choice(list(PACKINGS)),
    multiple=True,
    help=f"How gangs are packed; repeatable; default {DEFAULT.packing}.",
)
@click.option("--train-days", type=click.FloatRange(min=1), default=14, show_default=True)
@click.option("--days", type=click.FloatRange(min=1), help="Days to replay.  [default: the rest]")
@click.option("--seed", type=int, default=1, show_default=True, help="Of generated jobs.")
@output_option
def whatif(
    trace: Path,
    jobs: Path | None,
    risks: tuple[float, ...],
    watermarks: tuple[float, ...],
    packings: tuple[str, ...],
    train_days: float,
    days: float | None,
    seed: int,
    output: str,
) -> None:
    """Replay your own history with other settings, and see what they would have cost.

    TRACE is a folder of nodes, pods and usage in Parquet; without --jobs its own jobs.parquet is
    submitted, or generated ones. Each value given is tried with everything else at its default; no
    value at all tries a few of each. The best uses most CPU among those that keep their promise,
    take at most 0.1 % of online's CPU and evict at most 1 % of the tasks.

    \b
    Examples:
      slacktide whatif my-trace
      slacktide whatif my-trace --risk 0.001 --risk 0.01 --risk 0.05 --days 3
      slacktide whatif my-trace --jobs my-jobs --watermark 0.85 --packing spread -o json
    """
    if not (risks or watermarks or packings):
        risks, watermarks, packings = (0.001, 0.05), (0.85,), ("tight", "spread")
    settings = settings_of(risks, watermarks, packings)
    work = work_of(trace, jobs, seed=seed)
    source = staged(read_trace(trace), work, train_days=train_days, days=days)
    click.echo(source.said, err=True)
    runs = tuple(
        Run(name_of(setting), OURS, Risks(cpu=setting.risk), setting.choices)
        for setting in settings
    )
    workers = cpu_count() or 1
    with (
        _bars([run.name for run in runs]) as heard,
        runs_in_background(source.scenario, runs, workers=workers, heard=heard) as rows,
    ):
        found = outcomes(settings, rows())
    if output == "table":
        _print(found)
    else:
        print_rows([as_row(outcome) for outcome in found], output)
    click.echo(verdict(found), err=output != "table")


@contextmanager
def _bars(names: Sequence[str]) -> Iterator[Heard]:
    with bars() as shown:
        task = {name: shown.add_task(name, total=1.0, note="") for name in names}
        yield lambda name, share: shown.update(task[name], completed=share)


def as_row(outcome: Outcome) -> dict[str, Any]:
    """The outcome in plain columns."""
    setting, row = outcome.setting, outcome.row
    return {
        **_set(setting),
        **{column: getattr(row, column) for column in COLUMNS},
        "on_frontier": outcome.on_frontier,
        "best": outcome.best,
    }


def _set(setting: Setting) -> dict[str, Any]:
    return {
        "setting": name_of(setting),
        "risk": setting.risk,
        "watermark": setting.watermark,
        "packing": setting.packing,
    }


def _print(found: Sequence[Outcome]) -> None:
    table = Table(
        title=f"CPU used by online alone: {_alone(found[0].row)}",
        title_justify="left",
        header_style="bold",
    )
    headings = [heading for heading, _ in _cells(found[0].row)]
    for heading in ("setting", *headings, ""):
        table.add_column(heading, justify="left" if heading in ("setting", "") else "right")
    for outcome in found:
        mark = "best" if outcome.best else "" if outcome.on_frontier else "another does better"
        cells = [cell for _, cell in _cells(outcome.row)]
        style = "bold" if outcome.best else None
        table.add_row(name_of(outcome.setting), *cells, mark, style=style)
    print_table(table)


def _alone(row: ReportRow) -> str:
    return f"{row.utilisation_without:.1%} of the nodes"


def _cells(row: ReportRow) -> list[tuple[str, str]]:
    named = shown_by_name(row)
    return [named[column] for column in COLUMNS if column in named]
