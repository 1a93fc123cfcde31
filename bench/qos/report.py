"""Figures and the table for people, from the results alone.

Always holds: the same files give the same figures; void seconds are left out everywhere and counted.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import say
from bench.qos.measured import (
    NEVER_MS,
    Floats,
    harmed_s,
    median_interval,
    quantile_ms,
    ratio_interval,
    reacted_s,
    recovered_s,
    share_of_free,
    usual_window_ms,
)
from bench.qos.scenes import BY_NAME
from bench.qos.usage import FIELDS
from bench.qos.void import MOST_OTHERS_CORES, void_seconds

HARM_OVER_SOLO = 1.2
BUFFERED_OVER_SOLO = 3.0
CPU_SCENES = ("hogs", "equal_weight", "short_tasks")
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
CORES = os.cpu_count() or 1


@dataclass(slots=True)
class Episode:
    """One record with its columns, and its void seconds."""

    told: dict[str, Any]
    meant_s: Floats
    latency_ms: Floats
    void: dict[int, str]
    cores: int = CORES
    kept: Floats = field(init=False)
    """Latency of the loaded part, without void seconds."""

    def __post_init__(self) -> None:
        seconds = np.floor(self.meant_s).astype(int)
        sound = ~np.isin(seconds, list(self.void)) & (self.meant_s >= 0)
        self.kept = self.latency_ms[sound]

    @classmethod
    def read(cls, line: str, most_others_cores: float = MOST_OTHERS_CORES) -> Episode:
        """One line of the results."""
        told = json.loads(line)
        rows = told["requests"]
        return cls(
            told,
            np.array([row[0] for row in rows], np.float64),
            np.array([NEVER_MS if row[1] is None else row[1] for row in rows], np.float64),
            void_seconds(told["usage"], rows, CORES, most_others_cores=most_others_cores),
        )

    def used(self, name: str) -> float:
        """Growth of a counter over the sound seconds of the loaded part."""
        at = FIELDS.index(name)
        return float(sum(b[at] - a[at] for a, b in self._sound()))

    def seconds(self) -> float:
        """Length of the sound part of the loaded time."""
        return float(sum(b[0] - a[0] for a, b in self._sound()))

    def _sound(self) -> Iterable[tuple[list[float], list[float]]]:
        rows = self.told["usage"]
        for a, b in zip(rows, rows[1:], strict=False):
            if a[0] >= 0 and int(a[0]) not in self.void:
                yield a, b


@dataclass(slots=True)
class Results:
    """All episodes, by scene, arm and load."""

    episodes: list[Episode]

    @classmethod
    def read(cls, files: Sequence[Path], most_others_cores: float = MOST_OTHERS_CORES) -> Results:
        """Reads files of records."""
        lines = [line for file in files for line in file.read_text().splitlines()]
        return cls([Episode.read(line, most_others_cores) for line in lines])

    @property
    def scenes(self) -> list[str]:
        """Names, in the order of the list of scenes."""
        there = {episode.told["scene"] for episode in self.episodes}
        return [name for name in BY_NAME if name in there]

    def of(self, scene: str, arm: str, load: int | None = None) -> list[Episode]:
        """Those of one scene and arm (and load)."""
        return [
            episode
            for episode in self.episodes
            if (episode.told["scene"], episode.told["arm"]) == (scene, arm)
            and load in {None, episode.told["load"]}
        ]

    def arms(self, scene: str) -> list[str]:
        """Arms played in a scene."""
        there = {e.told["arm"] for e in self.episodes if e.told["scene"] == scene}
        return [arm for arm in ("solo", "nothing", "shares", "koordinator", "ours") if arm in there]

    def loads(self, scene: str) -> list[int]:
        """Loads played in a scene."""
        return sorted({e.told["load"] for e in self.episodes if e.told["scene"] == scene})

    def over_solo(
        self, scene: str, arm: str, load: int | None, seed: int = 1
    ) -> tuple[float, float, float] | None:
        """(low, ratio, high) of p99 against warm solo; None where either was not played."""
        ours = [e.kept for e in self.of(scene, arm, load) if len(e.kept)]
        solo = [e.kept for e in self.of(scene, "solo", load) if len(e.kept)]
        return ratio_interval(ours, solo, seed=seed) if ours and solo else None

    def limit_ms(self, scene: str, load: int) -> float | None:
        """Harm begins here: 1.2 x (3 x for buffered writers) what solo's own windows stay below."""
        solo = [
            (e.meant_s, e.latency_ms, e.told["loaded_s"])
            for e in self.of(scene, "solo", load)
            if not e.void
        ]
        times = BUFFERED_OVER_SOLO if scene == "disk_buffered" else HARM_OVER_SOLO
        return times * usual_window_ms(solo) if solo else None


