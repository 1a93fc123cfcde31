"""A pod goes where its bound volumes can be reached; the unbound are left to kube-scheduler."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scheduler.adapters.asking import ReadRules
from scheduler.adapters.bound_volumes import BoundVolumes
from scheduler.core.constraints import rules_of
from slacktide.kube.volumes import PersistentVolume, PersistentVolumeClaim
from tests.scheduler.boards import Planner, batch_pod, selling_node

POD = batch_pod("p", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])


def volume(affinity: Any) -> PersistentVolume:
    body = {"metadata": {"name": "pv-1"}, "spec": {"nodeAffinity": affinity}}
    return msgspec.json.decode(msgspec.json.encode(body), type=PersistentVolume)


def claim(volume_name: str = "pv-1") -> PersistentVolumeClaim:
    body = {
        "metadata": {"name": "data", "namespace": "team"},
        "spec": {"volumeName": volume_name},
    }
    return msgspec.convert(body, PersistentVolumeClaim)


def on(node: str) -> dict[str, Any]:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"required": {"nodeSelectorTerms": [term]}}


def bound(affinity: Any, held: PersistentVolumeClaim) -> BoundVolumes:
    return BoundVolumes({("", "pv-1"): volume(affinity)}, {("team", "data"): held})


def test_a_pod_goes_where_its_volume_is() -> None:
    planner = Planner([selling_node(f"n{k}") for k in range(3)], [POD])
    planner.rounds.read = ReadRules(bound(on("n2"), claim()))
    assert planner.decided_once()[0] == {"p": "n2"}


def test_a_volume_that_is_reached_from_nowhere_here_says_so() -> None:
    planner = Planner([selling_node("n0")], [POD])
    planner.rounds.read = ReadRules(bound(on("n2"), claim()))
    placed, waits = planner.decided_once()
    assert placed == {}
    assert "those do not hold it" in waits["p"]


@pytest.mark.parametrize(
    ("known", "left"),
    [
        (BoundVolumes(), True),
        (bound(None, claim("")), True),
        (bound(None, claim("pv-2")), True),
        (bound({"required": 5}, claim()), True),
        (bound(None, claim()), False),
        (bound({"required": None}, claim()), False),
        (bound({}, claim()), False),
    ],
)
def test_what_cannot_be_judged_is_left_to_kube_scheduler(
    known: BoundVolumes,
    left: bool,
) -> None:
    rules = rules_of(POD, volumes=known.of(POD))
    assert rules.choices == ()
    assert bool(rules.unjudged) is left


def test_a_claim_that_is_bound_later_is_read_again() -> None:
    claims = {("team", "data"): claim("")}
    read = ReadRules(BoundVolumes({("", "pv-1"): volume(on("n2"))}, claims))
    assert read.of(POD).choices == ()
    claims["team", "data"] = claim()
    assert len(read.of(POD).choices) == 1
    assert read.of(POD) is read.of(POD)
