"""Stories told tick by tick: tests/scenarios/qos_*.txt hold commands and the answers expected.

    node cores=64 [setting=value ...]      a new node; its settings, where they are not the default
    task NAME cores=4 [gib=1 age=60 gang=g slack=0 members=1]
    run for=0.2 every=0.05 online=30 offline=40 [full= harm= slow= requests= memory= io= system=]
    silence for=40 every=5                 no new sample comes

`offline` is what offline wants: it uses that, but at most its quota, and nothing while frozen.
`full` is online's stall whatever offline does; `harm` is its stall while offline runs, else none.
`run` prints the ticks at which something but the quota changes, and the last one.
With REWRITE=1 in the environment the expected answers are written anew, to be read in the diff.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from qos_controller.core.decide import decide
from qos_controller.core.decision import Decision, Evict, Freeze, SetOpen
from qos_controller.core.settings import Settings
from qos_controller.core.signals import OfflineTask, Signals
from qos_controller.core.state import STAGE_NAMES, NodeState, begin

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("qos_*.txt"))
GIB = 2**30


@dataclass
class Node:
    """A node that does what it is told: offline stops when frozen, and leaves when evicted."""

    settings: Settings
    cores: float
    state: NodeState
    now_s: float = 0.0
    tasks: list[OfflineTask] = field(default_factory=list)

    def used_by_offline(self, wanted_cores: float) -> float:
        frozen = self.now_s < self.state.ladder.frozen_until_s
        return 0.0 if frozen else min(wanted_cores, self.state.quota_cores)

    def signals(self, values: dict[str, float], every_s: float) -> Signals:
        offline_used_cores = self.used_by_offline(values["offline"])
        self.now_s = round(self.now_s + every_s, 6)
        memory = values.get("memory")
        harm = values.get("harm", 0.0) if offline_used_cores else 0.0
        return Signals(
            sampled_s=self.now_s,
            covered_s=every_s,
            capacity_cores=self.cores,
            online_used_cores=values["online"],
            offline_used_cores=offline_used_cores,
            system_used_cores=values.get("system", 0.0),
            online_full_share=values.get("full", harm),
            io_pressure_share=values.get("io"),
            requests=int(values["requests"]) if "requests" in values else None,
            slow_requests=int(values.get("slow", 0)),
            memory_used_bytes=memory * GIB if memory is not None else None,
            memory_capacity_bytes=100.0 * GIB,
            offline_held_cores=sum(task.cpu_cores for task in self.tasks),
            offline_tasks=tuple(self.tasks),
        )

    def obey(self, decision: Decision) -> None:
        self.state = decision.state
        gone = {action.task for action in decision.actions if isinstance(action, Evict)}
        self.tasks = [task for task in self.tasks if task.task not in gone]


def told(node: Node, decision: Decision) -> str:
    words = [f"t={node.now_s:g}", STAGE_NAMES[node.state.ladder.stage]]
    for action in decision.actions:
        match action:
            case Freeze(until_s):
                words.append(f"freeze-until={until_s:g}")
            case Evict(task):
                words.append(f"evict={task}")
            case SetOpen(is_open):
                words.append("open" if is_open else "close")
            case _:
                words.append(f"quota={node.state.quota_cores:.2f}")
    return f"{' '.join(words)}\n    {decision.reason}"


def is_worth_telling(before: NodeState, decision: Decision) -> bool:
    changed_stage = decision.state.ladder.stage != before.ladder.stage
    return changed_stage or any(
        isinstance(action, Freeze | Evict | SetOpen) for action in decision.actions
    )


def run(node: Node, values: dict[str, float], *, silent: bool) -> Iterator[str]:
    ticks = round(values["for"] / values["every"])
    last = Signals(
        sampled_s=node.state.sampled_s,
        capacity_cores=node.cores,
        online_used_cores=0.0,
        offline_used_cores=0.0,
    )
    for tick in range(1, ticks + 1):
        if silent:
            node.now_s += values["every"]
        signals = last if silent else node.signals(values, values["every"])
        before = node.state
        decision = decide(signals, before, node.now_s, node.settings)
        node.obey(decision)
        if tick == ticks or is_worth_telling(before, decision):
            yield told(node, decision)


def make_node(values: dict[str, float]) -> Node:
    cores = values.pop("cores")
    named: dict[str, Any] = values  # every setting that a story names is a number
    settings = replace(Settings(), **named)
    return Node(settings, cores, begin(capacity_cores=cores, now_s=0.0, settings=settings))


def make_task(name: str, words: dict[str, str], now_s: float) -> OfflineTask:
    return OfflineTask(
        task=name,
        cpu_cores=float(words["cores"]),
        memory_bytes=float(words.get("gib", "1")) * GIB,
        started_s=now_s - float(words.get("age", "60")),
        gang=words.get("gang", ""),
        gang_slack=int(words.get("slack", "0")),
        gang_members=int(words.get("members", "1")),
    )


def answers(text: str) -> Iterator[str]:
    """The transcript with each command followed by what really happens."""
    node = make_node({"cores": 1.0})
    for line in text.splitlines():
        command, *rest = line.split() or [""]
        if command not in {"node", "task", "run", "silence"}:
            if line.startswith("#") or not line:
                yield line
            continue
        yield line
        words = dict(word.split("=") for word in rest if "=" in word)
        if command == "node":
            node = make_node({key: float(value) for key, value in words.items()})
        elif command == "task":
            node.tasks.append(make_task(rest[0], words, node.now_s))
        else:
            values = {key: float(value) for key, value in words.items()}
            yield "----"
            yield from run(node, values, silent=command == "silence")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_story_goes_as_it_is_told(path: Path) -> None:
    expected = path.read_text()
    actual = "\n".join(answers(expected)) + "\n"
    if os.environ.get("REWRITE"):
        path.write_text(actual)
    assert actual == expected


def test_the_stories_are_there() -> None:
    assert len(SCENARIOS) >= 7
