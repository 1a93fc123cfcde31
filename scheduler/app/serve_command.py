"""`slacktide serve scheduler`: the planner and the extender as a process."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from scheduler.app.claims import ClaimSettings
from scheduler.app.serving import Serving, fresh_identity, run_scheduler
from scheduler.core.lifecycle import LifecycleSettings
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
@click.option(
    "--health-port",
    type=click.IntRange(1, 65535),
    help="Answers /metrics, /healthz and /readyz, and nothing else, to everybody.",
)
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
    default=7,
    show_default=True,
    help="Another process takes over so long after this one was last heard of.",
)
@click.option(
    "--evict/--no-evict",
    default=True,
    show_default=True,
    help="Evict the least harmful tasks for a queue's guarantee or a higher priority in its queue.",
)
@click.option(
    "--evictions-per-minute",
    type=click.IntRange(1, 10_000),
    default=30,
    show_default=True,
    help="Tasks; a larger gang goes as a whole, and then nobody for as long as that stands for.",
)
@click.option(
    "--evict-after-s",
    type=click.FloatRange(0, 86_400),
    default=30,
    show_default=True,
    help="Nobody is evicted for a gang that has waited less, nor by a process that is younger.",
)
@click.option(
    "--defragment/--no-defragment",
    default=False,
    show_default=True,
    help="Move tasks where the work lost is less than the wait saved; counts as evictions.",
)
@click.option(
    "--backoff-s",
    type=click.FloatRange(0.1, 3_600),
    default=10,
    show_default=True,
    help="After a gang's first loss or failure; doubles up to 5 minutes.",
)
def scheduler(
    kubeconfig: Path | None,
    context: str | None,
    mode: str,
    host: str,
    extender_port: int,
    health_port: int | None,
    namespace: str,
    round_ms: int,
    window_s: float,
    lease_s: int,
    evict: bool,
    evictions_per_minute: int,
    evict_after_s: float,
    defragment: bool,
    backoff_s: float,
) -> None:
    """Place gangs of batch pods whole, and answer kube-scheduler's extender calls.

    gated: pods arrive with the gate slacktide.io/gang; one patch pins each to its node and lifts
    the gate, and kube-scheduler with the extender verifies and binds. nominated: a patch of the
    pod's status nominates the node instead of pinning the pod to it, so where that node cannot take
    it any more it is planned anew, and its pod stays. extender: as gated, for pods without gates,
    which wait in the extender's filter. direct: pods that use only batch resources are bound at
    once; the others as in gated.

    Evictions respect PodDisruptionBudgets, and are never made on data that is old.

    GET /metrics, /healthz and /readyz answer on the extender's port, and on that of --health-port.

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
        health_port=health_port,
        direct=mode == "direct",
        nominate=mode == "nominated",
        every_s=round_ms / 1_000,
        window_s=window_s,
        lease_s=float(lease_s),
        claims=ClaimSettings(
            evict=evict,
            defragment=defragment,
            per_minute=evictions_per_minute,
            after_s=evict_after_s,
        ),
        lives=LifecycleSettings(first_backoff_s=backoff_s),
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
