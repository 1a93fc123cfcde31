"""Evictions: do they come to an end, how much more than needed goes, how long a choice takes.

python -m bench.victims [--instances N] [--quick]

Instances are the tests' own: random queues with guarantees, gangs that never end, no cool-down.
Needed is the least number of cores whose eviction would do, each instance's own optimum.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import click
import numpy as np

from bench.figures import say
from scheduler.core.evict import Eviction, EvictionSettings
from scheduler.core.fit import Room, Task
from scheduler.core.harm import RunningGangs, RunningTasks, stakes
from scheduler.core.least_harm import Need, least_harm
from scheduler.core.queues import TOP, QueueTree
from tests.scheduler.contested import contests


@click.command()
@click.option("--instances", type=int, default=10_000, show_default=True)
@click.option("--quick", is_flag=True)
def main(instances: int, quick: bool) -> None:
    """Measure and print the figures."""
    tally = Tally()
    for seed in range(300 if quick else instances):
        contest = contests(seed)
        contest.watch = tally.add
        if contest.until_quiet(EvictionSettings(cool_down_s=0)) is None:
            tally.endless += 1
        tally.instances += 1
    say("victims", "instances", [tally.instances], "instances")
    say("victims", "evictions", [tally.evictions], "evictions")
    say("victims", "endless", [tally.endless], "instances", goal="0")
    say("victims", "proven_share", [tally.proven / max(tally.evictions, 1)], "share")
    say(
        "victims",
        "evicted_over_needed",
        [tally.evicted_cores],
        "cores",
        goal="ratio <=1.1",
        baseline="the fewest cores that would do",
        baseline_values=[tally.needed_cores],
    )
    for nodes in (100, 1000):
        need = large(nodes)
        begun_s = time.process_time()
        found = least_harm(need)
        took_s = time.process_time() - begun_s
        say("victims", f"seconds_{nodes}_nodes", [took_s], "s")
        if found is not None:
            evicted = float((found.evicted * need.stakes.running.cpu_cores).sum())
            needed = need.tasks * need.task.cpu_cores
            say(
                "victims",
                f"evicted_over_asked_{nodes}_nodes",
                [evicted],
                "cores",
                baseline="the cores asked for, none of which is free",
                baseline_values=[needed],
            )


@dataclass
class Tally:
    """What the instances came to."""

    instances: int = 0
    endless: int = 0
    evictions: int = 0
    proven: int = 0
    evicted_cores: float = 0.0
    needed_cores: float = 0.0

    def add(self, found: Eviction) -> None:
        """One eviction, beside the fewest cores that would have done."""
        need, evicted, proven = found.need, found.victims.evicted, found.victims.proven
        cores = need.stakes.running.cpu_cores
        fewest = least_harm(replace(need, stakes=replace(need.stakes, harm_core_s=cores)))
        if fewest is not None:
            self.evictions += 1
            self.proven += proven
            self.evicted_cores += float((evicted * cores).sum())
            self.needed_cores += fewest.harm_core_s


def large(nodes: int) -> Need:
    """A full cluster of 16-core nodes, four bundles each, and a gang that needs 5 % of it."""
    random = np.random.default_rng(1)
    bundles, gangs = 4 * nodes, nodes
    gang = random.integers(0, gangs, bundles)
    tree = QueueTree(("q",), np.array([TOP]), np.zeros(1), np.full(1, np.inf), np.ones(1))
    return Need(
        Task(4.0, 4e9, 0),
        nodes // 5,
        Room(np.zeros((1, nodes)) + 1e-6, np.zeros((1, nodes)) + 1.0),
        stakes(
            RunningGangs(
                ids=tuple(f"g{g}" for g in range(gangs)),
                queue=np.zeros(gangs, np.int64),
                priority=np.zeros(gangs, np.int64),
                min_available=random.integers(1, 4, gangs),
                may_lose=np.full(gangs, 1000),
                evicted_s=np.full(gangs, -(10**9)),
            ),
            RunningTasks(
                gang=gang,
                node=np.repeat(np.arange(nodes), 4),
                tasks=np.full(bundles, 2),
                cpu_cores=np.full(bundles, 2.0),
                memory_bytes=np.full(bundles, 2e9),
                end_s=np.full(bundles, 10**6),
                saved_s=random.integers(0, 90_000, gangs)[gang],
            ),
            may_go=np.ones(gangs, np.bool_),
            spare_cores=np.full(1, np.inf),
            tree=tree,
            horizons_s=np.array([3600]),
            now_s=100_000,
            restart_s=60,
        ),
        np.zeros(1),
    )


if __name__ == "__main__":
    main()
