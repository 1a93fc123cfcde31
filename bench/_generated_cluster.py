"""A cluster and its pending gangs, generated: nodes in racks and zones, jobs that ask for things.

The mix is a choice, said here and printed with the figures: of the gangs 60 % ask for room alone,
the others for labelled or tainted nodes, one task a host, an even spread over zones, one rack, or a
driver with its workers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.core.compiling import RunningPods, compile_constraints
from scheduler.core.constraints import Pack, PeerTerm, Rules, Spread, Toleration
from scheduler.core.labels import Need, PodGroup
from scheduler.core.node_table import NodeTable
from scheduler.core.queues import TOP, QueueTree, QueueUse
from scheduler.core.snapshot import GangColumns, NodeColumns, RunningColumns, Snapshot
from slacktide.kube.objects import Taint
from slacktide.messages import IntArray

GIB = 2.0**30
HORIZONS_S = (3600, 6 * 3600, 24 * 3600)
NODES_A_RACK = 40
ZONES = 5
QUEUES = 20
SHAPES = ((1, 2), (1, 4), (2, 4), (2, 8), (4, 8), (4, 16), (8, 16))  # cores, GiB of one task
SPECIAL = Taint(key="special", value="yes", effect="NoSchedule")
HOST, RACK, ZONE = "kubernetes.io/hostname", "rack", "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True)
class Generated:
    """What a planner is given, before it has looked at any of it."""

    table_facts: tuple[tuple[str, ...], tuple[dict[str, str], ...], tuple[tuple[Taint, ...], ...]]
    rules: list[Rules]  # [G]
    pods: RunningPods
    bare: Snapshot  # without constraints
    tasks: int

    def snapshot(self) -> Snapshot:
        """With constraints: this is the planner's own work and belongs into the time."""
        constraints, kind = compile_constraints(NodeTable(*self.table_facts), self.rules, self.pods)
        nodes, gangs = self.bare.nodes, self.bare.gangs
        return Snapshot(
            nodes=NodeColumns(
                nodes.names,
                nodes.horizons_s,
                nodes.free_cpu_cores,
                nodes.free_memory_bytes,
                nodes.cpu_cores,
                nodes.memory_bytes,
                nodes.open,
                constraints,
            ),
            running=self.bare.running,
            gangs=GangColumns(
                gangs.ids,
                gangs.queue,
                gangs.tasks,
                gangs.min_available,
                gangs.cpu_cores,
                gangs.memory_bytes,
                gangs.duration_s,
                gangs.submit_s,
                gangs.priority,
                kind,
                gangs.lead,
            ),
            queues=self.bare.queues,
            used=self.bare.used,
        )


def generated(*, nodes: int, tasks: int, seed: int) -> Generated:
    """`tasks` pending tasks in gangs over `nodes` nodes; about two thirds find room."""
    random = np.random.default_rng(seed)
    names = tuple(f"node-{n}" for n in range(nodes))
    labels = tuple(
        {
            HOST: name,
            RACK: f"rack-{n // NODES_A_RACK}",
            ZONE: f"zone-{n // NODES_A_RACK % ZONES}",
            "disk": "ssd" if n % 3 else "hdd",
            "pool": f"pool-{n % 7}",
        }
        for n, name in enumerate(names)
    )
    taints = tuple((SPECIAL,) if n % 10 == 0 else () for n in range(nodes))
    rules, lead, sizes = _jobs(random, tasks)
    gangs = _gangs(random, sizes, lead)
    columns = _nodes(random, names, tasks=tasks, gangs=gangs)
    return Generated(
        table_facts=(names, labels, taints),
        rules=rules,
        pods=_pods(random, nodes),
        bare=Snapshot(columns, _running(random, nodes), gangs, _tree(), QueueUse.none(QUEUES + 4)),
        tasks=int(gangs.tasks.sum()),
    )


def _jobs(random: np.random.Generator, tasks: int) -> tuple[list[Rules], IntArray, IntArray]:
    rules: list[Rules] = []
    lead: list[int] = []
    sizes: list[int] = []
    while sum(sizes) < tasks:
        job, size = len(rules), int(min(random.geometric(0.1), 200))
        asked = _asked(random.random(), f"job-{job}")
        rows = [1, size] if asked is None else [size]
        rules += [asked or Rules()] * len(rows)
        lead += [job] * len(rows)
        sizes += rows
    return rules, np.array(lead), np.array(sizes)


