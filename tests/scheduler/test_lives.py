"""Lives as rounds see them: who may be planned, and what the next scheduler knows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from scheduler.app.lives import Lives
from scheduler.app.outcome import Outcome
from scheduler.core.life_note import life_text
from scheduler.core.lifecycle import Life, Phase
from scheduler.core.member import Decision
from scheduler.core.ways_in.shape import Groups, Key
from slacktide.contract import ANNOTATION_LIFE, ANNOTATION_SUBMITTED, ANNOTATION_TIME_LIMIT
from slacktide.kube.groups import Job
from slacktide.kube.objects import Pod
from tests.scheduler.boards import AT_S, NOW_S, Planner, batch_pod, selling_node
from tests.scheduler.ganged import known

NODES = [selling_node(f"n{k}") for k in range(2)]
G = Key("slacktide", "team", "g")
RUNS = Decision(plan="0-x-1", node="n0", tasks=2, epoch=0, at_s=int(NOW_S) - 100)
NOTE = Life(phase=Phase.QUEUED, reason="backs off", submit_s=AT_S - 500.0, since_s=NOW_S - 1)


def once(planner: Planner, now_s: float = NOW_S) -> Outcome:
    return asyncio.run(planner.rounds.once(now_s=now_s, steady_s=0.0))


def gang(*, bound: int = 0, size: int = 2, **pod: Any) -> list[Pod]:
    return [
        batch_pod(
            f"g-{k}",
            gang="g",
            least=size,
            decision=RUNS if k < bound else None,
            node="n0" if k < bound else "",
            **pod,
        )
        for k in range(size)
    ]


def placed(outcome: Outcome) -> int:
    return sum(len(one.members) for one in outcome.placed)


def test_a_gang_that_lost_its_place_is_planned_again_after_its_back_off() -> None:
    planner = Planner(NODES, gang(bound=2))
    for pod in list(planner.pods.values()):
        planner.gone(pod)
    for pod in gang(after_s=1):
        planner.sees(pod)
    outcome = once(planner)
    assert placed(outcome) == 0
    assert planner.lives.lives[G].phase is Phase.PREEMPTED
    assert placed(once(planner, NOW_S + 9.9)) == 0
    assert placed(once(planner, NOW_S + 10.0)) == 2


def test_what_the_scheduler_takes_away_says_for_whom() -> None:
    planner = Planner(NODES, gang(bound=2))
    planner.lives.evicted([G], now_s=NOW_S)
    planner.lives.lost(G, "made room for x")
    once(planner)
    life = planner.lives.lives[G]
    assert (life.phase, life.preemptions) == (Phase.PREEMPTED, 1)
    assert life.reason == "made room for x: tried again in 10 s"
    assert planner.lives.evicted_s(G) == NOW_S


def test_the_next_scheduler_goes_on_from_the_note_on_the_eldest_pod() -> None:
    note = life_text(replace(NOTE, not_before_s=NOW_S + 30, setbacks=3, evicted_s=NOW_S - 5))
    planner = Planner(NODES, gang(annotations={ANNOTATION_LIFE: note}))
    assert placed(once(planner)) == 0
    assert planner.rounds.standings[G].gang.submit_s == NOTE.submit_s
    assert planner.lives.evicted_s(G) == NOW_S - 5
    assert placed(once(planner, NOW_S + 30)) == 2
    assert planner.lives.lives[G].setbacks == 3


def test_a_copy_keeps_the_age_of_the_pod_it_is_for() -> None:
    notes = {ANNOTATION_SUBMITTED: "2025-12-31T00:00:00Z"}
    planner = Planner(NODES, gang(annotations=notes, after_s=60))
    assert planner.rounds.standings[G].gang.submit_s == AT_S - 86_400


@pytest.mark.parametrize("ran_s", [100, 250])
def test_a_time_limit_counts_from_the_decision_also_for_the_next_scheduler(ran_s: int) -> None:
    planner = Planner(NODES, gang(bound=2, annotations={ANNOTATION_TIME_LIMIT: f"{ran_s + 1}s"}))
    assert planner.lives.overdue == {}
    once(planner, NOW_S + ran_s - 99)
    assert planner.lives.overdue == {G: f"ran for {ran_s + 1} s, which is its time limit"}
    for pod in gang(size=3)[2:]:
        planner.sees(pod)
    assert placed(once(planner, NOW_S + 500)) == 0, "what has ended is not topped up"


def test_a_time_limit_that_was_noted_and_not_carried_out_is_seen_again() -> None:
    note = life_text(replace(NOTE, phase=Phase.FAILED))
    notes = {ANNOTATION_TIME_LIMIT: "50s", ANNOTATION_LIFE: note}
    planner = Planner(NODES, gang(bound=2, annotations=notes))
    assert list(planner.lives.overdue) == [G]


def test_a_gang_that_is_gone_has_failed_after_a_while_and_may_come_anew() -> None:
    planner = Planner(NODES, gang())
    for pod in list(planner.pods.values()):
        planner.gone(pod)
    once(planner, NOW_S)
    once(planner, NOW_S + 59)
    assert planner.lives.lives[G].phase is Phase.QUEUED
    once(planner, NOW_S + 60)
    life = planner.lives.lives[G]
    assert (life.phase, life.reason) == (Phase.FAILED, "its pods and its object were deleted")
    for pod in gang(after_s=1_000):
        planner.sees(pod)
    assert placed(once(planner, NOW_S + 1_000)) == 2


def test_a_suspended_job_has_a_life_without_pods() -> None:
    template = {"spec": {"schedulerName": "slacktide-scheduler"}}
    spec = {"parallelism": 2, "suspend": True, "template": template}
    groups = Groups(jobs=known(Job, "train", spec))
    planner = Planner(NODES, [], groups=groups)
    assert planner.lives.group_changed("team", "train")
    planner.rounds.look(now_s=NOW_S)
    life = planner.lives.lives[Key("job", "team", "train")]
    assert (life.phase, life.reason) == (Phase.SUSPENDED, "Job team/train is suspended")
    assert not planner.lives.group_changed("team", "unknown")


class Patches:
    """A writer's client that takes patches and remembers them."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def patch(self, path: str, body: Any, *, kind: str) -> None:
        self.sent.append((path, kind, body))


def written(lives: Lives) -> list[Any]:
    patches = Patches()

    async def while_it_writes() -> None:
        running = asyncio.ensure_future(lives.run(patches))  # type: ignore[arg-type]  # its patch alone
        await asyncio.sleep(0.02)
        running.cancel()

    asyncio.run(while_it_writes())
    return patches.sent


def test_a_note_is_written_on_the_eldest_pod_and_once() -> None:
    planner = Planner(NODES, [*gang(bound=2), batch_pod("alone")])
    [(path, kind, body)] = written(planner.lives)
    assert path == "/api/v1/namespaces/team/pods/g-0"
    assert kind == "application/json-patch+json"
    assert body[0] == {"op": "test", "path": "/metadata/uid", "value": "uid-g-0"}
    text = body[1]["value"]
    assert msgspec.json.decode(text)["phase"] == "running"
    first = planner.pods["uid-g-0"]
    notes = {**(first.metadata.annotations or {}), ANNOTATION_LIFE: text}
    meta = msgspec.structs.replace(first.metadata, annotations=notes)
    planner.sees(msgspec.structs.replace(first, metadata=meta))
    planner.rounds.look(now_s=NOW_S)
    assert written(planner.lives) == []
