"""`slacktide serve dashboard`: the pages over a live cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from dashboard.app.cluster_api import create_cluster_app
from dashboard.app.cluster_book import ClusterBook
from scheduler.app.cluster_options import changes, of_cluster
from scheduler.app.viewing import viewing
from slacktide.kube.connection import Connection, connection
from slacktide.serving.http_server import HttpServer
from slacktide.serving.leaving import leaving_cleanly

EVERY_S = 2.0  # a picture of a large cluster costs a second


@click.command()
@of_cluster
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
def dashboard(kubeconfig: Path | None, context: str | None, namespace: str, port: int) -> None:
    """Serve pages with a live cluster's queues and gangs, on this machine's own address.

    The pages show what this command's own kubeconfig may list and nothing can be changed from
    them. They have no login, so they are served to this machine alone; to look from elsewhere,
    forward the port (ssh -L, kubectl port-forward).

    \b
    Examples:
      slacktide serve dashboard
      slacktide serve dashboard --kubeconfig ~/.kube/config --port 9000
      slacktide serve dashboard -n team-a
    """
    with leaving_cleanly():
        asyncio.run(_follow(connection(kubeconfig, context), namespace, port))


async def _follow(cluster: Connection, namespace: str, port: int) -> None:
    """Writes a picture whenever something changed, for ever."""
    book = ClusterBook()
    async with viewing(cluster, namespace=namespace) as view:
        book.write(view.picture())
        with HttpServer(create_cluster_app(book), port=port) as server:
            click.echo(f"dashboard on {server.url}", err=True)
            async for _ in changes(view, soonest_s=EVERY_S):
                book.write(view.picture())
