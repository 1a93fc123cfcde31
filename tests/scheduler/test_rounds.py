"""Rounds decide whole gangs, and go on from pods alone wherever another planner was killed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.app.outcome import Outcome
from scheduler.core.explain import Blocked
from scheduler.core.member import Decision, Stage
from scheduler.core.settling import STAYS_S
from slacktide.contract import LABEL_QUEUE
from slacktide.kube.objects import Meta, Pod
from slacktide.kube.queues import Amounts, Queue, QueueSpec
from tests.scheduler.boards import NOW_S, Planner, batch_pod, selling_node

NODES = [selling_node(f"n{k}") for k in range(4)]  # 16 cores


def once(planner: Planner, steady_s: float = 0.0, *, later_s: float = 0.0) -> Outcome:
    return asyncio.run(planner.rounds.once(now_s=NOW_S + later_s, steady_s=steady_s))


def gang(name: str, size: int, *, milli: int = 1_000, after_s: int = 0) -> list[Pod]:
    return [
        batch_pod(f"{name}-{k}", gang=name, least=size, milli=milli, after_s=after_s)
        for k in range(size)
    ]


def decisions(outcome: Outcome) -> dict[str, Decision]:
    return {
        one.name: one.decision
        for placed in outcome.placed
        for one in placed.members
        if one.decision is not None
    }


def test_a_gang_is_decided_whole_by_one_plan() -> None:
    found = decisions(once(Planner(NODES, gang("g", 6))))
    assert len(found) == 6
    assert {one.plan for one in found.values()} == {"0-a-1"}
    assert {one.tasks for one in found.values()} == {6}


def test_what_was_decided_holds_its_room_before_it_is_written() -> None:
    planner = Planner(NODES, gang("first", 12))
    once(planner)
    for pod in gang("second", 6, after_s=1):
        planner.sees(pod)
    outcome = once(planner)
    assert outcome.placed == ()
    assert "other batch tasks hold the room" in outcome.waits[0].reason


def test_a_gang_that_is_not_all_there_is_told_what_it_waits_for() -> None:
    planner = Planner(NODES, gang("g", 6)[:4])
    outcome = once(planner)
    assert outcome.placed == ()
    assert outcome.unready == (), "the others may just be coming"
    assert [one.reason for one in once(planner, later_s=STAYS_S).unready] == ["has 4 of 6 pods"]
    assert once(planner, later_s=9.0).unready == (), "once is enough"


def test_a_gang_that_came_in_parts_and_is_whole_is_never_called_short() -> None:
    pods = gang("g", 6)
    planner = Planner(NODES, pods[:4])
    once(planner)
    for pod in pods[4:]:
        planner.sees(pod)
    outcome = once(planner, later_s=STAYS_S)
    assert outcome.unready == ()
    assert len(decisions(outcome)) == 6


def test_the_loop_has_its_turns_while_thousands_are_looked_at_and_placed() -> None:
    nodes = [selling_node(f"n{k}", milli=100_000) for k in range(20)]
    planner = Planner(nodes, [pod for k in range(300) for pod in gang(f"g{k}", 4)])
    planner.board.touched.update(planner.board.gangs())

    async def meanwhile() -> tuple[int, Outcome]:
        turns, planning = 0, asyncio.ensure_future(planner.rounds.once(now_s=NOW_S, steady_s=0.0))
        while not planning.done():
            await asyncio.sleep(0)
            turns += 1
        return turns, planning.result()

    turns, outcome = asyncio.run(meanwhile())
    assert len(decisions(outcome)) == 1_200
    assert turns > 10


def test_what_ends_while_others_are_assumed_is_not_assumed() -> None:
    """The loop has its turn between two gangs, and may bring the end of one."""
    planner = Planner(NODES, gang("g", 2))

    async def gone_meanwhile() -> Outcome:
        planning = asyncio.ensure_future(planner.rounds.once(now_s=NOW_S, steady_s=0.0))
        await asyncio.sleep(0)
        planner.gone(planner.pods["uid-g-0"])
        return await planning

    assert asyncio.run(gone_meanwhile()).placed == ()
    assert planner.board.assumed == {}


def test_a_refused_task_keeps_its_gang_from_asking_until_it_is_time() -> None:
    planner = Planner(NODES, gang("g", 2))
    planner.rounds.refused["uid-g-0"] = 10.0
    planner.board.touched.update(planner.board.gangs())
    assert once(planner, steady_s=9.0).placed == ()
    assert len(decisions(once(planner, steady_s=10.0))) == 2


def test_a_place_on_a_node_that_closed_while_it_was_planned_is_not_taken() -> None:
    planner = Planner([selling_node("n0")], gang("g", 2))

    async def close_meanwhile() -> Outcome:
        planning = asyncio.ensure_future(planner.rounds.once(now_s=NOW_S, steady_s=0.0))
        await asyncio.sleep(0)  # it plans in a thread of its own now, and comes back to this loop
        planner.board.nodes.put(selling_node("n0", unschedulable=True))
        return await planning

    outcome = asyncio.run(close_meanwhile())
    assert outcome.asked == 1
    assert outcome.placed == ()
    assert planner.board.assumed == {}


def test_queue_use_goes_by_the_gangs_queue() -> None:
    planner = Planner(NODES, [batch_pod("p", node="n0", labels={LABEL_QUEUE: "night"})])
    assert planner.board.used == {"night": [1_000, 0]}


def test_a_gang_waits_until_its_queue_is_there() -> None:
    planner = Planner(NODES, [batch_pod("p", labels={LABEL_QUEUE: "night"})])
    unready = once(planner, later_s=STAYS_S).unready
    assert [one.reason for one in unready] == ["there is no queue night"]
    planner.rounds.queues_changed([Queue(Meta(name="night"))])
    assert len(decisions(once(planner))) == 1


def test_a_queue_at_its_maximum_keeps_its_gangs_waiting() -> None:
    pods = [batch_pod(f"p-{k}", labels={LABEL_QUEUE: "night"}) for k in range(3)]
    planner = Planner(NODES, pods)
    planner.rounds.queues_changed([Queue(Meta(name="night"), QueueSpec(max=Amounts(cpu="2")))])
    outcome = once(planner)
    assert len(decisions(outcome)) == 2
    assert [one.blocked for one in outcome.waits] == [Blocked.QUEUE_AT_MAX]


def written(pod: Pod, decision: Decision, *, bound: bool) -> Pod:
    """The pod after the planner's patch, and after kube-scheduler if `bound`."""
    name = pod.metadata.name
    owner = name.rpartition("-")[0]
    notes = pod.metadata.annotations or {}
    return batch_pod(
        name,
        gang=owner,
        least=int(notes["slacktide.io/gang-min-available"]),
        decision=decision,
        node=decision.node if bound else "",
    )


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    cut=st.integers(0, 24),
    bound=st.sets(st.integers(0, 23)),
)
def test_a_planner_killed_after_any_write_is_gone_on_from(
    sizes: list[int], cut: int, bound: set[int]
) -> None:
    """Whichever patches were sent, the next planner finishes those gangs where their room is."""
    pods = [pod for k, size in enumerate(sizes) for pod in gang(f"g{k}", size)]
    first = Planner(NODES, pods)
    decided = decisions(once(first))
    sent = list(decided)[:cut]
    there = {pod.metadata.name: pod for pod in pods}
    for place, name in enumerate(sent):
        there[name] = written(there[name], decided[name], bound=place in bound)
    begun = {name.rpartition("-")[0] for name in sent}

    second = Planner(NODES, list(there.values()), run="b")
    found = decisions(once(second))
    assert not set(found) & set(sent), "no task is placed twice"
    for name in begun:
        members = [pod for pod in pods if pod.metadata.name.startswith(f"{name}-")]
        placed = [second.board.member(pod.metadata.uid) for pod in members]
        assert all(one is not None and one.holds for one in placed), "the begun gang is whole"
    free = second.board.nodes.columns().free_cpu_cores
    assert (free >= 0).all()


