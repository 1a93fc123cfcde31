"""Stories told round by round: tests/scenarios/federation_*.txt hold commands and their answers.

    queue NAME [parent= guaranteed= max= weight= lendable=]
    cluster NAME cpu=100                      a member; again: its supply changes
    gang NAME queue=Q cores=8 [data=CLUSTER pinned=1]
    finish NAME                               a gang ends where it runs
    cut NAME / heal NAME                      the network to a cluster
    until T [every=30]                        rounds up to a time; rounds without news are silent
    show                                      who obeys and runs what, by the members' own word

A round's news are the standing of a cluster when its rung changes, and what happens to gangs.
With REWRITE=1 in the environment the expected answers are written anew, to be read in the diff.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from federation.core.dispatch import Gangs
from federation.core.failover import submit
from federation.core.hub import HubState, run_round
from federation.core.member import (
    MemberState,
    finish,
    hear_claims,
    hear_grants,
    may_run,
    quota_cpu_cores,
)
from federation.core.quota_tree import QueueSpec, plant
from federation.core.settings import FederationSettings
from federation.core.supply import ClusterReport

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("federation_*.txt"))


@dataclass
class World:
    """A hub and its members over a network that can be cut."""

    now_s: float = 0.0
    queues: list[QueueSpec] = field(default_factory=list)
    supply: dict[str, float] = field(default_factory=dict)
    members: dict[str, MemberState] = field(default_factory=dict)
    gangs: dict[str, dict[str, str]] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    hub: HubState = field(default_factory=lambda: HubState(listening_since_s=-1e6))
    rungs: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)

    def do(self, words: list[str]) -> Iterator[str]:
        command, name, *rest = [*words, ""]
        said = dict(word.split("=") for word in rest if word)
        match command:
            case "queue":
                self.queues.append(queue_spec(name, said))
            case "cluster":
                self.supply[name] = float(said["cpu"])
                self.members.setdefault(name, MemberState(name))
            case "gang":
                self.gangs[name] = said
                book = submit(self.hub.book, [name], pinned="pinned" in said)
                self.hub = replace(self.hub, book=book)
            case "finish":
                self.members = {at: finish(known, name) for at, known in self.members.items()}
            case "cut":
                self.cut.add(name)
            case "heal":
                self.cut.remove(name)
            case "until":
                yield from self.rounds(float(name), float(said.get("every", 30)))
            case "show":
                yield from self.show()

    def rounds(self, until_s: float, every_s: float) -> Iterator[str]:
        while self.now_s < until_s:
            self.now_s += every_s
            news = list(self.round())
            if news:
                yield f"t={self.now_s:g}"
                yield from (f"    {line}" for line in news)

    def round(self) -> Iterator[str]:
        connected = [name for name in self.members if name not in self.cut]
        done = run_round(
            self.hub,
            [self.report(name) for name in connected],
            tree=plant(self.queues),
            gangs=self.columns(),
            now_s=self.now_s,
            settings=FederationSettings(),
        )
        self.hub = done.state
        for name in connected:
            mine = [grant for grant in done.allocation.grants if grant.cluster == name]
            self.members[name], _ = hear_grants(self.members[name], mine, now_s=self.now_s)
            for claims in done.claims:
                self.members[name], _ = hear_claims(self.members[name], claims, now_s=self.now_s)
        for name, standing in zip(
            done.allocation.shares.clusters, done.allocation.shares.standings, strict=True
        ):
            if self.rungs.get(name) != standing.rung.value:
                self.rungs[name] = standing.rung.value
                yield f"{name} is {standing.rung.value}: {standing.reason}"
        for gang, reason in sorted(done.gang_reasons.items()):
            if self.told.get(gang) != reason:
                self.told[gang] = reason
                yield reason

    def report(self, name: str) -> ClusterReport:
        tree, member = plant(self.queues), self.members[name]
        held = np.zeros(len(tree.leaves))
        for gang in member.gangs:
            held[tree.leaf_names.index(self.gangs[gang]["queue"])] += float(
                self.gangs[gang]["cores"]
            )
        return ClusterReport(
            cluster=name,
            at_s=self.now_s,
            epoch=member.grant_epoch,
            horizons_s=(3600, 86400),
            supply_cpu_cores=np.full(2, self.supply[name]),
            supply_memory_bytes=np.full(2, np.nan),
            forecast_expires_s=self.now_s + 7200,
            queues=tree.leaf_names,
            held_cpu_cores=held,
            demand_cpu_cores=held,
            running=tuple(sorted(member.gangs)),
            finished=tuple(sorted(member.finished)),
        )

    def columns(self) -> Gangs:
        leaves = plant(self.queues).leaf_names
        ids = [gang for gang in self.gangs if gang not in self.hub.book.finished]
        cores = np.array([float(self.gangs[gang]["cores"]) for gang in ids])
        one = np.ones(len(ids), dtype=np.int64)
        return Gangs(
            ids=tuple(ids),
            leaf=np.array([leaves.index(self.gangs[g]["queue"]) for g in ids], dtype=np.int64),
            tasks=one,
            min_available=one,
            cpu_cores=cores,
            memory_bytes=np.zeros(len(ids)),
            duration_s=np.full(len(ids), 1800.0),
            data_cluster=tuple(self.gangs[gang].get("data", "") for gang in ids),
        )

    def show(self) -> Iterator[str]:
        for name, member in self.members.items():
            quota = [
                f"{queue} {cpu_cores:g}"
                for queue in plant(self.queues).leaf_names
                if (cpu_cores := quota_cpu_cores(member, queue, now_s=self.now_s))
            ]
            runs = may_run(member, now_s=self.now_s)
            yield (
                f"{name}: quota {', '.join(quota) or 'none'}; runs {listed(runs)}; "
                f"paused {listed(member.gangs - runs)}"
            )


def listed(gangs: frozenset[str]) -> str:
    return ", ".join(sorted(gangs)) or "none"


def queue_spec(name: str, said: dict[str, str]) -> QueueSpec:
    return QueueSpec(
        name,
        said.get("parent"),
        float(said.get("guaranteed", 0)),
        float(said.get("max", "inf")),
        float(said.get("weight", 1)),
        float(said.get("lendable", 1)),
    )


def retold(text: str) -> str:
    """The scenario with every answer as it is given now: lines that begin with `> ` are asked."""
    world, lines = World(), []
    for line in text.splitlines():
        if line.startswith("> "):
            lines += [line, *world.do(line[2:].split())]
        elif not line or line.startswith("#"):
            lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_story_is_told_as_written(path: Path) -> None:
    told = retold(path.read_text())
    if os.environ.get("REWRITE"):
        path.write_text(told)
    assert told == path.read_text()


def test_there_are_stories() -> None:
    assert SCENARIOS
