"""`slacktide history`: what is stored, and its upkeep."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.repair import Repair
from predictor.app.exporting import exported
from predictor.app.history_summary import summary
from predictor.app.importing import imported
from predictor.app.upkeep import compact as compacted_days
from predictor.app.upkeep import existing, mend
from slacktide.durations import DURATION
from slacktide.errors import BadInput
from slacktide.output import output_option, print_rows
from slacktide.progress import bars, progress_over

TOLD = 10  # gaps that are printed

folder = click.argument("history", metavar="DIR", type=click.Path(path_type=Path))


@click.group()
def history() -> None:
    """Show, fill and keep in order the usage history that collect writes."""


@history.command()
@folder
@output_option
def show(history: Path, output: str) -> None:
    """Show what is stored: a row a cluster.

    Gaps are hours without any sample between a cluster's first and last; stderr says where the
    newest are. Days count from the origin, a server's from 1970. Samples are rows on the disk:
    one that was written twice counts twice until its day is compacted.

    \b
    Examples:
      slacktide history show history
      slacktide history show history -o json
    """
    store = existing(history)
    names = store.clusters()
    counted = progress_over(names, total=len(names), what="reading")
    found = [summary(store, name) for name in counted]
    print_rows([one.row() for one in found], output, title=str(history))
    for line in [line for one in found for line in one.gap_lines()][:TOLD]:
        click.echo(line, err=True)


@history.command()
@folder
@click.option("--every-day", is_flag=True, help="Days without new parts too: pods that moved.")
@click.option("--check", is_flag=True, help="Read everything first, to find pages gone bad.")
@output_option
def compact(history: Path, every_day: bool, check: bool, output: str) -> None:
    """Make one file a shard of each day that has new parts, today's too.

    Files that cannot be read are set aside as .torn, and the next collect reads again what they
    held. collect does all this itself at its end, for days that are over.

    \b
    Examples:
      slacktide history compact history
      slacktide history compact history --check --every-day
    """
    store = existing(history)
    mend(store)
    if check:
        _check(store)
    rows = [
        {"cluster": cluster, "day": day, **asdict(done)}
        for cluster, day, done in compacted_days(store, every_day=every_day)
    ]
    if rows:
        print_rows(rows, output, title=f"compacted in {history}")
    else:
        click.echo("nothing to compact", err=True)


@history.command()
@folder
@click.option("--keep", type=DURATION, required=True, help="How much before the newest day's end.")
@output_option
def prune(history: Path, keep: int, output: str) -> None:
    """Drop old days whole, with the containers and nodes not seen since.

    Counted back from the end of each cluster's newest day, so a history that is no longer
    collected is not emptied. Collect with --since no longer than what is kept here.

    \b
    Examples:
      slacktide history prune history --keep 60d
    """
    store = existing(history)
    mend(store)
    rows = [
        {"cluster": cluster, **asdict(Repair(store, cluster).prune(keep))}
        for cluster in store.clusters()
    ]
    print_rows(rows, output, title=f"dropped from {history}")


@history.command("import")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--cluster", help="A file's cluster (default: default), or one of a trace's.")
@click.option("--interval", type=DURATION, help="Between samples; default: as stored, else 5m.")
@output_option
def import_(
    source: Path, into: Path, cluster: str | None, interval: int | None, output: str
) -> None:
    """Import a trace folder, or a CSV or Parquet file of samples.

    A file has the columns ts_s, pod (namespace/name), container and any of cpu_cores,
    cpu_p95_cores, cpu_max_cores, cpu_throttled_share, memory_bytes, oom_kills; beside them
    namespace, workload, kind, node, requests and limits as docs/traces.md names them. Importing
    again changes nothing.

    \b
    Examples:
      slacktide history import my-trace --into history
      slacktide history import usage.csv --into history --cluster east
    """
    before = ParquetStore(into, interval_s=interval)
    mend(before)
    stored: Counter[str] = Counter()
    with bars() as shown:
        task = shown.add_task("importing", total=1.0, note="")
        for step in imported(source, into, cluster=cluster, interval_s=interval):
            stored[step.cluster] += step.samples
            shown.update(task, completed=step.done_share, note=f"{sum(stored.values()):,} samples")
    store = existing(into)
    for _ in compacted_days(store, stored):
        pass
    rows = [{"cluster": name, "samples": samples} for name, samples in stored.items()]
    print_rows(rows, output, title=f"imported into {into}")


@history.command()
@folder
@click.option("--cluster", help="Default: the only one there.")
@click.option("--since", type=DURATION, default="28d", show_default=True, help="How far back.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def export(history: Path, cluster: str | None, since: int, out: Path) -> None:
    """Write a stretch of one cluster's history as a trace folder.

    What replays traces then replays your own fleet: whatif, backtest and up.

    \b
    Examples:
      slacktide history export history --out my-trace
      slacktide history export history --cluster east --since 14d --out east
      slacktide whatif my-trace
    """
    store = existing(history)
    names = store.clusters()
    if cluster is None and len(names) > 1:
        raise BadInput(f"{history}: several clusters; give --cluster, one of {', '.join(names)}")
    trace = exported(store, cluster or names[0], since_s=since, out=out)
    click.echo(
        f"{out}: {len(trace.nodes.node)} nodes, {len(trace.pods.pod)} pods,"
        f" {trace.usage.cpu_cores.shape[1]:,} samples each",
        err=True,
    )


def _check(store: ParquetStore) -> None:
    names = store.clusters()
    for cluster in progress_over(names, total=len(names), what="checking"):
        for _ in Repair(store, cluster).set_aside_torn(thoroughly=True):
            pass
