"""When a claim is made, what is kept for it, and that nobody is evicted beyond it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.adapters.release import pinned
from scheduler.app.evicting import mark_of
from scheduler.core.lifecycle import Phase
from scheduler.core.member import Decision
from scheduler.core.ways_in.shape import Key
from slacktide.contract import (
    ANNOTATION_CHECKPOINT,
    ANNOTATION_EVICTION,
    ANNOTATION_GRACE,
    ANNOTATION_REASON,
    LABEL_QUEUE,
)
from slacktide.kube.objects import Pod
from tests.scheduler.boards import NOW_S, batch_pod, selling_node
from tests.scheduler.evictable import Contested
from tests.scheduler.test_budgets import budget

NODES = [selling_node(f"n{k}") for k in range(2)]  # 8 cores
SURE = {"sure": 4, "rest": 0}


def runs(name: str, nodes: str, *, queue: str = "rest", at_s: int = 0, **pod: Any) -> list[Pod]:
    """A gang that runs, a task on each of the nodes."""
    size = len(nodes.split())
    labels = {LABEL_QUEUE: queue, "app": name}
    return [
        batch_pod(
            f"{name}-{k}",
            gang=name,
            least=size,
            labels=labels,
            node=node,
            decision=Decision("0-x-1", node, size, 0, at_s=int(NOW_S) - 100 + at_s),
            **pod,
        )
        for k, node in enumerate(nodes.split())
    ]


def waits(name: str, size: int, *, queue: str = "sure", **pod: Any) -> list[Pod]:
    labels = {LABEL_QUEUE: queue}
    return [
        batch_pod(f"{name}-{k}", gang=name, least=size, labels=labels, **pod) for k in range(size)
    ]


FULL = runs("old", "n0 n0 n0 n0") + runs("new", "n1 n1 n1 n1", at_s=50)


def test_a_guarantee_evicts_the_gang_that_loses_least_and_holds_its_room() -> None:
    contested = Contested(NODES, FULL + waits("high", 4), guaranteed=SURE)
    assert contested.round() == set()
    assert sorted(contested.door.evicted) == ["new-0", "new-1", "new-2", "new-3"]
    assert contested.door.asked == contested.door.evicted, "each was asked about before"
    for pod in waits("third", 1, queue="rest"):
        contested.planner.sees(pod)
    assert contested.round() == {"high-0", "high-1", "high-2", "high-3"}
    contested.round(after_s=1)
    assert contested.planner.rounds.claims == {}
    assert contested.round(after_s=20) == set()
    assert len(contested.door.evicted) == 4


def test_a_third_gang_does_not_get_what_is_set_aside_while_victims_leave() -> None:
    contested = Contested(NODES, FULL + waits("high", 4), guaranteed=SURE)
    contested.door.slow = True
    contested.round()
    for name in ("new-0", "new-1"):
        contested.planner.gone(contested.planner.pods[f"uid-{name}"])
    for pod in waits("third", 1, queue="rest"):
        contested.planner.sees(pod)
    assert contested.round(after_s=1) == set(), "two places are free, and are high's"
    for name in ("new-2", "new-3"):
        contested.planner.gone(contested.planner.pods[f"uid-{name}"])
    assert len(contested.round(after_s=1)) == 4
    assert len(contested.door.evicted) == 4, "who is leaving is not evicted again"


def test_each_victim_is_marked_before_it_goes_and_copied_where_nobody_owns_it() -> None:
    contested = Contested(NODES, FULL + waits("high", 4), guaranteed=SURE)
    contested.round()
    assert sorted(contested.copied) == ["new-0", "new-1", "new-2", "new-3"]
    name, body = contested.door.patched[0]
    assert body[0] == {"op": "test", "path": "/metadata/uid", "value": f"uid-{name}"}
    keys = {ANNOTATION_EVICTION, ANNOTATION_REASON}
    values = {
        op["path"].replace("~1", "/").removeprefix("/metadata/annotations/"): op["value"]
        for op in body[1:]
    }
    assert set(values) == keys
    assert "evicts 4 of 4 tasks of slacktide/team/new" in values[ANNOTATION_REASON]
    assert [claim.gang.name for claim in contested.told] == ["high"]
    life = contested.planner.lives.lives[Key("slacktide", "team", "new")]
    contested.planner.rounds.look(now_s=NOW_S)
    assert life.evicted_s == NOW_S


def test_where_a_budget_keeps_anybody_nobody_is_evicted() -> None:
    contested = Contested(NODES, FULL + waits("high", 4), guaranteed=SURE)
    contested.door.kept = {"new-3"}
    contested.round()
    assert contested.door.evicted == []
    assert contested.planner.rounds.claims == {}
    contested.door.kept = set()
    contested.round(after_s=29)
    assert contested.door.evicted == [], "it is not asked again at once"
    contested.round(after_s=1)
    assert len(contested.door.evicted) == 4


def test_budgets_are_counted_before_anybody_is_asked() -> None:
    kept = budget({"matchLabels": {"app": "new"}}, 0)
    contested = Contested(NODES, FULL + waits("high", 4), guaranteed=SURE, budgets=(kept,))
    contested.round()
    assert {name.split("-")[0] for name in contested.door.asked} == {"old"}


def test_a_checkpoint_and_its_grace_are_honoured() -> None:
    notes = {ANNOTATION_CHECKPOINT: "2026-01-01T00:09:59Z", ANNOTATION_GRACE: "5m"}
    pods = runs("old", "n0 n0 n0 n0", annotations=notes) + runs("new", "n1 n1 n1 n1", at_s=50)
    contested = Contested(NODES, pods + waits("high", 4), guaranteed=SURE)
    contested.round()
    assert {name.split("-")[0] for name in contested.door.evicted} == {"old"}
    options = contested.door.bodies[0]["deleteOptions"]
    assert options["gracePeriodSeconds"] == 300
    assert options["preconditions"] == {"uid": f"uid-{contested.door.evicted[0]}"}


@pytest.mark.parametrize(
    ("change", "evicted"),
    [
        ({}, 4),
        ({"evict": False}, 0),
        ({"after_s": 1_000.0}, 0),
        ({"per_minute": 1}, 4),
    ],
)
def test_an_operator_says_whether_and_when(change: dict[str, Any], evicted: int) -> None:
    contested = Contested(NODES, FULL + waits("high", 4), guaranteed=SURE, **change)
    contested.round()
    assert len(contested.door.evicted) == evicted


def test_old_data_evicts_nobody() -> None:
    contested = Contested(NODES, FULL + waits("high", 4), guaranteed=SURE)
    contested.is_fresh = False
    contested.round()
    assert contested.door.evicted == []


def test_a_large_claim_is_paid_for_before_the_next() -> None:
    pods = runs("old", "n0 n0 n0 n0") + runs("new", "n1 n1 n1 n1", at_s=50)
    pods += waits("a", 4) + waits("b", 4, after_s=1)
    contested = Contested(NODES, pods, guaranteed={"sure": 8, "rest": 0}, per_minute=4)
    contested.round()
    contested.round(after_s=1)
    contested.round(after_s=1)
    assert len(contested.door.evicted) == 4
    contested.round(after_s=30)
    assert len(contested.door.evicted) == 4, "half a minute is worth two tasks"
    contested.round(after_s=31)
    assert len(contested.door.evicted) == 8


def test_a_higher_priority_takes_from_a_lower_one_of_its_queue_and_never_back() -> None:
    pods = runs("old", "n0 n0 n0 n0 n1 n1 n1 n1", queue="sure")
    contested = Contested(NODES, pods + waits("high", 2, priority=5), guaranteed={"sure": 0})
    contested.round()
    assert len(contested.door.evicted) == 8, "it needs all its tasks, or none"
    assert contested.round(after_s=1) == {"high-0", "high-1"}
    for pod in waits("old", 8, queue="sure", after_s=30):
        contested.planner.sees(pod)
    for _ in range(5):
        contested.round(after_s=60)
    assert len(contested.door.evicted) == 8


def test_a_claim_that_comes_to_nothing_ends_and_is_not_made_again() -> None:
    contested = Contested(NODES, FULL + waits("high", 4), guaranteed=SURE)
    contested.door.slow = True
    contested.round()
    assert list(contested.planner.rounds.claims) == [Key("slacktide", "team", "high")]
    contested.round(after_s=121)
    assert contested.planner.rounds.claims == {}
    contested.round(after_s=60)
    assert len(contested.door.evicted) == 4


def test_who_is_leaving_already_makes_room_without_a_victim() -> None:
    pods = FULL + waits("high", 4)
    contested = Contested(NODES, pods, guaranteed=SURE)
    for pod in pods[4:8]:
        meta = msgspec.structs.replace(pod.metadata, deletion_timestamp="2026-01-01T01:00:00Z")
        contested.planner.sees(msgspec.structs.replace(pod, metadata=meta))
    contested.round()
    assert contested.door.evicted == []


def test_the_next_planner_goes_on_with_what_was_marked_and_unmarks_what_is_old() -> None:
    def marked(pods: list[Pod], age_s: int) -> list[Pod]:
        mark = {"gang": ["slacktide", "team", "high"], "atS": int(NOW_S) - age_s}
        text = msgspec.json.encode(mark).decode()
        found = []
        for pod in pods:
            notes = {**(pod.metadata.annotations or {}), ANNOTATION_EVICTION: text}
            meta = msgspec.structs.replace(pod.metadata, annotations=notes)
            found.append(msgspec.structs.replace(pod, metadata=meta))
        return found

    pods = marked(runs("old", "n0 n0 n0 n0"), 3_600) + marked(runs("new", "n1 n1 n1 n1"), 5)
    assert mark_of(pods[0]) is not None
    copy = batch_pod("new-3-again", gang="new", least=4, labels={LABEL_QUEUE: "rest"}, after_s=60)
    pods = [*pods[:-1], copy]  # one was evicted, and its copy would take its place
    contested = Contested(NODES, pods + waits("high", 4), guaranteed=SURE, after_s=1e9)
    contested.planner.rounds.look(now_s=NOW_S)
    contested.claims.begin()

    async def a_moment() -> None:
        running = asyncio.ensure_future(contested.claims.run())
        await asyncio.sleep(0.05)
        running.cancel()

    asyncio.run(a_moment())
    assert sorted(contested.door.deleted) == sorted(f"old-{k}-again-uid-old-" for k in range(4))
    assert contested.round() == set()
    assert sorted(contested.door.evicted) == ["new-0", "new-1", "new-2"]
    assert contested.round(after_s=1) == {"high-0", "high-1", "high-2", "high-3"}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.lists(
        st.tuples(st.sampled_from(["sure", "rest"]), st.integers(1, 4), st.integers(0, 2)),
        min_size=1,
        max_size=8,
    ),
    slow=st.booleans(),
)
def test_books_stay_true_and_guarantees_are_kept_whatever_is_claimed(
    seed: list[tuple[str, int, int]], slow: bool
) -> None:
    pods = [
        pod
        for k, (queue, size, priority) in enumerate(seed)
        for pod in waits(f"g{k}", size, queue=queue, priority=priority, after_s=k)
    ]
    contested = Contested(NODES, pods, guaranteed=SURE)
    contested.door.slow = slow
    for _ in range(12):
        contested.round(after_s=15)
        bind(contested)
        free = contested.planner.board.nodes.columns().free_cpu_cores
        assert (free >= 0).all()
        placed = list(contested.planner.board.placed())
        used = sum(one.cpu_milli for one in placed)
        assert sum(amounts[0] for amounts in contested.planner.board.used.values()) == used
    gone = {name.rpartition("-")[0] for name in contested.door.evicted}
    assert len(contested.door.evicted) == len(set(contested.door.evicted))
    assert all(contested.planner.lives.lives[Key("slacktide", "team", g)] for g in gone)


def bind(contested: Contested) -> None:
    """As the API server and kube-scheduler do."""
    for one in list(contested.planner.board.placed()):
        pod = contested.planner.pods[one.uid]
        if pod.spec.node_name:
            continue
        notes = pod.metadata.annotations or {}
        contested.planner.sees(
            batch_pod(
                one.name,
                gang=one.gang.name,
                least=int(notes["slacktide.io/gang-min-available"]),
                labels=pod.metadata.labels,
                decision=one.decision,
                node=one.node,
                priority=pod.spec.priority,
            )
        )


HERE = pinned(msgspec.Raw(), "n1")


@pytest.mark.parametrize(
    ("wishes", "moved"),
    [
        ({}, 2),
        ({"affinity": HERE}, 2),
        ({"affinity": HERE | {"podAntiAffinity": {"x": []}}}, 0),
        ({"affinity": pinned(msgspec.Raw(), "n2")}, 0),
        ({"nodeSelector": {"zone": "a"}, "affinity": HERE}, 0),
    ],
    ids=["anywhere", "pinned by us", "minds others", "wants another", "wants a zone"],
)
def test_only_who_may_run_anywhere_is_moved_our_own_pin_apart(
    wishes: dict[str, Any], moved: int
) -> None:
    stays = runs("old", "n0 n0", at_s=-1_000)
    contested = Contested(
        NODES,
        stays + runs("new", "n1 n1", **wishes) + waits("large", 1, milli=4_000),
        guaranteed={"sure": 0, "rest": 0},
        evict=False,
        defragment=True,
        budgets=(budget({"matchLabels": {"app": "old"}}, 0),),
    )
    contested.round()
    assert len(contested.door.evicted) == moved


def test_lost_places_are_told_by_lives() -> None:
    contested = Contested(NODES, FULL + waits("high", 4), guaranteed=SURE)
    contested.door.slow = True
    contested.round()
    contested.planner.rounds.look(now_s=NOW_S)
    life = contested.planner.lives.lives[Key("slacktide", "team", "new")]
    assert life.phase is Phase.PREEMPTED
    assert life.reason.startswith("made room for slacktide/team/high")
