"""The planner alone: how long a round takes, how that grows, and how much memory it needs.

python -m bench.planner [--seed N] [--runs N] [--quick]

Seconds are of one core (CPU time of a process of its own), from node labels, taints and pods' rules
to the plan. --quick leaves out the larger sizes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import click

from bench._generated_cluster import generated
from bench.figures import say
from scheduler.core.plan import plan


@click.command()
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--runs", type=int, default=3, show_default=True)
@click.option("--quick", is_flag=True)
@click.option("--one", type=int, hidden=True)
def main(seed: int, runs: int, quick: bool, one: int | None) -> None:
    """Measure and print the figures."""
    if one is not None:
        print(json.dumps(_round(one, seed)))
        return
    small = [_apart(10_000, seed + run) for run in range(runs)]
    _tell("10k", small, seed, seconds="<=1", gib="<=2")
    if quick:
        return
    middle = [_apart(30_000, seed + run) for run in range(runs)]
    _tell("30k", middle, seed)
    large = [_apart(100_000, seed + run) for run in range(runs)]
    _tell("100k", large, seed, seconds="<=15", gib="<=2")
    _grew(3, middle, small, seed)
    _grew(10, large, small, seed)


def _grew(
    times: int, larger: list[dict[str, float]], smaller: list[dict[str, float]], seed: int
) -> None:
    say(
        "planner",
        f"growth_{times}x",
        [found["seconds"] for found in larger],
        "s",
        goal=f"ratio about {times}",
        baseline=f"1/{times} of the tasks over 1/{times} of the nodes",
        baseline_values=[found["seconds"] for found in smaller],
        seed=seed,
    )


def _tell(
    size: str, rounds: list[dict[str, float]], seed: int, *, seconds: str = "", gib: str = ""
) -> None:
    of = f"{size}_tasks_{size}_nodes"
    for figure, unit, goal in (("seconds", "s", seconds), ("peak_rss_gib", "GiB", gib)):
        values = [found[figure] for found in rounds]
        say("planner", f"{figure}_{of}", values, unit, goal=goal, seed=seed)
    for figure, unit in (("compile_seconds", "s"), ("placed_share", "share"), ("gangs", "gangs")):
        say("planner", f"{figure}_{of}", [found[figure] for found in rounds], unit, seed=seed)


def _apart(size: int, seed: int) -> dict[str, float]:
    """One round in a process of its own, whose memory is the round's alone."""
    asked = [sys.executable, "-m", "bench.planner", "--one", str(size), "--seed", str(seed)]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True)  # noqa: S603  own file
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def _round(size: int, seed: int) -> dict[str, float]:
    given = generated(nodes=size, tasks=size, seed=seed)
    begun_s = time.process_time()
    snapshot = given.snapshot()
    compiled_s = time.process_time()
    made = plan(snapshot, now_s=3600)
    ended_s = time.process_time()
    placed = sum(placement.tasks for placement in made.placements)
    return {
        "seconds": ended_s - begun_s,
        "compile_seconds": compiled_s - begun_s,
        "peak_rss_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "placed_share": placed / given.tasks,
        "gangs": len(given.rules),
    }


if __name__ == "__main__":
    main()