def _asked(draw: float, job: str) -> Rules | None:
    """What one job asks; None for a driver with workers."""
    own = (("job", job),)
    group = PodGroup(("default",), (Need("job", "In", (job,)),))
    mix = (
        (0.60, Rules(labels=own)),
        (0.70, Rules(labels=own, choices=(((Need("disk", "In", ("ssd",)),),),))),
        (0.77, Rules(labels=own, tolerations=(Toleration("special", "Exists", "", ""),))),
        (0.80, Rules(labels=own, choices=(((Need("pool", "NotIn", ("pool-1", "pool-2")),),),))),
        (0.87, Rules(labels=own, apart=(PeerTerm(HOST, group),))),
        (0.92, Rules(labels=own, spreads=(Spread(PeerTerm(ZONE, group), 1, 1),))),
        (0.96, Rules(labels=own, pack=Pack(RACK, required=True))),
    )
    return next((rules for below, rules in mix if draw < below), None)


def _gangs(random: np.random.Generator, sizes: IntArray, lead: IntArray) -> GangColumns:
    rows = len(sizes)
    shape = np.array(SHAPES, float)[random.integers(0, len(SHAPES), rows)]
    elastic = np.where(random.random(rows) < 0.2, np.maximum(sizes // 2, 1), sizes)
    return GangColumns(
        ids=tuple(f"gang-{row}" for row in range(rows)),
        queue=(random.integers(0, QUEUES, rows) + 4)[lead],
        tasks=sizes,
        min_available=elastic,
        cpu_cores=shape[:, 0],
        memory_bytes=shape[:, 1] * GIB,
        duration_s=random.choice([1800, 3 * 3600, 12 * 3600], rows),
        submit_s=random.integers(0, 3600, rows)[lead],
        priority=random.integers(0, 3, rows)[lead],
        lead=lead,
    )


def _nodes(
    random: np.random.Generator, names: tuple[str, ...], *, tasks: int, gangs: GangColumns
) -> NodeColumns:
    """Free cores for about two thirds of what is asked at the longest horizon."""
    nodes = len(names)
    asked = float((gangs.tasks * gangs.cpu_cores).sum()) / nodes * max(1.0, nodes / tasks)
    free = random.gamma(2.0, asked / 2, nodes)
    through = free[:, None] * np.array([1.0, 0.8, 0.65])
    return NodeColumns(
        names=names,
        horizons_s=np.array(HORIZONS_S),
        free_cpu_cores=through,
        free_memory_bytes=through * 3 * GIB,
        cpu_cores=np.full(nodes, 64.0),
        memory_bytes=np.full(nodes, 256 * GIB),
        open=random.random(nodes) > 0.02,
    )


def _running(random: np.random.Generator, nodes: int) -> RunningColumns:
    bundles = 2 * nodes
    return RunningColumns(
        node=random.integers(0, nodes, bundles),
        cpu_cores=np.full(bundles, 4.0),
        memory_bytes=np.full(bundles, 8 * GIB),
        end_s=random.integers(7200, 20 * 3600, bundles),
    )


def _pods(random: np.random.Generator, nodes: int) -> RunningPods:
    """Online pods of 50 services, each one a host."""
    services = []
    for service in range(50):
        labels = (("app", f"svc-{service}"),)
        group = PodGroup(("default",), (Need("app", "In", (f"svc-{service}",)),))
        services.append(Rules(labels=labels, apart=(PeerTerm(HOST, group),)))
    pods = 5 * nodes
    return RunningPods(
        tuple(services), random.integers(0, 50, pods), random.integers(0, nodes, pods)
    )


def _tree() -> QueueTree:
    parents = np.array([TOP] * 4 + [queue % 4 for queue in range(QUEUES)])
    return QueueTree(
        names=tuple(f"queue-{queue}" for queue in range(QUEUES + 4)),
        parent=parents,
        guaranteed_cpu_cores=np.zeros(QUEUES + 4),
        max_cpu_cores=np.full(QUEUES + 4, np.inf),
        weight=np.ones(QUEUES + 4),
    )
