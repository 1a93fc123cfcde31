"""100,000 pods listed and watched: what our mirror takes, and the official client's informer.

python -m bench.watch_cache [--quick] [--pods N]

A real API server holds the pods (6 KB each, loaded straight into its etcd); a tenth of them change
while they are watched. Each mirror runs in a process of its own and counts its own processor time,
once its modules are loaded. The informer's time and memory are for a tenth of the pods, times ten:
it has no pages and would take minutes and several gigabytes for all.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from bench._real_pods import real_pod
from bench.figures import say
from slacktide.clock import SteadyClock
from slacktide.kube.cache import Cache, Change
from slacktide.kube.connection import connection
from slacktide.kube.objects import Pod
from slacktide.kube.reading import Resource
from slacktide.kube.reflector import Reflector
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.loading import load

NODES: Final = 5_000
TENTH: Final = 10
MANY: Final = "many"  # namespaces
FEW: Final = "few"
CHANGED: Final = "changed"  # a label
WITHIN_S: Final = 600.0


@click.command()
@click.option("--quick", is_flag=True, help="A tenth of the pods.")
@click.option("--pods", type=int, default=100_000, show_default=True)
@click.option("--mirror", type=click.Choice(["ours", "official"]), hidden=True)
@click.option("--kubeconfig", type=click.Path(path_type=Path), hidden=True)
def main(*, quick: bool, pods: int, mirror: str | None, kubeconfig: Path | None) -> None:
    """Measure and print the figures."""
    if mirror and kubeconfig:
        run = _ours if mirror == "ours" else _official
        run(kubeconfig, pods)
        return
    pods = pods // TENTH if quick else pods
    with tempfile.TemporaryDirectory() as folder, control_plane(Path(folder)) as plane:
        _fill(plane, FEW, pods // TENTH)
        informer = _measured(plane, "official", FEW, pods // TENTH)
        _fill(plane, MANY, pods)
        ours = _measured(plane, "ours", MANY, pods)
    _say(pods, ours, informer)


def _fill(plane: ControlPlane, namespace: str, pods: int, **labels: str) -> None:
    load(plane, "pods", (_pod(k, namespace, labels) for k in range(pods)))


def _pod(index: int, namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    made = real_pod(index, batch=index % 2 == 0, namespace=namespace, node=f"n{index % NODES}")
    made["metadata"]["labels"] |= labels
    return made


def _measured(plane: ControlPlane, mirror: str, namespace: str, pods: int) -> dict[str, float]:
    """Runs a mirror in a process of its own, and changes a tenth of the pods once it has all."""
    command = [sys.executable, "-m", "bench.watch_cache", "--mirror", mirror]
    command += ["--pods", str(pods), "--kubeconfig", str(plane.kubeconfig())]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  own file
    if child.stdout is None:
        raise RuntimeError("a pipe was asked for")
    child.stdout.readline()
    _fill(plane, namespace, pods // TENTH, **{CHANGED: "yes"})
    found: dict[str, float] = json.loads(child.stdout.readline())
    child.wait(WITHIN_S)
    return found


def _say(pods: int, ours: dict[str, float], informer: dict[str, float]) -> None:
    size = f"{pods // 1_000}k_pods"
    beside = "the official client's SharedInformer for a tenth of the pods, times ten"
    for figure, unit, goal in (
        ("cpu_seconds", "s", "<=10 and ratio <= 0.033"),
        ("rss_mib", "MiB", "<=600"),
    ):
        say(
            "watch_cache",
            f"{figure}_{size}",
            [ours[figure]],
            unit,
            goal=goal,
            baseline=beside,
            baseline_values=[TENTH * informer[figure]],
        )
    for part in ("list_cpu_seconds", "watch_cpu_seconds", "peak_rss_mib"):
        say("watch_cache", f"{part}_{size}", [ours[part]], "s" if "cpu" in part else "MiB")


class Spent:
    """What this process took since now."""

    def __init__(self) -> None:
        self._cpu_s, self._rss_mib = time.process_time(), _rss_mib()
        self._listed_s = 0.0

    def listed(self) -> None:
        """The mirror holds everything."""
        self._listed_s = time.process_time() - self._cpu_s
        print("listed", flush=True)

    def watched(self) -> None:
        """It has seen all changes."""
        spent_s = time.process_time() - self._cpu_s
        found = {
            "cpu_seconds": spent_s,
            "list_cpu_seconds": self._listed_s,
            "watch_cpu_seconds": spent_s - self._listed_s,
            "rss_mib": _rss_mib() - self._rss_mib,
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
        }
        print(json.dumps(found), flush=True)


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _ours(kubeconfig: Path, pods: int) -> None:
    asyncio.run(_mirrored(kubeconfig, pods))


async def _mirrored(kubeconfig: Path, pods: int) -> None:
    changed, done, cache = set[str](), asyncio.Event(), Cache[Pod]()

    def take(changes: Sequence[Change[Pod]]) -> None:
        for one in changes:
            if one.after is not None and CHANGED in (one.after.metadata.labels or ()):
                changed.add(one.after.metadata.uid)
        if len(changed) >= pods // TENTH:
            done.set()

    server = connection(kubeconfig)
    spent = Spent()
    async with server.client() as client:
        resource_ = Resource(f"/api/v1/namespaces/{MANY}/pods", Pod)
        mirror = Reflector(client, resource_, cache, clock=SteadyClock(), deliver=take)
        running = asyncio.create_task(mirror.run())
        await mirror.synced.wait()
        spent.listed()
        async with asyncio.timeout(WITHIN_S):
            await done.wait()
        spent.watched()
        running.cancel()
    if len(cache) != pods:
        raise RuntimeError(f"{len(cache)} pods are held, {pods} there")


def _official(kubeconfig: Path, pods: int) -> None:
    client, config, informer = (  # untyped, and a second to load
        importlib.import_module(f"kubernetes.{name}") for name in ("client", "config", "informer")
    )
    logging.disable()  # it prints a stack where a watch ends, and goes on
    config.load_kube_config(str(kubeconfig))
    spent, listed, done = Spent(), threading.Event(), threading.Event()
    added, changed = [0], set[str]()

    def add(_: object) -> None:
        added[0] += 1
        if added[0] >= pods:
            listed.set()

    def change(pod: Any) -> None:  # noqa: ANN401  the client's V1Pod
        if CHANGED in pod.metadata.labels:
            changed.add(pod.metadata.uid)
        if len(changed) >= pods // TENTH:
            done.set()

    mirror = informer.SharedInformer(client.CoreV1Api().list_namespaced_pod, namespace=FEW)
    mirror.add_event_handler(informer.ADDED, add)
    mirror.add_event_handler(informer.MODIFIED, change)
    mirror.start()
    listed.wait(WITHIN_S)
    spent.listed()
    done.wait(WITHIN_S)
    spent.watched()
    mirror.stop()


if __name__ == "__main__":
    main()
