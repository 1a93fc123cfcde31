"""`slacktide serve dashboard`: the pages over a live cluster, over node agents, or both."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import click

from dashboard.app.agent_api import create_agent_app
from dashboard.app.cluster_api import create_cluster_app
from dashboard.app.cluster_book import ClusterBook
from dashboard.app.node_agents import AgentDiary, places
from scheduler.app.cluster_options import changes, of_cluster
from scheduler.app.viewing import viewing
from slacktide.kube.connection import Connection, connection
from slacktide.serving.http_server import HttpServer
from slacktide.serving.leaving import leaving_cleanly

EVERY_S = 2.0  # a picture of a large cluster costs a second


@click.command()
@of_cluster
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option(
    "--agent",
    "agents",
    metavar="URL|RUN_DIR",
    multiple=True,
    help="A node agent's address or run directory, for the page of its node; may be repeated. "
    "Without --kubeconfig or --context, nothing else is shown.",
)
def dashboard(
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
    port: int,
    agents: tuple[str, ...],
) -> None:
    """Serve pages with a live cluster's queues and gangs, on this machine's own address.

    The pages show what this command's own kubeconfig may list and nothing can be changed from
    them. They have no login, so they are served to this machine alone; to look from elsewhere,
    forward the port (ssh -L, kubectl port-forward).

    \b
    Examples:
      slacktide serve dashboard
      slacktide serve dashboard --kubeconfig ~/.kube/config --port 9000
      slacktide serve dashboard -n team-a
      slacktide serve dashboard --agent /run/slacktide
      slacktide serve dashboard --context prod --agent http://127.0.0.1:9126
    """
    diaries = places(agents)
    with leaving_cleanly():
        if diaries and kubeconfig is None and context is None:
            _show_nodes(diaries, port)
        else:
            asyncio.run(_follow(connection(kubeconfig, context), namespace, port, diaries))


def _show_nodes(diaries: list[AgentDiary], port: int) -> None:
    """Until it is told to leave."""
    with HttpServer(create_agent_app(diaries), port=port) as server:
        click.echo(f"dashboard on {server.url}", err=True)
        threading.Event().wait()


async def _follow(
    cluster: Connection, namespace: str, port: int, diaries: list[AgentDiary]
) -> None:
    """Writes a picture whenever something changed, for ever."""
    book = ClusterBook()
    async with viewing(cluster, namespace=namespace) as view:
        book.write(view.picture())
        with HttpServer(create_cluster_app(book, agents=diaries), port=port) as server:
            click.echo(f"dashboard on {server.url}", err=True)
            async for _ in changes(view, soonest_s=EVERY_S):
                book.write(view.picture())
