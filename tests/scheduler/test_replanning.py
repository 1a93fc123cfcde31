"""Whoever was nominated to a node that does not take him is planned anew, and his pod stays."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from scheduler.adapters import release
from scheduler.app.replanning import Replanning
from scheduler.app.withdrawing import NODE_GONE_S, Patience
from scheduler.core.member import Decision, Stage
from slacktide.kube.cache import Change
from slacktide.kube.objects import Pod
from slacktide.kube.writing import Writer
from slacktide.testing.clock import VirtualClock
from tests.scheduler.boards import Planner, batch_pod, selling_node

NODES = [selling_node(f"n{k}") for k in range(3)]


class Nominated:
    """A planner, and a kube-scheduler that a test plays."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.planner = Planner(NODES, [self.pod(k) for k in range(size)])
        self.clock = VirtualClock()
        refused = self.planner.rounds.refused
        self.replanning = Replanning(self.planner.board, self.clock, refused.__setitem__)
        self.planner.decided_once()
        for k in range(size):
            self.reads_back(k)

    def pod(self, k: int, **more: Any) -> Pod:
        return batch_pod(f"g-{k}", gang="g", least=self.size, **more)

    def decision(self, k: int) -> Decision:
        one = self.planner.board.member(f"uid-g-{k}")
        assert one is not None
        assert one.decision is not None
        return one.decision

    def reads_back(self, k: int, *, nominated: bool = True) -> None:
        """The watch tells what was written, or that kube-scheduler took the nomination back."""
        decision = self.decision(k)
        at = decision.node if nominated else ""
        self.planner.sees(self.pod(k, decision=decision, nominated=at))

    def stages(self) -> list[str]:
        members = (self.planner.board.member(f"uid-g-{k}") for k in range(self.size))
        return [one.stage.name for one in members if one is not None]


def test_a_nomination_that_stands_is_left_alone() -> None:
    found = Nominated(3)
    found.replanning.look()
    assert found.stages() == ["RELEASED"] * 3


def test_of_a_gang_that_is_not_bound_all_are_planned_anew() -> None:
    found = Nominated(3)
    before = found.decision(0).plan
    found.reads_back(1, nominated=False)
    found.replanning.look()
    assert found.stages() == ["WAITING"] * 3
    assert found.planner.board.used == {"default": [0, 0]}
    placed, _ = found.planner.decided_once()
    assert len(placed) == 3
    assert found.decision(0).plan != before


def test_what_still_stands_on_the_pod_holds_no_more() -> None:
    found = Nominated(3)
    old = found.decision(1)
    found.reads_back(1, nominated=False)
    found.replanning.look()
    found.planner.sees(found.pod(1, decision=old))  # any change of the pod tells it again
    assert found.stages() == ["WAITING"] * 3
    found.planner.decided_once()
    found.planner.sees(found.pod(1, decision=old))
    assert found.decision(1).plan != old.plan


def test_of_a_gang_that_is_bound_in_part_only_the_failed_one_moves() -> None:
    found = Nominated(3)
    decision = found.decision(0)
    found.planner.sees(found.pod(0, decision=decision, node=decision.node))
    found.reads_back(1, nominated=False)
    found.replanning.look()
    assert found.stages() == ["BOUND", "WAITING", "RELEASED"]
    assert list(found.planner.decided_once()[0]) == ["g-1"]


def test_one_that_fails_again_and_again_is_asked_for_less_often() -> None:
    found = Nominated(1)
    waits = []
    for _ in range(8):
        found.reads_back(0, nominated=False)
        found.replanning.look()
        until_s = found.planner.rounds.refused.pop("uid-g-0", found.clock.now_s())
        waits.append(until_s - found.clock.now_s())
        found.planner.board.touched.update(found.planner.board.gangs())
        found.planner.decided_once()
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60]


def test_a_pinned_pod_is_left_alone() -> None:
    found = Nominated(1)
    affinity = release.pinned(msgspec.Raw(), found.decision(0).node)
    found.planner.sees(found.pod(0, decision=found.decision(0), affinity=affinity))
    found.replanning.look()
    assert found.stages() == ["RELEASED"]


@pytest.mark.parametrize("pin", [True, False])
def test_a_nominated_pod_is_let_go_without_a_pin(*, pin: bool) -> None:
    planner = Planner(NODES, [batch_pod("p")])
    planner.decided_once()
    one = planner.board.member("uid-p")
    assert one is not None
    assert one.decision is not None
    assert one.stage is Stage.RELEASED
    paths = {
        step["path"] for step in release.release(planner.pods["uid-p"], one, one.decision, pin=pin)
    }
    assert ("/spec/affinity" in paths) is pin
    assert release.nomination(one, one.decision) == [
        {"op": "test", "path": "/metadata/uid", "value": "uid-p"},
        {"op": "add", "path": "/status/nominatedNodeName", "value": one.decision.node},
    ]


@pytest.mark.parametrize("pinned", [True, False])
def test_of_those_let_go_to_a_node_that_is_gone_only_the_pinned_lose_their_pods(
    *, pinned: bool
) -> None:
    found = Nominated(1)
    affinity = release.pinned(msgspec.Raw(), found.decision(0).node) if pinned else {}
    found.planner.sees(found.pod(0, decision=found.decision(0), affinity=affinity))
    gone = next(one for one in NODES if one.metadata.name == found.decision(0).node)
    found.planner.board.nodes_changed([Change(gone, None)])
    assert asyncio.run(looked_twice(found)) == int(pinned)
    assert found.stages() == (["RELEASED"] if pinned else ["WAITING"])


async def looked_twice(found: Nominated) -> int:
    """How often the API server was asked for a pod, to copy it before it is deleted."""
    asked: list[httpx.Request] = []

    def away(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(503)

    transport = httpx.MockTransport(away)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        writer = Writer(client, clock=found.clock)
        patience = Patience(found.planner.board, client, writer, found.clock)
        await patience.look({})
        found.clock.advance(NODE_GONE_S)
        await patience.look({})
    return len(asked)
