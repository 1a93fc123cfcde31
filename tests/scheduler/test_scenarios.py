"""Stories told round by round: tests/scenarios/scheduler_*.txt hold commands and expected answers.

    cluster horizons=1h,8h                 how far the forecast looks
    node NAME cores=8,1 [gib=64,64] [closed=yes]     free for batch through each horizon, from now
    queue NAME [guaranteed=4 max=8 weight=2 parent=NAME]
    gang NAME queue=team tasks=2 [min=1] cores=1 [gib=1] for=1h [priority=1]
    plan at=1h30m                          time passes, a round is planned and carried out

Answers come under `----`: who runs where, who waits and why. With REWRITE=1 in the environment the
answers are written anew, to be read in the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.scheduler.clusters import Gang, Node, Queue, World
from tests.scheduler.transcripts import told

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("scheduler_*.txt"))
UNITS_S = {"h": 3600, "m": 60, "s": 1, "d": 86400}


def seconds(text: str) -> int:
    return sum(int(n) * UNITS_S[unit] for n, unit in re.findall(r"(\d+)([dhms])", text))


def amounts(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


class Story:
    """A world that obeys the commands of one file."""

    def __init__(self) -> None:
        self.world = World([], [])

    def tell(self, line: str) -> list[str]:
        """Obey one command; the answer's lines."""
        verb, *words = line.split()
        values = dict(word.split("=") for word in words if "=" in word)
        name = words[0]
        if verb == "cluster":
            self.world.horizons_s = tuple(seconds(part) for part in values["horizons"].split(","))
        elif verb == "node":
            self.node(name, values)
        elif verb == "queue":
            self.world.queues.append(self.queue(name, values))
        elif verb == "gang":
            self.world.submit(self.gang(name, values))
        elif verb == "plan":
            return self.plan(seconds(values["at"]))
        else:
            raise ValueError(f"no such command: {line}")
        return []

    def node(self, name: str, values: dict[str, str]) -> None:
        node = Node(
            name,
            amounts(values["cores"]),
            amounts(values.get("gib", "1000")),
            is_open="closed" not in values,
        )
        names = [known.name for known in self.world.nodes]
        if name in names:
            self.world.nodes[names.index(name)] = node
        else:
            self.world.nodes.append(node)

    def queue(self, name: str, values: dict[str, str]) -> Queue:
        return Queue(
            name,
            float(values.get("guaranteed", "0")),
            float(values.get("max", "inf")),
            float(values.get("weight", "1")),
            values.get("parent", ""),
        )

    def gang(self, name: str, values: dict[str, str]) -> Gang:
        return Gang(
            name,
            values["queue"],
            tasks=int(values["tasks"]),
            least=int(values.get("min", "0")),
            cores=float(values["cores"]),
            gib=float(values.get("gib", "1")),
            for_s=seconds(values["for"]),
            priority=int(values.get("priority", "0")),
        )

    def plan(self, at_s: int) -> list[str]:
        self.world.pass_time(at_s)
        asked, nodes = list(self.world.pending), self.world.nodes
        outcome = self.world.plan()
        said = []
        for placement in outcome.placements:
            where = ", ".join(
                f"{nodes[node].name} x {count}"
                for node, count in zip(placement.nodes, placement.count, strict=True)
            )
            said += [f"{asked[placement.gang].name} runs: {where}"]
            said += [f"    {outcome.reason(placement.gang)}"]
        for gang in outcome.pending.tolist():
            said += [f"{asked[gang].name} {outcome.blocked(gang)}", f"    {outcome.reason(gang)}"]
        return said


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_story_goes_as_written(path: Path) -> None:
    text = path.read_text()
    answer = told(Story().tell, text)
    if os.environ.get("REWRITE"):
        path.write_text(answer)
    assert answer == text


def test_there_are_stories_and_each_has_answers() -> None:
    assert SCENARIOS
    assert all("----\n" in path.read_text() for path in SCENARIOS)
