"""The sentences that people read, word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.core.explain import Blocked
from scheduler.core.gang_facts import HELPS, Cause, GangFact
from scheduler.core.lifecycle import Phase
from scheduler.core.member import Decision, Member, Stage
from scheduler.core.picture import PlannerFact
from scheduler.core.queue_facts import QueueFact
from scheduler.core.telling import (
    WAYS,
    Told,
    gang_told,
    happened,
    nodes_text,
    pod_told,
    size_text,
)
from scheduler.core.ways_in import order
from scheduler.core.ways_in.shape import Key
from scheduler.core.why_here import WhyHere

NOW_S = 1_767_225_600.0  # 2026-01-01
FACT = GangFact(
    namespace="team", gang="train", way_in="job", queue="night", state=Phase.QUEUED,
    have=4, need=4, wanted=6, placed=0, cpu_cores=8.0, memory_bytes=16 << 30, priority=0,
    submit_s=NOW_S - 600, waiting_s=600.0, position=2, line=5, cause="NO_ROOM_NOW",
    reason="other batch tasks hold the room", start_s=NOW_S + 1_500, start_after_s=None,
    duration_s=None, nodes=(), decided_s=None, preemptions=0, evicted_s=None,
)  # fmt: skip
QUEUE = QueueFact(
    queue="night", parent="", depth=0, guaranteed_cpu_cores=4.0, max_cpu_cores=None, weight=1.0,
    used_cpu_cores=2.0, used_memory_bytes=0.0, share=0.1, running_gangs=1, waiting_gangs=5,
    waiting_tasks=9, turn=1, why="night uses 2 of the 4 cores it is guaranteed", problem="",
)  # fmt: skip
ALIVE = PlannerFact(holder="p", heard_s=1.0, alive=True)


def told(fact: GangFact = FACT, planner: PlannerFact = ALIVE) -> tuple[str, ...]:
    return gang_told(fact, QUEUE, (), planner, now_s=NOW_S)


def test_a_waiting_gang_is_told_where_it_is_what_it_has_what_blocks_it_and_when_it_starts() -> None:
    assert told() == (
        "team/train is queued in queue night, a gang by a Job; it has waited 10 min.",
        (
            "It has 4 of the 4 pods that it needs (6 at most), 0 with a node; all that are there "
            "ask for 8 cores and 16 GiB."
        ),
        (
            "It is number 2 of 5 in its queue; the queue's turn is 1 (night uses 2 of the 4 cores "
            "it is guaranteed)."
        ),
        "What blocks it is NO_ROOM_NOW: other batch tasks hold the room.",
        "What would help: running batch tasks that end; starting with fewer tasks.",
        (
            "It is predicted to start in about 25 min (2026-01-01 00:25:00 UTC), if running work "
            "ends as expected and nobody goes before it who is not there yet."
        ),
    )


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        (
            {"start_s": None},
            "No start is foreseen: nothing that is expected to end makes way for it.",
        ),
        (
            {"start_s": None, "start_after_s": NOW_S + 7_200},
            "No start is foreseen within 2 h, and no further was looked.",
        ),
        (
            {"start_s": NOW_S, "position": None, "cause": "NEXT_ROUND"},
            "It starts in the planner's next round.",
        ),
        (
            {"position": None, "cause": "INCOMPLETE", "start_s": None},
            "What would help: the pods that are missing, from whoever makes them.",
        ),
        (
            {"state": Phase.RUNNING, "waiting_s": None, "cause": "", "position": None,
             "nodes": ("a", "b", "c", "d"), "decided_s": int(NOW_S) - 300, "reason": "it runs"},
            "It runs on a, b, c and 1 more, decided 5 min ago: it runs.",
        ),
        (
            {"preemptions": 1},
            "It lost its place once and kept its age.",
        ),
        (
            {"preemptions": 2, "evicted_s": NOW_S - 120},
            "Pods of it were evicted for a better claim, last 2 min ago.",
        ),
        (
            {"state": Phase.FAILED, "waiting_s": None, "cause": "", "reason": "pod x has failed"},
            "Pod x has failed.",
        ),
    ],
)  # fmt: skip
def test_the_last_sentence_says_what_comes(changes: dict[str, object], last: str) -> None:
    assert told(replace(FACT, **changes))[-1] == last  # type: ignore[arg-type]  # fields by name


def test_that_no_planner_is_at_work_is_said() -> None:
    dead = PlannerFact(holder="p", heard_s=600.0, alive=False)
    assert told(planner=dead)[-1] == "No planner is at work: the last one was heard of 10 min ago."


def test_every_cause_has_its_help_and_every_way_in_its_name() -> None:
    assert set(HELPS) == {*Blocked.__members__, *Cause.__members__}
    assert set(WAYS) == set(order.WAYS)


def test_events_that_say_the_same_are_one_line_and_the_newest_comes_first() -> None:
    events = [
        Told(at_s=NOW_S - 60, reason="GangWaits", message="no room", about="train-0"),
        Told(at_s=NOW_S, reason="GangWithdrawn", message="taken back", about="train-1"),
        Told(at_s=NOW_S - 30, reason="GangWaits", message="no room", about="train-2"),
    ]
    assert happened(events) == [
        "2026-01-01 00:00:00 UTC GangWithdrawn: taken back (train-1)",
        "2025-12-31 23:59:30 UTC GangWaits: no room (train-2, 2 times)",
    ]


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        (Stage.GATED, "is held back by somebody else's scheduling gate"),
        (Stage.WAITING, "waits for a place together with its gang"),
        (Stage.RELEASED, "has its place on node n1 and is not bound yet"),
        (Stage.BOUND, "runs on node n1"),
        (Stage.DONE, "is done; it ran on node n1"),
        (Stage.FAILED, "has failed; it was on node n1"),
        (Stage.LEAVING, "is being deleted"),
    ],
)
def test_a_pod_is_told_how_far_it_has_come(stage: Stage, said: str) -> None:
    decision = Decision(plan="3-x-7", node="n1", tasks=4, epoch=3, at_s=int(NOW_S) - 120)
    one = Member(
        uid="u", namespace="team", name="train-0", gang=Key("job", "team", "train"), queue="night",
        cpu_milli=1_000, memory_bytes=0, created_s=0, duration_s=60, stage=stage, node="n1",
        decision=decision,
    )  # fmt: skip
    (sentence,) = pod_told(one, FACT, None, (), now_s=NOW_S)
    assert sentence == (
        f"team/train-0 (1 core) of gang team/train {said}, decided 2 min ago with 4 tasks by plan "
        "3-x-7."
    )


def test_why_a_node_is_told_part_by_part() -> None:
    one = Member(
        uid="u", namespace="team", name="p", gang=Key("pod", "team", "p"), queue="night",
        cpu_milli=500, memory_bytes=0, created_s=0, duration_s=60, stage=Stage.BOUND, node="n1",
    )  # fmt: skip
    why = WhyHere(
        node="n1", fitting=40, rank=2, cost=0.75, lifetime=0.5, emptiness=0.25, imbalance=0.0,
        best="n7", best_cost=0.5,
    )  # fmt: skip
    assert pod_told(one, FACT, why, (), now_s=NOW_S)[1] == (
        "As nodes are now, 40 would fit such a task and n1 is number 2 of them by cost: 0.75 = "
        "0.5 long room taken + 0.25 left empty + 0 left out of balance; n7 costs 0.5."
    )
    full = replace(why, fitting=0)
    assert pod_told(one, FACT, full, (), now_s=NOW_S)[1].startswith("Node n1 has no room for such")


@pytest.mark.parametrize(
    ("cores", "size", "said"),
    [
        (1, 0, "1 core"),
        (2.5, 1 << 30, "2.5 cores and 1 GiB"),
        (0, 1 << 29, "0.5 GiB"),
        (0, 0, "nothing"),
    ],
)
def test_an_amount_is_said_without_what_is_not_asked_for(
    cores: float, size: int, said: str
) -> None:
    assert size_text(cores, size) == said


def test_few_nodes_are_named_and_the_rest_counted() -> None:
    assert nodes_text(()) == ""
    assert nodes_text(("a", "b")) == "a, b"
    assert nodes_text(tuple("abcde")) == "a, b, c and 2 more"