@dataclass(slots=True)
class Reactions:
    """How fast an arm noticed and how fast online was well again, in seconds."""

    detected: list[float] = field(default_factory=list)
    recovered: list[float] = field(default_factory=list)
    harmed: int = 0
    unseen: int = 0
    """Harmed, and no stage was ever raised."""
    early: int = 0
    """A stage stood before the step: it says nothing of reactions."""


def reactions(results: Results, scene: str, arm: str) -> Reactions:
    """Over all sound episodes of one scene and arm."""
    found = Reactions()
    for load in results.loads(scene):
        limit_ms = results.limit_ms(scene, load)
        for episode in results.of(scene, arm, load) if limit_ms else ():
            if not episode.void and limit_ms:
                _react(found, episode, limit_ms, creeps=BY_NAME[scene].creeps)
    return found


def _react(found: Reactions, episode: Episode, limit_ms: float, *, creeps: bool) -> None:
    ticks, until_s = episode.told["ticks"], episode.told["loaded_s"]
    harm_s = harmed_s(episode.meant_s, episode.latency_ms, limit_ms)
    from_s = harm_s if creeps and harm_s is not None else 0.0
    before = [row for row in ticks if row[0] < 0]
    if before and any(before[-1][1:5]):
        found.early += 1
        return
    found.harmed += harm_s is not None
    detected = reacted_s(ticks, from_s, 0.0)
    if detected is not None:
        found.detected.append(detected)
    else:
        found.unseen += harm_s is not None
    found.recovered.append(
        recovered_s(
            episode.meant_s, episode.latency_ms, limit_ms=limit_ms, from_s=from_s, until_s=until_s
        )
    )


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
            arm: [
                found
                for scene in CPU_SCENES
                if scene in results.scenes and (found := results.over_solo(scene, arm, load, seed))
            ]
            for arm in ("nothing", "koordinator", "ours")
        }
        if worst["ours"] or worst["nothing"]:
            _say_ratio(f"p99_over_solo_{load}", *(_worst(worst[a]) for a in worst), goal, seed)
    for scene in results.scenes:
        for load in results.loads(scene):
            found = [
                results.over_solo(scene, a, load, seed) for a in ("nothing", "koordinator", "ours")
            ]
            name, goal = OVER_SOLO.get(scene, (f"{scene}_over_solo", ""))
            at = f"_{load}" if scene in CPU_SCENES else ""
            _say_ratio(name + at, *found, goal, seed)


def _worst(
    found: Sequence[tuple[float, float, float]],
) -> tuple[float, float, float] | None:
    return max(found, key=lambda interval: interval[1]) if found else None


def _say_ratio(
    name: str,
    nothing: tuple[float, ...] | None,
    koordinator: tuple[float, ...] | None,
    ours: tuple[float, ...] | None,
    goal: str,
    seed: int,
) -> None:
    """`value` is ours beside nothing done; the 1 s controller has a line of its own."""
    for suffix, found in (("", ours), ("_koordinator", koordinator)):
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
    if nothing and not ours and not koordinator:
        say("qos", name + "_nothing", nothing, "times warm solo's p99", seed=seed)


def _say_reactions(results: Results, seed: int) -> None:
    detected: list[float] = []
    recovered: list[float] = []
    for scene in results.scenes:
        found = reactions(results, scene, "ours")
        if scene not in {"calm", "kill", *CPU_SCENES} or scene == "equal_weight":
            detected += found.detected
            recovered += found.recovered
        for name, values in (("detect", found.detected), ("recovery", found.recovered)):
            if values:
                say("qos", f"{name}_p50_ms_{scene}", _ms(median_interval(values, seed=seed)), "ms")
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


def _ms(seconds: Iterable[float]) -> list[float]:
    return [value * 1e3 for value in seconds]


def batch_shares(episodes: Sequence[Episode]) -> list[float]:
    """Batch's CPU over cores minus what all others used, for each episode."""
    return [
        share_of_free(
            batch_s=e.used("batch"),
            others_s=e.used("busy") - e.used("batch"),
            cores=e.cores,
            seconds=e.seconds(),
        )
        for e in episodes
        if e.seconds() > 1
    ]


