"""`slacktide serve scheduler`: the planner and the extender as a process."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from scheduler.app.serving import Serving, fresh_identity, run_scheduler
from slacktide.errors import BadInput
from slacktide.kube.connection import Connection, connection
from slacktide.kube.election import LeaseLost


@click.command()
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The cluster; else as kubectl finds it, or the pod's own account.",
)
@click.option("--context", help="Of the kubeconfig; else its current one.")
@click.option(
    "--mode",
    type=click.Choice(["gated", "nominated", "direct", "extender"]),
    default="gated",
    show_default=True,
    help="How tasks are let go; see below.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--extender-port", type=click.IntRange(1, 65535), default=8082, show_default=True)
@click.option("--namespace", default="default", show_default=True, help="Of the lease.")
@click.option(
    "--round-ms",
    type=click.IntRange(10, 60_000),
    default=100,
    show_default=True,
    help="Planning rounds are no closer together.",
)
@click.option(
    "--window-s",
    type=click.FloatRange(1, 3_600),
    default=20,
    show_default=True,
    help="A gang bound in part is taken back when none more was bound for so long.",
)
@click.option(
    "--lease-s",
    type=click.IntRange(2, 3_600),
    default=15,
    show_default=True,
    help="Another process takes over so long after this one was last heard of.",
)
def scheduler(
    kubeconfig: Path | None,
    context: str | None,
    mode: str,
    host: str,
    extender_port: int,
    namespace: str,
    round_ms: int,
    window_s: float,
    lease_s: int,
) -> None:
    """Place gangs of batch pods whole, and answer kube-scheduler's extender calls.

    gated: pods arrive with the gate slacktide.io/gang; one patch pins each to its node and lifts
    the gate, and kube-scheduler with the extender verifies and binds. nominated: a patch of the
    pod's status nominates the node instead of pinning the pod to it, so where that node cannot take
    it any more it is planned anew, and its pod stays. extender: as gated, for pods without gates,
    which wait in the extender's filter. direct: pods that use only batch resources are bound at
    once; the others as in gated.

    GET /metrics, /healthz and /readyz answer on the extender's port.

    \b
    Examples:
      slacktide serve scheduler --kubeconfig ~/.kube/config
      slacktide serve scheduler --mode direct --extender-port 9090
    """
    serving = Serving(
        me=fresh_identity(),
        namespace=namespace,
        host=host,
        port=extender_port,
        direct=mode == "direct",
        nominate=mode == "nominated",
        every_s=round_ms / 1_000,
        window_s=window_s,
        lease_s=float(lease_s),
    )
    try:
        asyncio.run(_until_told(connection(kubeconfig, context), serving))
    except* LeaseLost as lost:
        raise BadInput(f"this scheduler decides no more: {lost.exceptions[0]}") from None


async def _until_told(cluster: Connection, serving: Serving) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    running = asyncio.ensure_future(run_scheduler(cluster, serving))
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        click.echo("stopped", err=True)
