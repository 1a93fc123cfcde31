"""`slacktide serve agent`: the node agent as a process, or rather as three."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import click

from qos_controller.app.settings import AgentSettings, to_argument
from slacktide.errors import BadInput


@click.command()
@click.option(
    "--node-name",
    envvar=["SLACKTIDE_NODE_NAME", "NODE_NAME"],
    show_envvar=True,
    help="As Kubernetes knows this node; else the host's name.",
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/run/slacktide"),
    show_default=True,
    envvar="SLACKTIDE_RUN_DIR",
    show_envvar=True,
    help="Where the agent's parts meet: book, diary, ledger, sockets.",
)
@click.option(
    "--cgroup-root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("/sys/fs/cgroup"),
    show_default=True,
    envvar="SLACKTIDE_CGROUP_ROOT",
    show_envvar=True,
    help="The node's control groups.",
)
@click.option(
    "--pods-root",
    default="",
    envvar="SLACKTIDE_PODS_ROOT",
    show_envvar=True,
    help="The group that kubepods lies in; at the top when not given.",
)
@click.option(
    "--own-group",
    default="slacktide-agent",
    show_default=True,
    envvar="SLACKTIDE_OWN_GROUP",
    show_envvar=True,
    help="Group of the agent's own processes; empty: they stay where they are.",
)
@click.option(
    "--observe", is_flag=True, envvar="SLACKTIDE_OBSERVE", show_envvar=True, help="Write nothing."
)
@click.option(
    "--alone",
    is_flag=True,
    envvar="SLACKTIDE_ALONE",
    show_envvar=True,
    help="Without Kubernetes: the pods are those in RUN_DIR/pods.json.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="SLACKTIDE_KUBECONFIG",
    show_envvar=True,
    help="The cluster; else as kubectl finds it, or the pod's own account.",
)
@click.option("--context", help="Of the kubeconfig; else its current one.")
@click.option(
    "--link-mbps",
    type=click.FloatRange(min=0, min_open=True),
    envvar="SLACKTIDE_LINK_MBPS",
    show_envvar=True,
    help="What the node's uplink carries, where its driver does not say.",
)
@click.option(
    "--disk",
    default="",
    envvar="SLACKTIDE_DISK",
    show_envvar=True,
    help="A path on the disk of online's files; else where kubelet and containerd keep theirs.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="SLACKTIDE_HOST",
    show_envvar=True,
    help="Address of /metrics, /healthz and /readyz.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8087,
    show_default=True,
    envvar="SLACKTIDE_PORT",
    show_envvar=True,
)
@click.option(
    "--latency-host",
    default="127.0.0.1",
    show_default=True,
    envvar="SLACKTIDE_LATENCY_HOST",
    show_envvar=True,
    help="Address for pushed latencies; the node's own, so that pods reach it.",
)
@click.option(
    "--latency-port",
    type=click.IntRange(0, 65535),
    default=9125,
    show_default=True,
    envvar="SLACKTIDE_LATENCY_PORT",
    show_envvar=True,
    help="UDP port for pushed latencies; 0: RUN_DIR/latency.sock alone.",
)
@click.option(
    "--evict/--no-evict",
    default=True,
    show_default=True,
    envvar="SLACKTIDE_EVICT",
    show_envvar=True,
    help="Evict batch pods through the Eviction API when nothing else helps.",
)
@click.option(
    "--beside-others",
    is_flag=True,
    envvar="SLACKTIDE_BESIDE_OTHERS",
    show_envvar=True,
    help="Start though another agent limits batch pods on this node.",
)
@click.option(
    "--note-cpus",
    is_flag=True,
    envvar="SLACKTIDE_NOTE_CPUS",
    show_envvar=True,
    help="Note on pods of class LSE and LSR which whole cores are theirs, as slacktide.io/cpus; "
    "needs the right to patch pods.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="SLACKTIDE_RECORD",
    show_envvar=True,
    help="Record what the senses tell, to decide about it again later: the newest 64 MB, in FILE "
    "and FILE.1. In RUN_DIR the loop never waits for a disk.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    envvar="SLACKTIDE_LOG_LEVEL",
    show_envvar=True,
)
def agent(
    node_name: str | None,
    run_dir: Path,
    cgroup_root: Path,
    pods_root: str,
    own_group: str,
    observe: bool,
    alone: bool,
    kubeconfig: Path | None,
    context: str | None,
    link_mbps: float | None,
    disk: str,
    host: str,
    port: int,
    latency_host: str,
    latency_port: int,
    evict: bool,
    beside_others: bool,
    note_cpus: bool,
    record: Path | None,
    log_level: str,
) -> None:
    """Keep online pods' latency safe from batch pods, on this node.

    Three processes: the loop looks 40 times a second and acts, a watchdog thaws the node should the
    loop end or stand still, and this one talks to Kubernetes and answers HTTP. Needs root and the
    node's cgroups. SIGTERM puts back every file that the agent wrote; so does the next start after
    a crash.

    \b
    Examples:
      slacktide serve agent --node-name $(hostname)
      slacktide serve agent --observe --kubeconfig ~/.kube/config
      slacktide serve agent --alone --run-dir /tmp/run --pods-root my-test --own-group ''
    """
    settings = AgentSettings(
        node=node_name or socket.gethostname(),
        run_dir=str(run_dir.absolute()),
        cgroup_root=str(cgroup_root.absolute()),
        pods_root=pods_root.strip("/"),
        own_group=own_group.strip("/"),
        observe=observe,
        alone=alone,
        kubeconfig=str(kubeconfig or ""),
        context=context or "",
        link_mbps=link_mbps,
        disk=disk,
        host=host,
        port=port,
        latency_host=latency_host,
        latency_port=latency_port,
        evict=evict,
        beside_others=beside_others,
        note_cpus=note_cpus,
        record=str(record.absolute()) if record else "",
        log_level=log_level,
    )
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise BadInput(
            f"{run_dir} cannot be made: {why.strerror}; name another folder with --run-dir"
        ) from why
    become(settings)


def become(settings: AgentSettings) -> None:
    """Turns this process into the agent's, without what the command line had to load."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(  # noqa: S606  no shell is wanted
        sys.executable,
        [sys.executable, "-m", "qos_controller.app.agent_process", to_argument(settings)],
    )
