"""Gangs whose time is up are told to their Jobs, or else to their pods, until it is taken."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from scheduler.app.stopping import Stopping
from scheduler.core.member import Decision
from scheduler.core.ways_in.shape import Key
from slacktide.contract import ANNOTATION_REASON
from slacktide.kube.objects import Owner, Pod
from slacktide.kube.writing import Written
from slacktide.testing.clock import VirtualClock
from tests.scheduler.boards import Planner, batch_pod, selling_node

G = Key("slacktide", "team", "g")
RUNS = Decision("0-x-1", "n0", 2, 0)
WHY = "ran for 5 s, which is its time limit"


class Answers:
    """A writer whose answers a test gives."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.sent: list[tuple[str, Any]] = []

    async def patch(self, path: str, body: Any) -> Written:
        self.sent.append((path, body))
        return Written(self.status)


def member(k: int, *, job: str = "", phase: str = "Running") -> Pod:
    pod = batch_pod(f"g-{k}", gang="g", least=2, decision=RUNS, node="n0", phase=phase)
    if not job:
        return pod
    owner = Owner(kind="Job", name=job, uid=f"uid-{job}", api_version="batch/v1", controller=True)
    meta = msgspec.structs.replace(pod.metadata, owner_references=(owner,))
    return msgspec.structs.replace(pod, metadata=meta)


def look(pods: list[Pod], status: int = 200, *, looks: int = 1) -> tuple[Answers, dict[Key, str]]:
    planner, answers, clock = Planner([selling_node("n0")], pods), Answers(status), VirtualClock(9)
    stopping = Stopping(planner.board, planner.pods.get, answers, clock)  # type: ignore[arg-type]  # its patch alone
    overdue = {G: WHY}
    for _ in range(looks):
        asyncio.run(stopping.look(overdue))
        clock.advance(3.0)
    return answers, overdue


def test_pods_that_nobody_owns_are_ended_each_and_the_done_left_alone() -> None:
    answers, overdue = look([member(0), member(1), member(2, phase="Succeeded")])
    assert [path.rpartition("/")[2] for path, _ in answers.sent] == ["g-0", "g-1"]
    assert answers.sent[0][1] == {
        "metadata": {"uid": "uid-g-0", "annotations": {ANNOTATION_REASON: WHY}},
        "spec": {"activeDeadlineSeconds": 1},
    }
    assert overdue == {}


def test_a_job_is_ended_once_for_all_its_pods() -> None:
    answers, _ = look([member(0, job="train"), member(1, job="train")])
    [(path, body)] = answers.sent
    assert path == "/apis/batch/v1/namespaces/team/jobs/train"
    assert body["metadata"]["uid"] == "uid-train"


@pytest.mark.parametrize(("status", "sent"), [(0, 2), (500, 2), (404, 1), (409, 1), (200, 1)])
def test_it_is_told_again_until_it_is_taken_or_gone(status: int, sent: int) -> None:
    """Three looks, three seconds apart: what was not taken is sent again after five."""
    answers, overdue = look([member(0)], status, looks=3)
    assert len(answers.sent) == sent
    assert (G in overdue) == (sent > 1)
