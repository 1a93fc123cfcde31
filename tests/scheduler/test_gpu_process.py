"""Stories of pods that share GPUs, through the planner's memory: tests/scenarios/gpu_*.txt.

    node NAME gpus=8 [model=V100] [gib=16] [cores=4] [broken=3]     comes, or is another now
    gang NAME tasks=2 milli=500 [gib=8] [model=V100]     its pods come
    done POD                       a pod has ended
    killed                         the planner; another one begins and reads pods alone
    round                          one is planned and carried out by the API server

Answers come under `----`: each pod's node and devices, who waits, and what each node has left.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import msgspec
import pytest

from scheduler.adapters.release import binding, release
from scheduler.core.member import Decision, Member
from slacktide.contract import (
    ANNOTATION_DECISION,
    ANNOTATION_GPU_DEVICES,
    ANNOTATION_GPU_MODEL,
    RESOURCE_GPU_MEMORY,
    RESOURCE_GPU_MILLI,
)
from slacktide.kube.cache import Change
from slacktide.kube.objects import Node, Pod
from tests.scheduler.boards import NOW_S, Planner, batch_pod, selling_node
from tests.scheduler.transcripts import told

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("gpu_*.txt"))


class Story:
    """A planner and an API server that obey the commands of one file."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.planner = Planner([], [])

    def tell(self, line: str) -> list[str]:
        verb, *words = line.split()
        values = dict(word.split("=") for word in words if "=" in word)
        if verb == "node":
            self.node(words[0], values)
        elif verb == "gang":
            for k in range(int(values["tasks"])):
                self.planner.sees(self.pod(words[0], k, values))
        elif verb == "done":
            pod = self.planner.pods[f"uid-{words[0]}"]
            status = msgspec.structs.replace(pod.status, phase="Succeeded")
            self.planner.sees(msgspec.structs.replace(pod, status=status))
        elif verb == "killed":
            pods = list(self.planner.pods.values())
            self.planner = Planner(list(self.nodes.values()), pods, run="b")
        elif verb == "round":
            return self.round()
        else:
            raise ValueError(f"no such command: {line}")
        return []

    def node(self, name: str, values: dict[str, str]) -> None:
        says = {"count": int(values["gpus"]), "memory": values.get("gib", "16") + "Gi"}
        broken = [int(index) for index in values["broken"].split(",")] if "broken" in values else []
        text = json.dumps({"model": values.get("model", "V100"), **says, "broken": broken})
        milli = int(values.get("cores", "64")) * 1_000
        self.nodes[name] = selling_node(name, milli=milli, gpus=text)
        self.planner.board.nodes_changed([Change(None, self.nodes[name])])

    def pod(self, gang: str, k: int, values: dict[str, str]) -> Pod:
        wants = {RESOURCE_GPU_MILLI: values["milli"]}
        if "gib" in values:
            wants[RESOURCE_GPU_MEMORY] = values["gib"] + "Gi"
        notes = {ANNOTATION_GPU_MODEL: values["model"]} if "model" in values else {}
        return batch_pod(
            f"{gang}-{k}",
            gang=gang,
            least=int(values["tasks"]),
            after_s=len(self.planner.pods),
            wants=wants,
            annotations=notes,
        )

    def round(self) -> list[str]:
        outcome = asyncio.run(self.planner.rounds.once(now_s=NOW_S, steady_s=NOW_S))
        said = []
        for placed in outcome.placed:
            members = sorted(placed.members, key=lambda member: member.name)
            said += [self.carried_out(one) for one in members]
        said += sorted(f"{waits.gang.name} {waits.reason}" for waits in outcome.waits)
        return said + [self.left(name) for name in self.nodes]

    def carried_out(self, one: Member) -> str:
        """The API server takes the patch; the watch tells of it."""
        assert one.decision is not None
        pod = self.planner.pods[one.uid]
        patch = {
            operation["path"].rpartition("/")[2]: operation.get("value")
            for operation in release(pod, one, one.decision, pin=True)
        }
        devices = patch[ANNOTATION_GPU_DEVICES.replace("/", "~1")]
        notes = dict(pod.metadata.annotations or {})
        notes[ANNOTATION_DECISION] = str(patch[ANNOTATION_DECISION.replace("/", "~1")])
        meta = msgspec.structs.replace(pod.metadata, annotations=notes)
        spec = msgspec.structs.replace(pod.spec, scheduling_gates=(), node_name=one.node)
        self.planner.sees(msgspec.structs.replace(pod, metadata=meta, spec=spec))
        return f"{one.name} on {one.node}: GPU {devices}"

    def left(self, name: str) -> str:
        columns = self.planner.board.nodes.gpus.columns({name: 0})
        assert columns is not None
        gib = [round(bytes_ / 2**30, 1) for bytes_ in columns.free_bytes[0].tolist()]
        return f"{name} has {columns.free_milli[0].tolist()} milli, {gib} GiB"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_story_goes_as_written(path: Path) -> None:
    text = path.read_text()
    answer = told(Story().tell, text)
    if os.environ.get("REWRITE"):
        path.write_text(answer)
    assert answer == text


def test_there_are_stories() -> None:
    assert SCENARIOS


def test_the_write_that_lets_a_pod_go_names_its_devices() -> None:
    pod, decision = batch_pod("p"), Decision("1-a-1", "n", 1, 1, gpus=(0, 3))
    one = Planner([], [pod]).board.member("uid-p")
    assert one is not None
    written = json.dumps(release(pod, one, decision, pin=True))
    assert '"/metadata/annotations"' in written
    assert f'"{ANNOTATION_GPU_DEVICES}": "0,3"' in written
    assert binding(one, decision)["metadata"]["annotations"][ANNOTATION_GPU_DEVICES] == "0,3"
    bare = binding(one, Decision("1-a-1", "n", 1, 1))["metadata"]["annotations"]
    assert ANNOTATION_GPU_DEVICES not in bare


def test_pods_of_a_gang_that_ask_for_other_models_are_other_roles() -> None:
    gpus = json.dumps({"model": "T4", "count": 2, "memory": "16Gi"})
    wants = {RESOURCE_GPU_MILLI: "1000"}
    models = {"p0": "T4", "p1": "A100"}
    pods = [
        batch_pod(name, gang="g", least=2, wants=wants, annotations={ANNOTATION_GPU_MODEL: model})
        for name, model in models.items()
    ]
    planner = Planner([selling_node("n", gpus=gpus)], pods)
    outcome = asyncio.run(planner.rounds.once(now_s=NOW_S, steady_s=NOW_S))
    assert not outcome.placed
    assert "no node sells GPUs of model A100" in outcome.waits[0].reason


def test_devices_that_broke_while_it_was_planned_are_given_to_nobody() -> None:
    sells = {"count": 1, "memory": "16Gi"}
    pod = batch_pod("p", wants={RESOURCE_GPU_MILLI: "500"})
    planner = Planner([selling_node("n", gpus=json.dumps(sells))], [pod])
    gpus = planner.board.nodes.gpus
    assert gpus.sells("n", (0,))
    planner.board.nodes_changed(
        [Change(None, selling_node("n", gpus=json.dumps(sells | {"broken": [0]})))]
    )
    assert not gpus.sells("n", (0,))
    assert not gpus.sells("elsewhere", (0,))
    assert gpus.sells("elsewhere", ())
