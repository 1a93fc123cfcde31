"""Gangs on a real control plane: how long one binds from first to last, and killed planners.

`--faults` kills the planner with SIGKILL at random moments while gangs bind, and watches from
outside: no gang is bound in part for longer than its window, no task is lost or counted twice.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bench.figures import say
from slacktide.contract import RESOURCE_BATCH_CPU
from slacktide.testing.cluster.auditor import Auditor, audited
from slacktide.testing.cluster.batch_pods import answers, extended, gang, planner
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.faults import survive_kills
from slacktide.testing.cluster.processes import free_ports
from slacktide.testing.cluster.supervised import Supervised

HOLDS = {"cpu": "32", "memory": "64Gi", "pods": "110", RESOURCE_BATCH_CPU: "16000"}
KILLS = 50
WITHIN_S = 900.0


@contextmanager
def cluster(nodes: int, *, port: int, scheduler: bool = True) -> Iterator[ControlPlane]:
    """A control plane with fake nodes and the second kube-scheduler."""
    with tempfile.TemporaryDirectory() as folder, control_plane(Path(folder)) as plane:
        add(plane, "/api/v1/nodes", (node(f"n{k}", holds=HOLDS) for k in range(nodes)))
        if scheduler:
            plane.scheduler(extended(port), name="offline-scheduler")
        yield plane


def faults(kills: int, seed: int) -> None:
    """Kills, and what was seen."""
    [port] = free_ports(1)
    with cluster(10, port=port) as plane, audited(plane, "faults") as auditor:
        names = itertools.count()

        supervised = Supervised(lambda: planner(plane, port=port, name=f"planner-{next(names)}"))
        found = survive_kills(plane, auditor, supervised, kills=kills, seed=seed)
        supervised.stop()
        moved = sum(len(seen.moved) for seen in auditor.gangs.values())
    say("gangs", "kills", [found.kills], "", seed=seed)
    say("gangs", "kills_in_the_middle_of_a_gang", [found.in_the_middle], "", seed=seed)
    say("gangs", "longest_in_part_s", [found.longest_partly_s], "s", goal="<=30", seed=seed)
    say("gangs", "recovery_s", found.recovery_s, "s", seed=seed)
    say("gangs", "tasks_twice", [moved], "", goal="<=0", seed=seed)


def spans(gangs: int, size: int, nodes: int, mode: str) -> None:
    """Submits gangs at one go, and times their binding."""
    [port] = free_ports(1)
    direct = mode == "direct"
    with (
        cluster(nodes, port=port, scheduler=not direct) as plane,
        audited(plane, "spans") as auditor,
    ):
        process = planner(plane, port=port, mode=mode, **{"lease-s": "15", "window-s": "60"})
        process.wait_until(lambda: answers(port), within_s=60)
        pods = [pod for k in range(gangs) for pod in gang(f"g{k}", size, gated=not direct)]
        begun_s = time.monotonic()
        add(plane, auditor.path, pods)
        auditor.wait_whole(*(f"g{k}" for k in range(gangs)), within_s=WITHIN_S)
        took_s = time.monotonic() - begun_s
        process.stop()
        _say(auditor, f"{gangs}x{size}_{mode}", took_s, tasks=gangs * size)


def _say(auditor: Auditor, what: str, took_s: float, *, tasks: int) -> None:
    found = sorted(seen.span_s for seen in auditor.gangs.values())
    say("gangs", f"bind_span_p50_s_{what}", [statistics.median(found)], "s")
    say("gangs", f"bind_span_p99_s_{what}", [found[int(0.99 * (len(found) - 1))]], "s", goal="<=1")
    say("gangs", f"tasks_per_s_{what}", [tasks / took_s], "1/s")
    say(
        "gangs",
        f"partial_gangs_{what}",
        [sum(not s.whole for s in auditor.gangs.values())],
        "",
        goal="<=0",
    )


@click.command()
@click.option("--faults", "with_faults", is_flag=True, help="Kill the planner instead.")
@click.option("--quick", is_flag=True)
@click.option("--seed", default=1, show_default=True)
def main(*, with_faults: bool, quick: bool, seed: int) -> None:
    """Prints the figures."""
    if with_faults:
        faults(5 if quick else KILLS, seed)
        return
    for mode in ("gated", "direct"):
        spans(50 if quick else 500, 10, 50 if quick else 500, mode)
        if not quick:
            spans(5, 1_000, 500, mode)


if __name__ == "__main__":
    main()