@pytest.mark.parametrize("late", [0, 5])
def test_only_a_gang_that_never_was_whole_is_in_part(late: int) -> None:
    """After a restart: a pod as old as the plan was left out; a younger one was made since."""
    decision = Decision(plan="0-x-1", node="n0", tasks=3, epoch=0, newest_s=int(NOW_S) - 600)
    pods = [batch_pod(f"g-{k}", gang="g", least=3, decision=decision, node="n0") for k in range(2)]
    pods.append(batch_pod("g-2", gang="g", least=3, after_s=late))
    [found] = Planner(NODES, pods).rounds.standings.values()
    assert found.partly == (late == 0)
    assert found.whole == (late > 0)
    assert len(found.asks[0].waiting) == 1


def test_a_gang_that_was_whole_goes_on_without_the_member_that_died() -> None:
    decision = Decision(plan="0-x-1", node="n0", tasks=3, epoch=0)
    pods = [batch_pod(f"g-{k}", gang="g", least=3, decision=decision, node="n0") for k in range(3)]
    planner = Planner(NODES, pods)
    planner.gone(pods[0])
    planner.rounds.look(now_s=NOW_S)
    [found] = planner.rounds.standings.values()
    assert found.whole
    assert not found.partly


def test_what_others_gates_hold_is_not_placed() -> None:
    pods = [batch_pod("p", gates=("slacktide.io/gang", "kueue.x-k8s.io/admission"))]
    planner = Planner(NODES, pods)
    assert once(planner).placed == ()
    one = planner.board.member("uid-p")
    assert one is not None
    assert one.stage is Stage.GATED


def test_who_looked_on_for_long_begins_like_who_came_just_now() -> None:
    decision = Decision(plan="0-x-1", node="n0", tasks=2, epoch=0)
    there = [batch_pod(f"r-{k}", gang="r", least=2, decision=decision, node="n0") for k in range(2)]
    fresh = Planner(NODES, [*there, *gang("g", 3)])
    waited = Planner(NODES, [])
    for pod in (*there, *gang("g", 3)):
        waited.sees(pod)
        asyncio.run(waited.rounds.look_in_turns(now_s=NOW_S))
    waited.rounds.begin(epoch=0, now_s=NOW_S)
    assert waited.rounds.standings == fresh.rounds.standings
    assert decisions(once(waited)) == decisions(once(fresh))


def test_a_driver_and_its_workers_start_together_or_not_at_all() -> None:
    sizes = {"s-driver": 4_000, "s-worker-0": 3_000, "s-worker-1": 3_000, "s-worker-2": 3_000}
    pods = [batch_pod(name, gang="s", least=4, milli=milli) for name, milli in sizes.items()]
    assert len(decisions(once(Planner(NODES, pods)))) == 4
    assert decisions(once(Planner(NODES[:3], pods))) == {}


def test_a_node_selector_is_kept() -> None:
    fast = selling_node("fast")
    fast = type(fast)(
        metadata=type(fast.metadata)(name="fast", uid="f", labels={"disk": "ssd"}),
        spec=fast.spec,
        status=fast.status,
    )
    pods = [batch_pod(f"p-{k}", nodeSelector={"disk": "ssd"}) for k in range(3)]
    found = decisions(once(Planner([*NODES, fast], pods)))
    assert {one.node for one in found.values()} == {"fast"}
    outcome = once(Planner(NODES, pods))
    assert outcome.placed == ()
    assert len(outcome.waits) == 3
