"""`make cluster`: a Kubernetes of one's own with slacktide on it, until Ctrl-C.

etcd, API server, controllers and kube-scheduler are real; nodes are objects that nobody is behind,
so pods are placed and never run. slacktide is installed by its chart, and its two programs run with
the chart's own account.

    make cluster                                     in one terminal
    make cluster ARGS="--nodes 500 --mode direct"
    make cluster ARGS=stop                           from another one

Always holds: nothing outlives this process, however it ends, since the kernel ends what it started;
and nothing is written outside `--folder`, which is removed at the end.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import click

from slacktide.contract import RESOURCE_BATCH_CPU, RESOURCE_BATCH_MEMORY
from slacktide.errors import BadInput
from slacktide.serving.leaving import leaving_cleanly
from slacktide.testing.cluster.binaries import binary
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.installed import installed
from slacktide.testing.cluster.supervised import Supervised

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / ".slacktide/cluster"
CHART: Final = ROOT / "charts/slacktide"
STOP_S: Final = 60.0
LOOK_S: Final = 0.5
PROGRAMS: Final = (
    "kube-scheduler", "etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "helm"
)  # fmt: skip


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("do", type=click.Choice(["start", "stop"]), default="start")
@click.option("--nodes", type=click.IntRange(1, 20_000), default=20, show_default=True)
@click.option("--cores", type=click.IntRange(1), default=32, show_default=True, help="Of a node.")
@click.option(
    "--mode",
    type=click.Choice(["gated", "nominated", "direct", "extender"]),
    default="gated",
    show_default=True,
    help="How tasks are let go.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    help="Of its data, logs and keys; removed when it stops.",
)
def cluster(do: str, nodes: int, cores: int, mode: str, folder: Path) -> None:
    """Keep a Kubernetes with slacktide up on this machine, until Ctrl-C or `stop`.

    The first time builds Kubernetes from its Go modules, which takes some ten minutes.
    """
    if do == "stop":
        stop(folder)
        return
    with alone(folder), leaving_cleanly():
        for program in PROGRAMS:
            binary(program)
        with running(folder, nodes=nodes, cores=cores, mode=mode) as plane:
            click.echo(told(plane))
            while not plane.running["kube-apiserver"].has_ended:
                time.sleep(LOOK_S)
            raise BadInput("the API server ended, and all else with it")


@contextmanager
def running(folder: Path, *, nodes: int, cores: int, mode: str) -> Iterator[ControlPlane]:
    """All of it."""
    say("starting etcd, the API server and the controllers ...")
    with control_plane(folder / "plane", gangs=True) as plane:
        plane.controllers()
        plane.scheduler({})
        say(f"making {nodes} nodes ...")
        sold = {RESOURCE_BATCH_CPU: f"{cores}000", RESOURCE_BATCH_MEMORY: str(cores << 32)}
        holds = {"cpu": str(cores), "memory": f"{4 * cores}Gi", "pods": "110", **sold}
        add(plane, "/api/v1/nodes", (node(f"node-{k}", holds=holds) for k in range(nodes)))
        say("installing the chart ...")
        release = installed(plane, CHART, mode=mode, replicas=0)  # its pods would never run
        release.kube_scheduler()
        numbers = itertools.count()
        kept = Supervised(lambda: release.planner(name=f"planner-{next(numbers)}"))
        try:
            yield plane
        finally:
            kept.stop()


def told(plane: ControlPlane) -> str:
    """What to do next."""
    return f"""
It runs. In another terminal:

  export KUBECONFIG={plane.kubeconfig()}
  export PATH=$PATH:{binary("kubectl").parent}:{binary("helm").parent}

  kubectl get nodes
  kubectl apply -f {ROOT / "examples/gang.yaml"}
  kubectl get pods -o wide          # four pods, bound together; nobody runs them
  kubectl get events --field-selector reason=GangPlaced

Pages of gangs to try: {ROOT / "docs/gangs"}. Logs: {plane.folder}/*.log
Ctrl-C ends it, and so does: make cluster ARGS=stop
"""


def say(what: str) -> None:
    """Progress, beside what is printed."""
    click.echo(what, err=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """This process' turn with the folder. Raises `BadInput` where another has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder).open("a+") as held:
        if not taken(held):
            raise BadInput("it runs already: make cluster ARGS=stop")
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def stop(folder: Path) -> None:
    """Ends who has the folder. Its lock falls with the process, so no pid is mistaken."""
    if not lock(folder).is_file():
        say("nothing runs")
        return
    with lock(folder).open("r+") as held:
        if not taken(held):
            os.kill(int(held.read()), signal.SIGTERM)
            give_up = time.monotonic() + STOP_S
            while not taken(held):
                if time.monotonic() > give_up:
                    raise BadInput(f"it still runs after {STOP_S:g} s: kill it by its pid")
                time.sleep(0.1)
            say("stopped")
        else:
            say("nothing runs; what a crash left is removed")
        shutil.rmtree(folder, ignore_errors=True)


def lock(folder: Path) -> Path:
    """Held as long as it runs; with its pid."""
    return folder / "lock"


def taken(held: IO[str]) -> bool:
    """Whether the lock is ours now."""
    with suppress(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


if __name__ == "__main__":
    try:
        cluster()
    except BadInput as error:
        say(f"cluster: {error}")
        sys.exit(2)
