"""A world in which gangs never end and queues contend: plan, evict, plan, until all is quiet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scheduler.core.evict import Eviction, EvictionSettings, eviction
from scheduler.core.harm import RunningGangs, RunningTasks
from tests.scheduler.clusters import (
    GIB,
    HOUR_S,
    Bundle,
    Gang,
    Node,
    Queue,
    World,
    real,
    whole,
)

LONG_AGO_S = -(10**9)


@dataclass
class Contest:
    """A world and what runs in it."""

    world: World
    gangs: RunningGangs | None = None
    running: RunningTasks | None = None
    evicted: int = 0
    watch: Callable[[Eviction], None] = lambda _: None  # sees every eviction

    def world_with_bundles(self) -> World:
        """The world with the running columns as its bundles."""
        if self.gangs is not None and self.running is not None:
            names, gangs, running = self.world.queues, self.gangs, self.running
            for b, gang in enumerate(running.gang.tolist()):
                runs = Gang(
                    gangs.ids[gang],
                    names[gangs.queue[gang]].name,
                    tasks=int(running.tasks[running.gang == gang].sum()),
                    least=int(gangs.min_available[gang]),
                    cores=float(running.cpu_cores[b]),
                    priority=int(gangs.priority[gang]),
                )
                bundle = Bundle(runs, int(running.node[b]), int(running.tasks[b]), 10**9)
                self.world.running.append(bundle)
            self.gangs = None
        return self.world

    def until_quiet(self, settings: EvictionSettings, *, most: int = 200) -> int | None:
        """Rounds until nobody is placed or evicted; None where that does not come."""
        world = self.world_with_bundles()
        for round_ in range(most):
            outcome = world.plan()
            gangs, running, order = self.columns()
            # the plan was carried out, so its aftermath is what runs now
            found = eviction(outcome, gangs, running, settings=settings) if order else None
            if found is None and not outcome.placements:
                return round_
            if found is not None:
                self.watch(found)
                self.evict(found.victims.evicted.tolist())
                name = found.reservation.gang_id
                world.reservation = found.reservation
                assert any(gang.name == name for gang in world.pending)
        return None

    def columns(self) -> tuple[RunningGangs, RunningTasks, list[Gang]]:
        """What runs, as the columns an eviction is chosen from."""
        bundles = self.world.running
        order = list({bundle.gang.name: bundle.gang for bundle in bundles}.values())
        place = {gang.name: index for index, gang in enumerate(order)}
        names = [queue.name for queue in self.world.queues]
        gangs = RunningGangs(
            ids=tuple(place),
            queue=whole([names.index(gang.queue) for gang in order]),
            priority=whole([gang.priority for gang in order]),
            min_available=whole([gang.least or gang.tasks for gang in order]),
            may_lose=whole([1000] * len(order)),
            evicted_s=whole([LONG_AGO_S] * len(order)),
        )
        running = RunningTasks(
            gang=whole([place[bundle.gang.name] for bundle in bundles]),
            node=whole([bundle.node for bundle in bundles]),
            tasks=whole([bundle.count for bundle in bundles]),
            cpu_cores=real([bundle.gang.cores for bundle in bundles]),
            memory_bytes=real([bundle.gang.gib * GIB for bundle in bundles]),
            end_s=whole([bundle.end_s for bundle in bundles]),
            saved_s=whole([bundle.gang.submit_s for bundle in bundles]),
        )
        return gangs, running, order

    def evict(self, tasks: list[int]) -> None:
        """So many of each bundle; a gang that loses all of them waits again."""
        before = {bundle.gang.name for bundle in self.world.running}
        self.evicted += sum(tasks)
        self.world.running = [
            replace(bundle, count=bundle.count - lost)
            for bundle, lost in zip(self.world.running, tasks, strict=True)
            if bundle.count > lost
        ]
        gone = before - self.names_running()
        self.world.pending += [gang for name, gang in self.known.items() if name in gone]

    def names_running(self) -> set[str]:
        return {bundle.gang.name for bundle in self.world.running}

    @property
    def known(self) -> dict[str, Gang]:
        return self._known

    def __post_init__(self) -> None:
        given = [*self.world.pending, *[bundle.gang for bundle in self.world.running]]
        self._known = {gang.name: gang for gang in given}


def contests(seed: int) -> Contest:
    """Random queues with guarantees, some with maxima, and gangs; two thirds were there first."""
    random = np.random.default_rng(seed)
    nodes = [Node(f"n{n}", (float(random.integers(4, 17)),)) for n in range(random.integers(1, 5))]
    cores = sum(node.cores[0] for node in nodes)
    leaves = int(random.integers(2, 5))
    shares = random.dirichlet(np.ones(leaves)) * cores * random.uniform(0.5, 1.0)
    queues = [Queue("top", guaranteed=float(shares[:2].sum()))]
    queues += [
        Queue(
            f"q{q}",
            guaranteed=float(share),
            maximum=float(share) * 1.5 + 4 if random.random() < 0.3 else np.inf,
            parent="top" if q < 2 else "",
        )
        for q, share in enumerate(shares)
    ]
    gangs = [
        Gang(
            f"g{g}",
            f"q{random.integers(0, leaves)}",
            tasks=(tasks := int(random.integers(1, 5))),
            least=int(random.integers(1, tasks + 1)),
            cores=float(random.integers(1, 5)),
            for_s=HOUR_S,
            submit_s=-int(random.integers(0, 2000)),
            priority=int(random.integers(0, 3)),
        )
        for g in range(int(random.integers(4, 25)))
    ]
    world = World(nodes, queues, pending=gangs[: len(gangs) * 2 // 3])
    contest = Contest(world)
    contest.world.plan()
    world.pending += gangs[len(gangs) * 2 // 3 :]
    contest.__post_init__()
    return contest