def _say_batch(results: Results, seed: int) -> None:
    shares: dict[str, list[float]] = {arm: [] for arm in ("nothing", "koordinator", "ours")}
    for scene in results.scenes:
        for arm, into in shares.items():
            if scene in CPU_SCENES:
                into += batch_shares(results.of(scene, arm))
        if BY_NAME[scene].counts in {"written", "sent"}:
            rates = {arm: written_per_s(results.of(scene, arm)) for arm in shares}
            for arm in ("ours", "koordinator"):
                if rates[arm] and rates["nothing"]:
                    say(
                        "qos",
                        f"{scene}_batch_rate" + ("" if arm == "ours" else f"_{arm}"),
                        rates[arm],
                        "bytes/s",
                        goal="ratio >=0.3" if scene == "disk_buffered" else "",
                        baseline="nothing done",
                        baseline_values=rates["nothing"],
                    )
    for arm, values in shares.items():
        if values:
            name = "batch_share_of_free" + ("" if arm == "ours" else f"_{arm}")
            goal = ">=0.95" if arm == "ours" else ""
            say("qos", name, median_interval(values, seed=seed), "share", goal=goal, seed=seed)


def written_per_s(episodes: Sequence[Episode]) -> list[float]:
    """What batch got written or sent, a second."""
    return [e.used("done") / e.seconds() for e in episodes if e.seconds() > 1]


def _say_agent(results: Results) -> None:
    ours = [e for e in results.episodes if e.told["arm"] == "ours"]
    seconds = sum(e.seconds() for e in ours)
    if not seconds:
        return
    used = sum(e.used("agent") for e in ours)
    say("qos", "agent_cpu_share", [used / seconds], "of a core", goal="<=0.015")
    cpu = [e for e in ours if e.told["scene"] in {*CPU_SCENES, "doubling", "calm", "fork_bomb"}]
    evicted = sum(len(e.told["evictions"]) for e in cpu)
    say("qos", "evictions_cpu_scenes", [evicted], "evictions", goal="0")
    ticks = [row for e in cpu for row in e.told["ticks"] if row[0] >= 0]
    if ticks:
        frozen = sum(max(row[6], 0) for row in ticks) / len(ticks)
        say("qos", "frozen_share_cpu_scenes", [frozen], "share", goal="<0.01")
    weak = [e for e in ours if e.told["scene"] in {"hogs", "short_tasks", "doubling", "calm"}]
    minutes = sum(e.told["loaded_s"] for e in weak) / 60
    if minutes:
        alarms = sum(_alarms(e.told["ticks"]) for e in weak)
        say("qos", "false_alarms_per_10_min", [alarms / minutes * 10], "alarms", goal="<=1")
    grown = [e for e in ours if e.told["scene"] == "memory_growth"]
    if grown:
        killed = sum(e.told["online_killed"] for e in grown)
        say("qos", "online_oom_killed", [killed], "episodes", goal="0")
    back = [e.told["back_s"] for e in ours if e.told["scene"] == "kill"]
    if known := [value for value in back if value is not None]:
        say("qos", "loop_back_after_kill_s", known, "s", goal="<=3")
    if back:
        say("qos", "loop_never_back", [len(back) - len(known)], "episodes", goal="0")


def _alarms(ticks: Sequence[Sequence[float]]) -> int:
    stages = [max(row[1:5]) >= 2 for row in ticks if row[0] >= 0]
    return sum(b and not a for a, b in zip([False, *stages], stages, strict=False))


def table(results: Results) -> str:
    """The rows for docs/benchmarks.md."""
    lines = [
        "| scene | load | warm solo p99 | nothing done | shares = 2 | 1 s controller | slacktide | "
        "batch: nothing, 1 s, ours | void s |",
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


def _times(found: tuple[float, float, float] | None) -> str:
    return f"{found[1]:.2f} × ({found[0]:.2f}-{found[2]:.2f})" if found else ""


def _batch_cell(episodes: Sequence[Episode], counts: str) -> str:
    if counts in {"written", "sent"}:
        rates = written_per_s(episodes)
        return f"{np.median(rates) / 1e6:.0f} MB/s" if rates else "-"
    shares = batch_shares(episodes) if counts == "cpu" else []
    return f"{np.median(shares):.2f}" if shares else "-"
