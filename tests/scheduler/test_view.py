"""What somebody sees who only looks: the Board's numbers and the planner's answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.app.view import View, Wish
from scheduler.core.answers import UNTOLD
from scheduler.core.gang_facts import GangFact
from scheduler.core.life_note import life_text
from scheduler.core.lifecycle import Life, Phase
from scheduler.core.member import Decision, Stage
from slacktide.contract import (
    ANNOTATION_DURATION,
    ANNOTATION_LIFE,
    ANNOTATION_REASON,
    ANNOTATION_RESERVED,
    LABEL_QUEUE,
)
from slacktide.kube.objects import Pod
from tests.scheduler.boards import AT_S, batch_pod, selling_node
from tests.scheduler.seen import NOW_S, facts, gang, queue, running, view_of

NODES = [selling_node(f"n{k}") for k in range(4)]  # 16 cores
ONE = [selling_node("n0", milli=16_000)]


def fact(view: View, name: str) -> GangFact:
    return facts(view.picture(now_s=NOW_S))[name]


def decided(name: str, size: int, *, bound: int) -> list[Pod]:
    decision = Decision(plan="1-a-1", node="n0", tasks=size, epoch=1, at_s=AT_S + 60)
    return [
        batch_pod(
            f"{name}-{k}", gang=name, least=size, decision=decision, node="n0" if k < bound else ""
        )
        for k in range(size)
    ]


@pytest.mark.parametrize(
    ("pods", "state", "cause", "have", "placed"),
    [
        (running("g", 2, "n0"), Phase.RUNNING, "", 2, 2),
        (gang("g", 20), Phase.QUEUED, "LARGER_THAN_CLUSTER", 20, 0),
        (gang("g", 3)[:2], Phase.QUEUED, "INCOMPLETE", 2, 0),
        (gang("g", 2), Phase.QUEUED, "NEXT_ROUND", 2, 0),
        (decided("g", 3, bound=1), Phase.ADMITTED, "BEING_BOUND", 3, 3),
        (gang("g", 2, gates=("kueue.x-k8s.io/admission",)), Phase.QUEUED, "INCOMPLETE", 0, 0),
        (gang("g", 2, phase="Succeeded"), Phase.DONE, "", 2, 0),
        (gang("g", 2, labels={LABEL_QUEUE: "none"}), Phase.QUEUED, "INCOMPLETE", 2, 0),
    ],
)
def test_a_gang_has_one_state_and_one_cause(
    pods: list[Pod], state: Phase, cause: str, have: int, placed: int
) -> None:
    found = fact(view_of(NODES, pods), "g")
    assert (found.state, found.cause, found.have, found.placed) == (state, cause, have, placed)
    assert bool(found.cause) == found.waits
    assert found.reason


def test_places_in_line_are_those_of_the_planners_own_sentence() -> None:
    view = view_of(
        ONE,
        [
            *running("first", 16, "n0", milli=1_000),
            *gang("young", 2, after_s=9),
            *gang("old", 2, after_s=1),
        ],
    )
    dry = view.dry_round(now_s=NOW_S)
    assert dry is not None
    for name, position in (("old", 1), ("young", 2)):
        found = fact(view, name)
        assert (found.position, found.line, found.cause) == (position, 2, "NO_ROOM_NOW")
        row = dry.row(next(key for key in dry.keys if key.name == name))
        assert row is not None
        assert f"number {position} of 2 in its queue, {found.reason}" in dry.outcome.reason(row)


def test_a_start_is_predicted_from_what_runs() -> None:
    notes = {ANNOTATION_DURATION: "15m"}
    view = view_of(ONE, [*running("runs", 16, "n0", annotations=notes), *gang("waits", 4)])
    assert fact(view, "waits").start_s == AT_S + 900


def test_the_rows_come_as_somebody_on_call_reads_them() -> None:
    pods = [
        *running("runs", 8, "n0"),
        *gang("early", 16, after_s=1),
        *gang("late", 16, after_s=2),
        *gang("missing", 3)[:1],
        *decided("half", 3, bound=1),
        *gang("done", 1, phase="Succeeded"),
    ]
    found = [one.gang for one in view_of(NODES, pods).picture(now_s=NOW_S).gangs]
    assert found == ["half", "early", "late", "missing", "runs", "done"]


def test_only_looking_changes_nothing_and_says_the_same_twice() -> None:
    view = view_of(NODES, [*gang("fits", 4), *gang("not", 30)])
    first = view.picture(now_s=NOW_S)
    assert view.board.assumed == {}
    assert all(one.stage is Stage.WAITING for one in view.members())
    assert view.picture(now_s=NOW_S) == first


def test_a_gang_that_room_is_kept_for_is_seen_to_hold_the_reservation() -> None:
    def pods(notes: dict[str, str]) -> list[Pod]:
        return [
            *running("runs", 10, "n0"),
            *gang("small", 12, after_s=0),
            *gang("holder", 14, after_s=1, annotations=notes),
        ]

    late_s = NOW_S + 2 * 3_600
    for notes, holds in (({}, "small"), ({ANNOTATION_RESERVED: "2026-01-01T03:00:00Z"}, "holder")):
        picture = view_of(ONE, pods(notes)).picture(now_s=late_s)
        causes = {one.gang: one.cause for one in picture.gangs if one.waits}
        assert [name for name, cause in causes.items() if cause == "HOLDS_RESERVATION"] == [holds]


def test_a_gang_that_lost_its_place_is_told_so_until_its_back_off_ends() -> None:
    life = Life(
        phase=Phase.PREEMPTED,
        reason="it made room: tried again in 20 s",
        submit_s=AT_S - 60.0,
        since_s=NOW_S - 5,
        not_before_s=NOW_S + 15,
        runs=1,
        preemptions=2,
        evicted_s=NOW_S - 5,
    )
    view = view_of(NODES, gang("g", 2, annotations={ANNOTATION_LIFE: life_text(life)}))
    found = fact(view, "g")
    assert (found.state, found.cause) == (Phase.PREEMPTED, "BACKING_OFF")
    assert (found.preemptions, found.evicted_s) == (2, NOW_S - 5)
    assert found.reason == "it made room: tried again in 20 s"
    assert found.waiting_s == NOW_S - (AT_S - 60)
    later = facts(view.picture(now_s=NOW_S + 16))["g"]
    assert later.cause == "NEXT_ROUND"


def test_where_the_planner_cannot_be_asked_its_own_words_are_shown() -> None:
    notes = {ANNOTATION_REASON: "waits, number 3 of 7 in its queue"}
    view = view_of([], gang("g", 2, annotations=notes))
    view.cannot_ask("nodes may not be listed")
    found = fact(view, "g")
    assert found.cause == "UNSEEN"
    assert found.reason == "as the planner wrote: waits, number 3 of 7 in its queue"
    assert found.position is None
    assert view.picture(now_s=NOW_S).unseen == ("nodes may not be listed",)


def test_sentences_are_made_for_as_many_as_are_read_and_causes_for_all() -> None:
    waiting = [pod for k in range(5) for pod in gang(f"g{k}", 17, after_s=k)]
    picture = view_of(NODES, waiting).picture(Wish(most_reasons=2), now_s=NOW_S)
    assert {one.cause for one in picture.gangs} == {"LARGER_THAN_CLUSTER"}
    assert [one.reason == UNTOLD for one in picture.gangs] == [False, False, True, True, True]
    wish = Wish(most_reasons=1, about=lambda key: key.name == "g4")
    told = view_of(NODES, waiting).picture(wish, now_s=NOW_S)
    assert [one.gang for one in told.gangs if one.reason != UNTOLD] == ["g4"]


def test_queues_and_nodes_that_were_changed_are_seen_changed() -> None:
    view = view_of(NODES, gang("g", 2, labels={LABEL_QUEUE: "night"}))
    assert fact(view, "g").reason == "there is no queue night"
    view.rounds.queues_changed([queue("night", most="1")])
    assert fact(view, "g").cause == "QUEUE_AT_MAX"
    view.rounds.queues_changed([queue("night")])
    assert fact(view, "g").cause == "NEXT_ROUND"


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(
        st.tuples(
            st.integers(1, 6), st.integers(250, 2_000), st.booleans(), st.sampled_from(["a", "b"])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_rows_agree_with_the_board(sizes: list[tuple[int, int, bool, str]]) -> None:
    pods: list[Pod] = []
    for k, (size, milli, runs, name) in enumerate(sizes):
        labels = {LABEL_QUEUE: name}
        node = f"n{k % 4}" if runs else ""
        pods += gang(f"g{k}", size, milli=milli, labels=labels, node=node)
    view = view_of(NODES, pods, [queue("a"), queue("b", weight=2)])
    picture = view.picture(now_s=NOW_S)
    held = {name: used[0] / 1_000 for name, used in view.board.used.items()}
    assert {q.queue: q.used_cpu_cores for q in picture.queues} == pytest.approx(
        {"a": 0.0, "b": 0.0, "default": 0.0} | held
    )
    assert picture.cluster.used_cpu_cores == pytest.approx(sum(held.values()))
    assert picture.cluster.used_cpu_cores == pytest.approx(
        sum(node.used_cpu_cores for node in picture.nodes)
    )
    assert sum(one.placed for one in picture.gangs) == len(list(view.board.placed()))
    assert picture.cluster.running_gangs == sum(runs for _, _, runs, _ in sizes)
    assert sum(one.have for one in picture.gangs) == len(pods)
    turns = sorted(one.turn for one in picture.queues if one.turn is not None)
    assert turns == list(range(1, len(turns) + 1))
    for one in picture.gangs:
        assert one.waits == bool(one.cause)
        assert one.start_s is None or one.start_s >= int(NOW_S)
