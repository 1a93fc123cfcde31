"""Figures and the table for people, from the results alone.

Always holds: the same files give the same figures; what was dropped as void is counted beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bench.figures import say
from bench.qos.measured import median_interval, quantile_ms
from bench.qos.results import Episode, Interval, Results, batch_shares, reactions, written_per_s
from bench.qos.scenes import BY_NAME

BESIDE = ("nothing", "koordinator", "ours")
CPU_SCENES = ("hogs", "equal_weight", "short_tasks")
HURTING = (
    "equal_weight",
    "fork_bomb",
    "disk_buffered",
    "disk_direct",
    "memory_growth",
    "page_cache_thrash",
    "network_flood",
)
"""Scenes where online is hurt when nothing is done: reactions are those to these."""
OVER_SOLO = {
    "disk_direct": ("disk_direct_over_solo", "<=1.3"),
    "disk_buffered": ("disk_buffered_over_solo", "<=3"),
    "memory_growth": ("memory_over_solo", "<=2"),
    "network_flood": ("network_over_solo", "<=1.3"),
    "fork_bomb": ("fork_bomb_over_solo", "<=1.1"),
    "page_cache_thrash": ("page_cache_over_solo", ""),
    "doubling": ("doubling_over_solo", "<=1.1"),
    "kill": ("kill_over_solo", ""),
}


def say_figures(results: Results, seed: int) -> None:
    """Prints the figures that the issue names, and those that explain them."""
    _say_p99(results, seed)
    _say_reactions(results, seed)
    _say_batch(results, seed)
    _say_agent(results)
    void = Counter(reason for e in results.episodes for reason in e.void.values())
    for reason in ("steal", "others", "client late"):
        say("qos", f"void_seconds_{reason.replace(' ', '_')}", [void[reason]], "s")


def _say_p99(results: Results, seed: int) -> None:
    for load, goal in ((60, "<=1.1"), (70, "<=1.2"), (40, "<=1.1"), (20, "<=1.1")):
        worst = {
            arm: _worst([results.over_solo(scene, arm, load, seed) for scene in CPU_SCENES])
            for arm in BESIDE
        }
        _say_ratio(f"p99_over_solo_{load}", worst, goal, seed)
    for scene in results.scenes:
        name, goal = OVER_SOLO.get(scene, (f"{scene}_over_solo", ""))
        for load in results.loads(scene):
            found = {arm: results.over_solo(scene, arm, load, seed) for arm in BESIDE}
            _say_ratio(f"{name}_{load}" if scene in CPU_SCENES else name, found, goal, seed)


def _worst(found: Sequence[Interval | None]) -> Interval | None:
    known = [interval for interval in found if interval]
    return max(known, key=lambda interval: interval[1]) if known else None


def _say_ratio(name: str, by_arm: dict[str, Interval | None], goal: str, seed: int) -> None:
    """`value` is ours beside nothing done; the 1 s controller has a line of its own."""
    nothing = by_arm["nothing"]
    if not by_arm["ours"] and not by_arm["koordinator"]:
        if nothing:
            say("qos", f"{name}_nothing", nothing, "times warm solo's p99", seed=seed)
        return
    for suffix, found in (("", by_arm["ours"]), ("_koordinator", by_arm["koordinator"])):
        if found:
            say(
                "qos",
                name + suffix,
                found,
                "times warm solo's p99",
                goal="" if suffix else goal,
                baseline="nothing done" if nothing else "",
                baseline_values=nothing or (),
                seed=seed,
            )


def _say_reactions(results: Results, seed: int) -> None:
    detected: list[float] = []
    recovered: list[float] = []
    for scene in results.scenes:
        found = reactions(results, scene, "ours")
        if scene in HURTING:
            detected += found.detected
            recovered += found.recovered
        for name, values in (("detect", found.detected), ("recovery", found.recovered)):
            if values:
                interval = [value * 1e3 for value in median_interval(values, seed=seed)]
                say("qos", f"{name}_p50_ms_{scene}", interval, "ms", seed=seed)
        if found.unseen:
            say("qos", f"harmed_unseen_{scene}", [found.unseen], "episodes")
        if found.early:
            say("qos", f"stage_before_step_{scene}", [found.early], "episodes")
    for name, values, goals in (
        ("detect", detected, {50: "<=50", 99: "<=150"}),
        ("recovery", recovered, {50: "<=250", 95: "<=500"}),
    ):
        for percent, goal in goals.items() if values else ():
            value = float(np.quantile(values, percent / 100)) * 1e3
            say("qos", f"{name}_p{percent}_ms", [value], "ms", goal=goal, seed=seed)


def _say_batch(results: Results, seed: int) -> None:
    played = [scene for scene in CPU_SCENES if scene in results.scenes]
    for arm in BESIDE:
        values = [share for scene in played for share in batch_shares(results.of(scene, arm))]
        if values:
            name = "batch_share_of_free" + ("" if arm == "ours" else f"_{arm}")
            goal = ">=0.95" if arm == "ours" else ""
            say("qos", name, median_interval(values, seed=seed), "share", goal=goal, seed=seed)
    for scene in results.scenes:
        if BY_NAME[scene].counts in {"written", "sent"}:
            _say_rates(results, scene)


def _say_rates(results: Results, scene: str) -> None:
    nothing = written_per_s(results.of(scene, "nothing"))
    for arm in ("ours", "koordinator"):
        rates = written_per_s(results.of(scene, arm))
        if rates and nothing:
            say(
                "qos",
                f"{scene}_batch_rate" + ("" if arm == "ours" else f"_{arm}"),
                rates,
                "bytes/s",
                goal="ratio >=0.3" if (scene, arm) == ("disk_buffered", "ours") else "",
                baseline="nothing done",
                baseline_values=nothing,
            )


def _say_agent(results: Results) -> None:
    ours = [e for e in results.episodes if e.told["arm"] == "ours"]
    seconds = sum(e.seconds() for e in ours)
    if seconds:
        used = sum(e.used("agent") for e in ours)
        say("qos", "agent_cpu_share", [used / seconds], "of a core", goal="<=0.015")
    _say_calm(ours)
    grown = [e for e in ours if e.told["scene"] == "memory_growth"]
    if grown:
        killed = sum(e.told["online_killed"] for e in grown)
        say("qos", "online_oom_killed", [killed], "episodes", goal="0")
    back = [e.told["back_s"] for e in ours if e.told["scene"] == "kill"]
    if known := [value for value in back if value is not None]:
        say("qos", "loop_back_after_kill_s", known, "s", goal="<=3")
    if back:
        say("qos", "loop_never_back", [len(back) - len(known)], "episodes", goal="0")


def _say_calm(ours: Sequence[Episode]) -> None:
    """What a CPU scene must not cost: evictions, frozen time, stages where a weight does."""
    cpu = [e for e in ours if e.told["scene"] in {*CPU_SCENES, "doubling", "calm", "fork_bomb"}]
    if not cpu:
        return
    evicted = sum(len(e.told["evictions"]) for e in cpu)
    say("qos", "evictions_cpu_scenes", [evicted], "evictions", goal="0")
    frozen = [max(row[6], 0) for e in cpu for row in e.told["ticks"] if row[0] >= 0]
    if frozen:
        share = sum(frozen) / len(frozen)
        say("qos", "frozen_share_cpu_scenes", [share], "share", goal="<0.01")
    weak = [e for e in cpu if e.told["scene"] in {"hogs", "short_tasks", "doubling", "calm"}]
    if minutes := sum(e.told["loaded_s"] for e in weak) / 60:
        alarms = sum(_alarms(e.told["ticks"]) for e in weak)
        say("qos", "false_alarms_per_10_min", [alarms / minutes * 10], "alarms", goal="<=1")


def _alarms(ticks: Sequence[Sequence[float]]) -> int:
    stages = [max(row[1:5]) >= 2 for row in ticks if row[0] >= 0]
    return sum(b and not a for a, b in pairwise([False, *stages]))


def table(results: Results) -> str:
    """The rows for docs/benchmarks.md."""
    lines = [
        (
            "| scene | load | warm solo p99 | nothing done | shares = 2 | 1 s controller "
            "| slacktide | batch: nothing, 1 s, ours | void s |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for scene in results.scenes:
        for load in results.loads(scene):
            episodes = [e for e in results.episodes if e.told["scene"] == scene]
            solo = quantile_ms([e.kept for e in results.of(scene, "solo", load)])
            cells = [
                _times(results.over_solo(scene, arm, load))
                for arm in ("nothing", "shares", "koordinator", "ours")
            ]
            batch = ", ".join(
                _batch_cell(results.of(scene, arm, load), BY_NAME[scene].counts)
                for arm in ("nothing", "koordinator", "ours")
            )
            void = sum(len(e.void) for e in episodes if e.told["load"] == load)
            at = f"{load} %" if load else f"{episodes[0].told['rate_per_s']:.0f}/s"
            lines.append(
                f"| {scene} | {at} | {solo:.1f} ms | {' | '.join(cells)} | {batch} | {void} |"
            )
    return "\n".join(lines) + "\n"


def _times(found: Interval | None) -> str:
    return f"{found[1]:.2f} x ({found[0]:.2f}-{found[2]:.2f})" if found else ""


def _batch_cell(episodes: Sequence[Episode], counts: str) -> str:
    if counts in {"written", "sent"}:
        rates = written_per_s(episodes)
        return f"{np.median(rates) / 1e6:.0f} MB/s" if rates else "-"
    shares = batch_shares(episodes) if counts == "cpu" else []
    return f"{np.median(shares):.2f}" if shares else "-"
