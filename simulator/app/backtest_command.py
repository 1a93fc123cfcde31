"""`slacktide backtest`: any policy's node forecasts against what really came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
from rich.table import Table

from predictor.core.history import History, history_of
from simulator.adapters.backtest_page import Page, backtest_page
from simulator.core.backtest import Trial, prediction_times, trial_of
from simulator.core.bootstrap import SEED
from simulator.core.families import Family, family_of_formula, family_of_kept, kept_of
from simulator.core.policies.catalogue import NAMES, OURS, PEERS, make, parsed
from simulator.core.result_cells import HEADINGS, WORDS, cells, percent
from simulator.core.results import Asked, Result, as_rows, is_ours, results, setting_of
from slacktide.durations import DURATION, HORIZON
from slacktide.errors import BadInput
from slacktide.messages import FloatArray, NodeForecasts
from slacktide.output import output_option, print_rows, print_table
from slacktide.predictions import Predictions
from slacktide.progress import progress_over
from slacktide.trace import read_trace

DEFAULT_POLICIES = ("oracle", "requests-only", *PEERS, OURS)
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
Item = TypeVar("Item")


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "--policy",
    "names",
    multiple=True,
    default=DEFAULT_POLICIES,
    show_default="all",
    metavar="NAME[:KNOB]",
    help=f"Repeatable. Of {', '.join(NAMES)}; with a knob as n-sigma:10, slacktide:0.05.",
)
@click.option("--horizon", type=HORIZON, default="24h", show_default=True)
@click.option("--every", type=DURATION, default="3h", show_default=True)
@click.option("--from-day", type=click.FloatRange(min=0), default=14, show_default=True)
@click.option("--risk", type=SHARE, help="What slacktide promises.  [default: 0.01, memory 0.001]")
@click.option("--what", type=click.Choice(["cpu", "memory"]), default="cpu", show_default=True)
@click.option(
    "--matched",
    "targets",
    type=SHARE,
    multiple=True,
    default=(0.01, 0.001),
    show_default=True,
    help="Also compare at this violation, each policy by its knob in hindsight. Repeatable.",
)
@click.option("--seed", type=int, default=SEED, show_default=True, help="Of the intervals.")
@click.option(
    "--predictions",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every prediction made to this Parquet file.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with curves to this HTML file.",
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
    targets: tuple[float, ...],
    seed: int,
    out: Path | None,
    report: Path | None,
    output: str,
) -> None:
    """Hold any policy's node forecasts against what really came.

    TRACE is a folder of nodes, pods and usage in Parquet with a trace.json. Each prediction sees
    only what was known at its time. Intervals are 95 %, over node-days drawn again. Rows compared
    at one violation are tuned in hindsight, ours like the others; only the first rows are not.

    \b
    Examples:
      slacktide backtest my-trace
      slacktide backtest my-trace --report backtest.html
      slacktide backtest my-trace --policy slacktide --policy n-sigma:10 --horizon 1h
      slacktide backtest my-trace --policy slacktide --predictions made.parquet
    """
    for name in names:
        parsed(name)  # a name that is wrong is told before anything is read
    history, memory = history_of(read_trace(trace)), what == "memory"
    times = prediction_times(history, from_day=from_day, every_s=every, horizon_s=horizon)
    _check(trace, history, times, from_day=from_day, horizon_s=horizon, memory=memory)
    held = trial_of(history, times, horizon_s=horizon, memory=memory)
    promised = risk or (0.001 if memory else 0.01)
    written = Predictions()
    course = Course(held, risk, written if out is not None else None)
    asked = [
        Asked(name, setting_of(name, memory=memory, risk=promised), course.kept(name))
        for name in dict.fromkeys(names)
    ]
    families = course.families(names)
    if out is not None:
        written.write(out)
    found = results(asked, families, held, targets=targets, seed=seed)
    title = f"{what}, {horizon // 3600} h ahead, {held.came.shape[0]} nodes x {len(times)} times"
    if report is not None:
        page = Page(trace.name, title, held, found, families, promised=promised, seed=seed)
        _write(report, backtest_page(page))
    if output == "table":
        _print(found, title)
    else:
        print_rows(as_rows(found), output)


@dataclass(slots=True)
class Course:
    """Runs policies over the trial, each formula measured once."""

    trial: Trial
    risk: float | None
    written: Predictions | None
    _formulas: dict[str, Family]
    _kept: dict[str, FloatArray]

    def __init__(self, trial: Trial, risk: float | None, written: Predictions | None) -> None:
        self.trial, self.risk, self.written = trial, risk, written
        self._formulas, self._kept = {}, {}

    def kept(self, name: str) -> FloatArray:
        """[N, T] what a policy keeps at the knob of its name."""
        base, knob = parsed(name)
        if base in PEERS and self.written is None:
            family = self._formula(base)
            return family.keep(knob or family.default)
        policy = make(
            name,
            self.trial.history,
            cpu_risk=self.risk or 0.01,
            memory_risk=self.risk or 0.001,
            horizons_s=(self.trial.horizon_s,),
        )

        def heard(made: NodeForecasts) -> None:
            if self.written is not None:
                self.written.add(name, made, 0)

        self._kept[name] = kept_of(policy, self.trial, self._watched(name), heard)
        return self._kept[name]

    def families(self, names: Sequence[str]) -> list[Family]:
        """Every policy that has a knob, over it; each of them once."""
        bases = dict.fromkeys(
            name if parsed(name)[0] == OURS else parsed(name)[0] for name in names
        )
        return [
            self._formula(base)
            if base in PEERS
            else family_of_kept(base, self._kept[base], self.trial)
            for base in bases
            if base in PEERS or parsed(base)[0] == OURS
        ]

    def _formula(self, base: str) -> Family:
        if base not in self._formulas:
            self._formulas[base] = family_of_formula(base, self.trial, self._watched(base))
        return self._formulas[base]

    def _watched(self, name: str) -> _Watched:
        return _Watched(name, len(self.trial.times_s))


@dataclass(frozen=True, slots=True)
class _Watched:
    name: str
    total: int

    def __call__(self, items: Iterator[Item], /) -> Iterator[Item]:
        return progress_over(items, total=self.total, what=self.name)


def _check(
    trace: Path,
    history: History,
    times: list[int],
    *,
    from_day: float,
    horizon_s: int,
    memory: bool,
) -> None:
    if not times:
        raise click.UsageError(
            f"{trace}: no time lies {from_day:g} days into the trace with {horizon_s} s after it; "
            "choose an earlier --from-day or a shorter --horizon"
        )
    if memory and history.memory_bytes is None:
        raise BadInput(f"{trace}/usage.parquet: holds no memory_bytes to score forecasts of memory")
    if memory and not np.isfinite(history.node_memory_bytes).all():
        raise BadInput(
            f"{trace}/nodes.parquet: memory_bytes is missing for some nodes, and without a"
            " capacity nothing can be scored; fill it in or leave those nodes out"
        )


def _write(report: Path, page: str) -> None:
    try:
        report.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{report}: cannot be written: {error.strerror}") from error


def _print(found: Sequence[Result], title: str) -> None:
    """A table as asked for, and one for each violation at which all are compared."""
    for target in dict.fromkeys(result.matched for result in found):
        heading = title if target is None else f"at a violation of {percent(target)}, in hindsight"
        table = Table(title=heading, title_justify="left", header_style="bold")
        for at, name in enumerate(HEADINGS):
            table.add_column(name, justify="left" if at < WORDS else "right")
        rows = [each for each in found if each.matched == target]
        for result, row in zip(rows, cells(rows), strict=True):
            table.add_row(*row, style="bold" if is_ours(result.policy) else None)
        print_table(table)
