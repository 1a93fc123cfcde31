"""Gangs on a real control plane: ours gated and direct beside Kubernetes' own, and killed planners.

The same pods are posted by the same client for each; time runs from the first post to the last
bind, spans from a gang's first bind to its last, both as an outside watch sees them. All arms have
a control plane of their own with the same nodes and the same feature gates.

`--faults` kills the planner with SIGKILL at random moments while gangs bind, and watches from
outside: no gang is bound in part for longer than its window, no task is lost or counted twice.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from bench.figures import say
from slacktide.contract import RESOURCE_BATCH_CPU, SCHEDULER_OFFLINE
from slacktide.testing.cluster.auditor import Auditor, audited
from slacktide.testing.cluster.batch_pods import (
    NATIVE_VERSION,
    answers,
    extended,
    gang,
    native_gang,
    planner,
    pod_group,
)
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.faults import survive_kills
from slacktide.testing.cluster.processes import free_ports
from slacktide.testing.cluster.supervised import Supervised

HOLDS = {"cpu": "32", "memory": "64Gi", "pods": "110", RESOURCE_BATCH_CPU: "16000"}
NODES = 500
KILLS = 50
GANGS_AT_ONCE = 3  # while the planner is killed
WITHIN_S = 600.0
NATIVE = f"kube-scheduler's own gangs (PodGroup {NATIVE_VERSION}), client limits raised"
OURS = ("gated", "direct")
ARMS = ("native", *OURS)

Pods = Callable[[str, int], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Load:
    """What is submitted at one go."""

    gangs: int
    size: int
    called: str = "g"

    @property
    def name(self) -> str:
        """As figures are called."""
        return f"{self.gangs}x{self.size}"

    @property
    def groups(self) -> list[str]:
        """The gangs' names."""
        return [f"{self.called}{k}" for k in range(self.gangs)]


SMALL = 10
FULL = (Load(500, SMALL), Load(5, 1_000))
QUICK = Load(60, SMALL)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it."""

    total_s: float  # first post to last bind
    spans_s: tuple[float, ...]  # of each gang, sorted
    partial: int  # gangs that are not whole

    @property
    def p99_s(self) -> float:
        """The nearest rank, so of few gangs the longest."""
        return self.spans_s[math.ceil(0.99 * len(self.spans_s)) - 1]


@contextmanager
def cluster(nodes: int, *, gangs: bool = False) -> Iterator[ControlPlane]:
    """A control plane with fake nodes."""
    with tempfile.TemporaryDirectory() as folder, control_plane(Path(folder), gangs=gangs) as plane:
        add(plane, "/api/v1/nodes", (node(f"n{k}", holds=HOLDS) for k in range(nodes)))
        yield plane


def measured(arm: str, load: Load) -> Run:
    """Submits the load to one arm on a control plane of its own."""
    with cluster(NODES, gangs=True) as plane, audited(plane, "gangs") as auditor:
        made = _started(plane, arm)
        _submitted(plane, auditor, made, Load(1, SMALL, "warm"))  # all are up, and know each other
        _submitted(plane, auditor, made, load)
        seen = [auditor.gangs[name] for name in load.groups]
    return Run(
        total_s=max(one.first_s + one.span_s for one in seen) - min(one.seen_s for one in seen),
        spans_s=tuple(sorted(one.span_s for one in seen)),
        partial=sum(not one.whole for one in seen),
    )


def _started(plane: ControlPlane, arm: str) -> Pods:
    """Starts who places gangs; returns how a gang's pods are made for it."""
    if arm == "native":
        plane.scheduler({"profiles": [{"schedulerName": SCHEDULER_OFFLINE}]})
        return native_gang
    [port] = free_ports(1)
    process = planner(plane, port=port, mode=arm, **{"lease-s": "15", "window-s": "60"})
    plane.running["planner"] = process
    process.wait_until(lambda: answers(port), within_s=60)
    if arm == "gated":
        plane.scheduler(extended(port), name="offline-scheduler")
    return partial(gang, gated=arm == "gated")


def _submitted(plane: ControlPlane, auditor: Auditor, made: Pods, load: Load) -> None:
    """Posts all of it at one go, and returns when all is bound."""
    if made is native_gang:
        groups = f"/apis/scheduling.k8s.io/{NATIVE_VERSION}/namespaces/gangs/podgroups"
        add(plane, groups, [pod_group(name, load.size) for name in load.groups])
    add(plane, auditor.path, [pod for name in load.groups for pod in made(name, load.size)])
    auditor.wait_whole(*load.groups, within_s=WITHIN_S)


def compare(load: Load, runs: int) -> dict[str, list[Run]]:
    """The arms in turn, as often as asked."""
    found: dict[str, list[Run]] = {arm: [] for arm in ARMS}
    for _ in range(runs):
        for arm in ARMS:
            found[arm].append(measured(arm, load))
    return found


def tell(name: str, ours: list[Run], native: list[Run], load: Load) -> None:
    """The figures of one of our arms beside Kubernetes' own."""
    told = partial(say, "gangs", baseline=NATIVE)
    told(
        f"bind_span_p99_s{name}",
        [run.p99_s for run in ours],
        "s",
        goal="<=1",
        baseline_values=[run.p99_s for run in native],
    )
    told(
        f"time_vs_native{name}",
        [run.total_s for run in ours],
        "s",
        goal="ratio <=0.7",
        baseline_values=[run.total_s for run in native],
    )
    # A gang's span at the rate of this very run: what no order of binding could make shorter.
    shortest_s = [run.total_s / load.gangs for run in ours]
    say("gangs", f"span_at_the_runs_rate_s{name}", shortest_s, "s")
    say("gangs", f"partial_gangs{name}", [run.partial for run in ours], "gangs", goal="<=0")


def faults(kills: int, seed: int) -> None:
    """Kills, and what was seen."""
    [port] = free_ports(1)
    with cluster(10) as plane, audited(plane, "faults") as auditor:
        plane.scheduler(extended(port), name="offline-scheduler")
        names = itertools.count()
        supervised = Supervised(lambda: planner(plane, port=port, name=f"planner-{next(names)}"))
        found = survive_kills(
            plane, auditor, supervised, kills=kills, seed=seed, gangs=GANGS_AT_ONCE
        )
        supervised.stop()
        moved = sum(len(seen.moved) for seen in auditor.gangs.values())
    say("gangs", "kills", [found.kills], "", seed=seed)
    say("gangs", "kills_in_the_middle_of_a_gang", [found.in_the_middle], "", seed=seed)
    say("gangs", "longest_in_part_s", [found.longest_partly_s], "s", goal="<=30", seed=seed)
    say("gangs", "recovery_s", found.recovery_s, "s", seed=seed)
    say("gangs", "tasks_twice", [moved], "", goal="<=0", seed=seed)


@click.command()
@click.option("--faults", "with_faults", is_flag=True, help="Kill the planner instead.")
@click.option("--quick", is_flag=True)
@click.option("--runs", default=1, show_default=True)
@click.option("--seed", default=1, show_default=True, help="Of the kills.")
def main(*, with_faults: bool, quick: bool, runs: int, seed: int) -> None:
    """Prints the figures; those without a size are of the many small gangs, bound directly."""
    if with_faults:
        faults(5 if quick else KILLS, seed)
        return
    for load in (QUICK,) if quick else FULL:
        found = compare(load, runs)
        for arm in OURS:
            tell(f"_{load.name}_{arm}", found[arm], found["native"], load)
        if load.size == SMALL:
            tell("", found["direct"], found["native"], load)


if __name__ == "__main__":
    main()
