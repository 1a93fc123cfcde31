"""The planner's memory says what the cluster says, in whatever order it is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.adapters.board import Board
from scheduler.core.member import Decision, Stage
from slacktide.contract import ANNOTATION_DECISION, ANNOTATION_REPLACES
from slacktide.kube.cache import Change
from slacktide.kube.objects import Pod
from tests.scheduler.boards import batch_pod, selling_node

NODES = ("n0", "n1", "n2")
NAMES = tuple(f"p{k}" for k in range(5))


def decided(node: str, plan: str = "0-a-1") -> Decision:
    return Decision(plan=plan, node=node, tasks=1, epoch=0)


def event(draw: st.DrawFn) -> tuple[str, object]:
    kind = draw(st.sampled_from(["pod", "gone", "assume", "drop", "node", "lost"]))
    name, node = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NODES))
    if kind in ("node", "lost"):
        return kind, node
    if kind != "pod":
        return kind, (name, node)
    shape = draw(st.sampled_from(["waits", "released", "bound", "done", "failed", "leaving"]))
    milli = 500 * (1 + NAMES.index(name))
    made = {
        "waits": lambda: batch_pod(name, milli=milli),
        "released": lambda: batch_pod(name, milli=milli, decision=decided(node)),
        "bound": lambda: batch_pod(name, milli=milli, node=node),
        "done": lambda: batch_pod(name, milli=milli, node=node, phase="Succeeded"),
        "failed": lambda: batch_pod(name, milli=milli, node=node, phase="Failed"),
        "leaving": lambda: batch_pod(name, milli=milli, node=node, leaving=True),
    }
    return kind, made[shape]()


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, object]]:
    return [event(draw) for _ in range(draw(st.integers(1, 25)))]


def told(board: Board, history: list[tuple[str, object]]) -> None:
    pods: dict[str, Pod] = {}
    for kind, what in history:
        if kind == "node":
            board.nodes_changed([Change(None, selling_node(str(what)))])
        elif kind == "lost":
            board.nodes_changed([Change(selling_node(str(what)), None)])
        elif isinstance(what, Pod):
            board.pods_changed([Change(pods.get(what.metadata.uid), what)])
            pods[what.metadata.uid] = what
        else:
            assert isinstance(what, tuple)
            act(board, kind, f"uid-{what[0]}", what[1], pods)


def act(board: Board, kind: str, uid: str, node: str, pods: dict[str, Pod]) -> None:
    one = board.member(uid)
    if kind == "assume" and one is not None and one.stage is Stage.WAITING:
        board.assume(uid, decided(node, "0-a-2"))
    elif kind == "drop":
        board.drop(uid)
    elif kind == "gone" and uid in pods:
        board.pods_changed([Change(pods.pop(uid), None)])


@given(histories())
def test_what_is_held_is_what_tasks_hold(history: list[tuple[str, object]]) -> None:
    board = Board()
    told(board, history)
    held = dict.fromkeys(NODES, 0)
    for one in board.placed():
        held[one.node] += one.cpu_milli
    columns, running = board.nodes.columns(), board.tasks.columns()
    for name, row in board.nodes.row_of.items():
        sold = round(columns.cpu_cores[row] * 1_000)
        assert round(columns.free_cpu_cores[row, 0] * 1_000) == sold - held[name]
        assert round(running.cpu_cores[running.node == row].sum() * 1_000) == held[name]
    assert sum(cpu for cpu, _ in board.used.values()) == sum(held.values())
    assert all(held[name] == 0 for name in NODES if name not in board.nodes.row_of)


@given(histories())
def test_the_extender_lets_through_what_the_board_says(history: list[tuple[str, object]]) -> None:
    board = Board()
    told(board, history)
    for name in NAMES:
        one = board.member(f"uid-{name}")
        has_place = one is not None and one.stage in (Stage.RELEASED, Stage.BOUND)
        assert (f"uid-{name}" in board.places.node_of) == has_place
        if one is not None and has_place:
            assert board.places.node_of[one.uid] == one.node
        assert (one is not None and one.stage is Stage.RELEASED) == (
            f"uid-{name}" in board.released
        )


@given(histories())
def test_what_is_told_twice_changes_nothing(history: list[tuple[str, object]]) -> None:
    once, twice = Board(), Board()
    told(once, history)
    told(twice, [step for step in history for _ in range(2)])
    assert once.places == twice.places
    assert once.used == twice.used
    assert np.array_equal(
        np.sort(once.tasks.columns().cpu_cores[once.tasks.columns().cpu_cores > 0]),
        np.sort(twice.tasks.columns().cpu_cores[twice.tasks.columns().cpu_cores > 0]),
    )


def test_an_old_event_does_not_undo_what_was_decided_since() -> None:
    board, pod = Board(), batch_pod("p0")
    board.pods_changed([Change(None, pod)])
    board.assume("uid-p0", decided("n0"))
    board.pods_changed([Change(pod, batch_pod("p0", annotations={"other": "news"}))])
    assert board.places.node_of == {"uid-p0": "n0"}
    board.pods_changed([Change(pod, batch_pod("p0", decision=decided("n0")))])
    assert board.assumed == {}
    assert board.places.node_of == {"uid-p0": "n0"}


def test_what_another_planner_wrote_replaces_what_was_assumed() -> None:
    board, pod = Board(), batch_pod("p0")
    board.pods_changed([Change(None, pod)])
    board.assume("uid-p0", decided("n0"))
    board.pods_changed([Change(pod, batch_pod("p0", node="n1"))])
    assert board.places.node_of == {"uid-p0": "n1"}
    assert board.assumed == {}


def test_a_copy_is_no_task_before_the_pod_that_it_replaces_is_gone() -> None:
    old = batch_pod("old", gang="g", least=1, node="n0")
    copy = batch_pod("new", gang="g", least=1, annotations={ANNOTATION_REPLACES: "uid-old"})
    board = Board()
    board.pods_changed([Change(None, old), Change(None, copy)])
    one = board.member("uid-new")
    assert one is not None
    assert not board.counts(one)
    board.touched.clear()
    board.pods_changed([Change(old, None)])
    assert board.counts(one)
    assert one.gang in board.touched


def test_a_node_that_came_back_under_its_name_outlives_the_news_of_the_first() -> None:
    board = Board()
    first, second = (
        selling_node("n0", uid="1"),
        selling_node(
            "n0",
            uid="2",
        ),
    )
    board.nodes_changed([Change(None, first), Change(None, second), Change(first, None)])
    assert board.nodes.is_open("n0")


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("", Stage.WAITING),
        ("no json", Stage.WAITING),
        ('{"plan":"0-a-1"}', Stage.WAITING),
        ('{"plan":"","node":"n0","tasks":1,"epoch":0}', Stage.WAITING),
        ('{"plan":"x","node":"n0","tasks":1,"epoch":0}', Stage.RELEASED),
        ('{"plan":"' + "x" * 2_000 + '","node":"n0","tasks":1,"epoch":0}', Stage.WAITING),
    ],
)
def test_a_decision_that_is_none_of_ours_counts_for_nothing(text: str, stage: Stage) -> None:
    board = Board()
    board.pods_changed(
        [Change(None, batch_pod("p0", gates=(), annotations={ANNOTATION_DECISION: text}))]
    )
    one = board.member("uid-p0")
    assert one is not None
    assert one.stage is stage


def test_a_decision_beside_our_gate_counts_for_nothing() -> None:
    forged = '{"plan":"x","node":"n0","tasks":1,"epoch":0}'
    board = Board()
    board.pods_changed([Change(None, batch_pod("p0", annotations={ANNOTATION_DECISION: forged}))])
    assert board.places.node_of == {}


@pytest.mark.parametrize("amount", ["-1", "1e30", "much", "0"])
def test_a_pod_that_cannot_be_read_is_left_alone(amount: str) -> None:
    board, pod = Board(), batch_pod("p0")
    container = {"name": "t", "resources": {"requests": {"kubernetes.io/batch-cpu": amount}}}
    board.pods_changed([Change(None, pod), Change(pod, batch_pod("p0", containers=[container]))])
    assert len(board) == 0
