"""`slacktide collect`: fills the history from a Prometheus-compatible server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.prometheus import PrometheusClient, Server
from predictor.adapters.repair import Repair
from predictor.app.asking import Asking
from predictor.app.collect import Wanted, clusters_and_hours
from predictor.app.collect import collect as collected_hours
from predictor.app.reading import Hour
from predictor.app.upkeep import compact, mend
from predictor.core.collect_settings import HOUR_S, CollectSettings
from slacktide.durations import DURATION
from slacktide.errors import BadInput
from slacktide.output import output_option, print_rows
from slacktide.progress import progress_over

TOLD = 10  # missing pieces that are printed


@click.command()
@click.argument("url")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), required=True, help="Store folder."
)
@click.option("--since", type=DURATION, default="14d", show_default=True, help="How far back.")
@click.option("--keep", type=DURATION, help="Drop days older than this at the end; default: none.")
@click.option("--namespace", "namespaces", multiple=True, help="Only this one; repeat for more.")
@click.option("--cluster", "clusters", multiple=True, help="Its name; repeat for more.")
@click.option("--cluster-label", default="", help="The label that tells clusters apart.")
@click.option("--tenant", help="Sent as X-Scope-OrgID (--set tenant_header=... for another).")
@click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False), help="Bearer token.")
@click.option("--ca-file", type=click.Path(path_type=Path, dir_okay=False), help="PEM of the CA.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="See docs/settings.md.")
@output_option
def collect(
    url: str,
    into: Path,
    since: int,
    keep: int | None,
    namespaces: tuple[str, ...],
    clusters: tuple[str, ...],
    cluster_label: str,
    tenant: str | None,
    token_file: Path | None,
    ca_file: Path | None,
    changes: tuple[str, ...],
    output: str,
) -> None:
    """Collect usage and owners from a Prometheus-compatible server.

    Run it again to go on where it ended; what is stored is not asked for twice. Exit code 1 says
    that something is missing, which the next run tries again.

    \b
    Examples:
      slacktide collect http://prometheus:9090 --into history
      slacktide collect https://mimir/prometheus --into history --tenant shop --token-file token
      slacktide collect http://thanos:9090 --into history --cluster-label cluster --since 2d
    """
    if len(clusters) > 1 and not cluster_label:
        raise BadInput("several --cluster need --cluster-label, which tells them apart")
    if keep is not None and keep < since:
        raise BadInput("--keep is shorter than --since: what is dropped would be read again")
    settings = changed_settings([f"cluster_label={cluster_label}", *changes])
    wanted = Wanted(into, since, clusters, frozenset(namespaces))
    server = Server(url, tenant, token_file, ca_file)
    done, tried = collected(server, settings, wanted)
    if keep is not None:
        store = ParquetStore(into)
        for cluster in store.clusters():
            Repair(store, cluster).prune(keep)
    print_rows(_account(done), output, title=f"collected into {into}")
    if tell_missing(done, tried):
        raise SystemExit(1)


def collected(server: Server, settings: CollectSettings, wanted: Wanted) -> tuple[list[Hour], int]:
    """What became of the hours that were tried, and how many were wanted.

    Raises:
        BadInput: the server cannot be reached or refuses.
    """
    store = ParquetStore(wanted.root, interval_s=settings.interval_s)
    mend(store)
    with PrometheusClient(server, settings) as client:
        asking = Asking(client, settings)
        todo = clusters_and_hours(asking, wanted)
        hours = collected_hours(asking, wanted, todo)
        done = list(progress_over(hours, total=len(todo), what="collecting"))
    over_s = max((hour_s + HOUR_S for _, hour_s in todo), default=0)
    for _ in compact(store, before_s=over_s):
        pass
    return done, len(todo)


def changed_settings(changes: Sequence[str]) -> CollectSettings:
    """The settings with `NAME=VALUE` put over their defaults.

    Raises:
        BadInput: for a name that is none, or a value that does not fit.
    """
    types = {field.name: str(field.type) for field in fields(CollectSettings)}
    given: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if name not in types or not equals:
            raise BadInput(f"--set {change}: no such setting; docs/settings.md lists them")
        try:
            given[name] = {"str": str, "int": int, "float": float}[types[name]](value)
        except ValueError as why:
            raise BadInput(f"--set {change}: give a number") from why
    try:
        return CollectSettings(**given)
    except ValueError as why:
        raise BadInput(f"--set {why}") from why


def _account(done: Sequence[Hour]) -> list[dict[str, object]]:
    """A row per cluster."""
    rows: list[dict[str, object]] = []
    for cluster in sorted({hour.cluster for hour in done}):
        hours = [hour for hour in done if hour.cluster == cluster]
        pieces = [piece for hour in hours for piece in hour.pieces]
        rows.append(
            {
                "cluster": cluster,
                "hours_read": sum(bool(hour.pieces) for hour in hours),
                "hours_stored_before": sum(hour.skipped for hour in hours),
                "pieces": sum(not piece.missing for piece in pieces),
                "samples": sum(piece.samples for piece in pieces),
                "missing_pieces": sum(bool(piece.missing) for piece in pieces),
                "values_dropped": sum(hour.dropped for hour in hours),
                "values_repeated": sum(hour.repeated for hour in hours),
                "without_owner": max((hour.unowned for hour in hours), default=0),
            }
        )
    return rows


def tell_missing(done: Sequence[Hour], wanted: int) -> bool:
    """Says on stderr what is missing; returns whether anything is."""
    missing = [(hour, piece) for hour in done for piece in hour.pieces if piece.missing]
    for hour, piece in missing[:TOLD]:
        click.echo(
            f"missing: {hour.cluster}, namespace {piece.namespace}, hour {hour.hour_s}:"
            f" {piece.missing}",
            err=True,
        )
    if len(missing) > TOLD:
        click.echo(f"... and {len(missing) - TOLD} more in collected.json", err=True)
    if len(done) < wanted:
        click.echo(f"stopped: {wanted - len(done)} hours were not tried; run it again", err=True)
    return bool(missing)
