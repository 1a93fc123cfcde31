"""Placement quality: recorded gangs on recorded nodes, in virtual time, beside simpler policies.

python -m bench.placement [--traces DIR] [--load SHARE ...] [--seed N] [--quick]

Gangs of jobs-alibaba2017 (capped at 1,000 tasks) and of jobs-metacentrum2013 on the nodes of
gpu-openb2023, drawn by the seed until the gangs of the window ask for a load (0.8, 1.0 and 1.2 of
the cores or of the memory, whichever is scarcer). Each round calls the real planner; all policies
get the same rounds and the same predictions, made from gangs that have finished. The baseline is
first-fit gang FIFO; FIFO that skips who does not fit, and EASY backfilling, are printed beside it.
Utilisation is of the time gangs are submitted in; how long all of them took is printed as well.
`true` figures tell the planner how long each gang will really run: a bound, not a result.

Then moments of the replays are held against CP-SAT's proven optimum (`_round_optimum.py`).
--quick replays shorter windows at one load.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from bench._gang_policies import Easy, Fifo, Planner, Skip
from bench._gang_traces import Window, setting_of
from bench._round_optimum import Gaps, Watched, gaps, instances
from bench._virtual_cluster import Policy, Replay, Setting, is_large
from bench.figures import say

LOADS = (0.8, 1.0, 1.2)
NODES = "gpu-openb2023"


@dataclass(frozen=True, slots=True)
class Part:
    """How much of a trace is replayed, and on how many nodes an instance lies."""

    trace: str
    hours: float
    quick_hours: float
    spacing_s: int
    nodes: int


PARTS = (
    Part("jobs-alibaba2017", hours=6, quick_hours=2, spacing_s=10, nodes=32),
    Part("jobs-metacentrum2013", hours=24 * 28, quick_hours=24 * 10, spacing_s=60, nodes=12),
)
PEERS: dict[str, Callable[[], Policy]] = {"skip": Skip, "easy": Easy}


@click.command()
@click.option("--traces", type=click.Path(path_type=Path), default="../shared/traces")
@click.option("--load", "loads", type=float, multiple=True, default=LOADS, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--quick", is_flag=True)
def main(traces: Path, loads: tuple[float, ...], seed: int, quick: bool) -> None:
    """Replay and print the figures."""
    for part in PARTS:
        window = Window(
            traces / part.trace, part.quick_hours if quick else part.hours, part.spacing_s
        )
        for load in loads[1:2] or loads if quick else loads:
            setting, left_out = setting_of(window, traces / NODES, load=load, seed=seed)
            name = f"{part.trace.removeprefix('jobs-')}_load_{load:g}"
            watched = Watched(Planner(), [])
            _replayed(setting, watched, name, left_out, seed)
            _optimum(setting, watched, part, name, seed, many=4 if quick else 12)


def _replayed(setting: Setting, ours: Policy, name: str, left_out: int, seed: int) -> None:
    for figure, value, unit in (
        ("nodes", len(setting.cpu_cores), "nodes"),
        ("gangs", len(setting.queue), "gangs"),
        ("gangs_left_out", left_out, "gangs"),
    ):
        say("placement", f"{figure}_{name}", [value], unit, seed=seed)
    begun_s = time.process_time()
    planned = Replay(setting, ours).run()
    took_s = time.process_time() - begun_s
    fifo = Replay(setting, Fifo()).run()
    _beside(planned, fifo, name, "first-fit gang FIFO", seed, goals=True)
    for peer, policy in PEERS.items():
        _beside(planned, Replay(setting, policy()).run(), f"{name}_vs_{peer}", peer, seed)
    told = Replay(replace(setting, true_durations=True), Planner()).run()
    _beside(told, fifo, f"{name}_true", "first-fit gang FIFO", seed)
    ms = 1e3 * took_s / max(planned.rounds, 1)
    say("placement", f"ms_a_round_{name}", [ms], "ms", seed=seed)


def _beside(
    ours: Replay, other: Replay, name: str, baseline: str, seed: int, *, goals: bool = False
) -> None:
    mine, theirs = ours.waits_s(), other.waits_s()
    large = is_large(ours.setting.jobs)
    for figure, value, beside, unit, goal in (
        ("mean_wait", mine.mean(), theirs.mean(), "s", "ratio <=0.8"),
        ("utilisation", ours.utilisation(), other.utilisation(), "share", "ratio >=1"),
        ("time_to_the_last_end", ours.makespan_s(), other.makespan_s(), "s", ""),
        ("p99_wait", np.quantile(mine, 0.99), np.quantile(theirs, 0.99), "s", ""),
        ("max_wait", mine.max(), theirs.max(), "s", ""),
        ("mean_wait_of_the_largest_1pct", mine[large].mean(), theirs[large].mean(), "s", ""),
    ):
        say(
            "placement",
            f"{figure}_{name}",
            [float(value)],
            unit,
            goal=goal if goals else "",
            baseline=baseline,
            baseline_values=[float(beside)],
            seed=seed,
        )


def _optimum(
    setting: Setting, watched: Watched, part: Part, name: str, seed: int, *, many: int
) -> None:
    drawn = instances(setting, watched, many=many, nodes=part.nodes, seed=seed)
    found: list[Gaps] = [gaps(snapshot, now_s=now_s, bound=True) for snapshot, now_s in drawn]
    say("placement", f"instances_{name}", [len(found)], "instances", seed=seed)
    if not found:
        return
    turns = [gap.in_turn for gap in found]
    bounds = [gap.any for gap in found if gap.any is not None]
    for figure, values, goal in (
        ("mean_gap_to_optimum_in_turn", [float(np.mean(turns))], "<=0.02"),
        ("worst_gap_to_optimum_in_turn", [max(turns)], ""),
        ("mean_gap_to_any_set_of_gangs", [float(np.mean(bounds))] if bounds else [], ""),
    ):
        if values:
            say("placement", f"{figure}_{name}", values, "share", goal=goal, seed=seed)


if __name__ == "__main__":
    main()
