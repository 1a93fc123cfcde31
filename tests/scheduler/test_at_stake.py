"""Who could lose tasks: only gangs of which everything is known, and what they would lose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from scheduler.adapters.at_stake import LONG_AGO_S, AtStake, at_stake, leaving
from scheduler.adapters.setting_aside import Hold, set_aside
from scheduler.core.budgets import Budgets
from scheduler.core.member import Decision
from slacktide.contract import ANNOTATION_CHECKPOINT
from slacktide.kube.objects import Pod
from tests.scheduler.boards import AT_S, NOW_S, Planner, batch_pod, selling_node

NODES = [selling_node(f"n{k}") for k in range(2)]
BEGUN_S = int(NOW_S) - 100
Change = Callable[[list[Pod]], list[Pod]]


def member(name: str, node: str = "n0", *, least: int = 2, milli: int = 1_000, **pod: Any) -> Pod:
    decision = Decision("0-x-1", node, least, 0, newest_s=int(NOW_S), at_s=BEGUN_S)
    return batch_pod(name, gang="g", least=least, node=node, decision=decision, milli=milli, **pod)


def seen(pods: list[Pod], *, queue: int | None = 0, evicted_s: float | None = None) -> AtStake:
    planner = Planner(NODES, pods)
    return at_stake(
        planner.board,
        planner.rounds.standings,
        nodes=planner.board.nodes.columns(),
        queue_of=lambda _: queue,
        pod_of=planner.pods.get,
        budgets=Budgets(()),
        evicted_s=lambda _: evicted_s,
        now_s=int(NOW_S),
    )


def test_tasks_alike_on_one_node_are_a_bundle_the_youngest_first() -> None:
    pods = [member(f"g-{k}", after_s=k) for k in range(2)] + [member("g-2", "n1")]
    found = seen(pods)
    assert found.tasks.tasks.tolist() == [2, 1]
    assert found.tasks.node.tolist() == [0, 1]
    assert [one.name for one in found.members[0]] == ["g-1", "g-0"]
    assert found.gangs.ids == ("slacktide/team/g",)
    assert found.gangs.min_available.tolist() == [2]
    assert found.gangs.evicted_s.tolist() == [LONG_AGO_S]


@pytest.mark.parametrize(
    "pods",
    [
        [member("g-0"), batch_pod("g-1", gang="g", least=2)],
        [member("g-0"), batch_pod("g-1", gang="g", least=2, decision=Decision("p", "n0", 2, 0))],
        [member("g-0"), member("g-1"), member("g-2", leaving=True)],
        [batch_pod("g-0", gang="g", least=1)],
    ],
    ids=["not whole", "one is on its way in", "one on its way out", "waits"],
)
def test_a_gang_of_which_anything_is_unsure_is_not_at_stake(pods: list[Pod]) -> None:
    assert seen(pods).keys == ()


def test_a_gang_whose_queue_is_gone_is_not_at_stake() -> None:
    assert seen([member("g-0"), member("g-1")], queue=None).keys == ()


def test_a_gang_of_several_roles_goes_whole_or_not() -> None:
    pods = [member("g-0", milli=500), member("g-1"), member("g-2")]
    assert seen(pods).gangs.min_available.tolist() == [3]


@pytest.mark.parametrize(
    ("text", "saved_s"),
    [
        ("2026-01-01T00:09:00Z", AT_S + 540),
        ("2026-01-01T00:00:00Z", BEGUN_S),
        ("2027-01-01T00:00:00Z", int(NOW_S)),
        ("yesterday", BEGUN_S),
        ("", BEGUN_S),
    ],
)
def test_a_checkpoint_counts_between_the_start_and_now(text: str, saved_s: int) -> None:
    notes = {ANNOTATION_CHECKPOINT: text}
    assert seen([member("g-0", least=1, annotations=notes)]).tasks.saved_s.tolist() == [saved_s]


def test_what_is_leaving_is_room_to_come() -> None:
    planner = Planner(NODES, [member("g-0"), member("g-1", "n1", leaving=True)])
    found = leaving(planner.board)
    assert (found.node.tolist(), found.cpu_cores.tolist()) == ([1], [1.0])


def test_what_is_set_aside_is_taken_while_it_lasts_and_no_longer() -> None:
    planner = Planner(NODES, [member("g-0")])
    board = planner.board
    free, used = board.nodes.columns().free_cpu_cores.tolist(), dict(board.used)
    holds = [Hold("n0", "q", 2_000, 5), Hold("gone", "q", 1_000, 0)]
    with set_aside(board, holds):
        assert board.nodes.columns().free_cpu_cores[:, 0].tolist() == [1.0, 4.0]
        assert board.used["q"] == [2_000, 5]
    assert board.nodes.columns().free_cpu_cores.tolist() == free
    assert {name: held for name, held in board.used.items() if any(held)} == used
    assert msgspec.json.encode(board.used["q"]) == b"[0,0]"
