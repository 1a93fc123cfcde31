"""Episodes as they are read back: columns, void seconds, reactions and what batch got done.

Always holds: the same files give the same values; void seconds are left out everywhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np

from bench.qos.measured import (
    NEVER_MS,
    Floats,
    harmed_s,
    ratio_interval,
    reacted_s,
    recovered_s,
    share_of_free,
    usual_window_ms,
)
from bench.qos.scenes import ARMS, BY_NAME
from bench.qos.usage import FIELDS
from bench.qos.void import MOST_OTHERS_CORES, void_seconds

Interval = tuple[float, float, float]
"""(low, value, high)."""
HARM_OVER_SOLO = 1.2
BUFFERED_OVER_SOLO = 3.0
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
    def read(cls, line: str, most_others_cores: float = MOST_OTHERS_CORES) -> Self:
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
        for a, b in pairwise(rows):
            if a[0] >= 0 and int(a[0]) not in self.void:
                yield a, b


@dataclass(slots=True)
class Results:
    """All episodes, by scene, arm and load."""

    episodes: list[Episode]

    @classmethod
    def read(cls, files: Sequence[Path], most_others_cores: float = MOST_OTHERS_CORES) -> Self:
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
        return [arm for arm in ARMS if arm in there]

    def loads(self, scene: str) -> list[int]:
        """Loads played in a scene."""
        return sorted({e.told["load"] for e in self.episodes if e.told["scene"] == scene})

    def over_solo(self, scene: str, arm: str, load: int | None, seed: int = 1) -> Interval | None:
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


def written_per_s(episodes: Sequence[Episode]) -> list[float]:
    """What batch got written or sent, a second."""
    return [e.used("done") / e.seconds() for e in episodes if e.seconds() > 1]
