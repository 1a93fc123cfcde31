"""Lives told step by step: tests/scenarios/lifecycle_*.txt hold commands and expected answers.

    job NAME needs=4 [limit=2h] [suspended=yes]     an offline Job, also to change it
    pods NAME [waiting=4] [running=4] [failed=1] [done=2]     what is there of it now
    ends NAME Complete|Failed [REASON]
    delete NAME                                     the Job and its pods
    pass 30s [planned=NAME] [evicted=NAME]          time passes, then one step of every life

Answers come under `----`: what changed, and what the scheduler has to do. With REWRITE=1 in the
environment they are written anew, to be read in the diff.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from scheduler.core.lifecycle import (
    ENDED,
    Life,
    LifecycleSettings,
    Phase,
    begun,
    retained,
    step,
)
from scheduler.core.members import Gang, gangs_of
from scheduler.core.ways_in.shape import Groups, Named
from slacktide.durations import parse_duration_s
from slacktide.kube.groups import Job
from slacktide.kube.objects import Pod
from tests.scheduler.ganged import AT_S, known, only, pod, pods
from tests.scheduler.transcripts import told

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("lifecycle_*.txt"))
PHASES = {"waiting": "Pending", "running": "Running", "failed": "Failed", "done": "Succeeded"}


class Story:
    """Jobs and pods that are as the file says."""

    def __init__(self) -> None:
        self.jobs: dict[Named, Job] = {}
        self.there: dict[str, list[Pod]] = {}
        self.lives: dict[str, Life] = {}
        self.now_s = float(AT_S)

    def tell(self, line: str) -> list[str]:
        verb, *words = line.split()
        values = dict(word.split("=") for word in words if "=" in word)
        if verb == "pass":
            return self.steps(parse_duration_s(words[0]), values)
        getattr(self, verb)(words[0], values, *[word for word in words[1:] if "=" not in word])
        return []

    def job(self, name: str, values: dict[str, str]) -> None:
        spec: dict[str, Any] = {
            "parallelism": int(values["needs"]),
            "suspend": "suspended" in values,
            "template": {"spec": {"schedulerName": "slacktide-scheduler"}},
        }
        if "limit" in values:
            spec["activeDeadlineSeconds"] = parse_duration_s(values["limit"])
        self.jobs |= known(Job, name, spec)

    def pods(self, name: str, values: dict[str, str]) -> None:
        self.there[name] = [
            pod(
                f"{name}-{kind}-{k}",
                owner=("Job", name),
                phase=PHASES[kind],
                node="" if kind == "waiting" else "n1",
            )
            for kind, count in values.items()
            for k in range(int(count))
        ]

    def ends(self, name: str, _values: dict[str, str], how: str, reason: str = "") -> None:
        job = self.jobs["team", name]
        condition = {"type": how, "status": "True", "reason": reason}
        status = msgspec.convert({"conditions": [condition]}, type(job.status))
        self.jobs["team", name] = msgspec.structs.replace(job, status=status)

    def delete(self, name: str, _values: dict[str, str]) -> None:
        del self.jobs["team", name]
        self.there.pop(name, None)

    def steps(self, pass_s: int, values: dict[str, str]) -> list[str]:
        self.now_s += pass_s
        members = [one for some in self.there.values() for one in some]
        found = {
            gang.key.name: gang
            for gang in gangs_of(members, Groups(jobs=self.jobs), now_s=self.now_s)
        }
        said: list[str] = []
        for name in sorted({*found, *self.lives}):
            before = self.lives.get(name)
            after, stop = step(
                before,
                found.get(name),
                now_s=self.now_s,
                settings=LifecycleSettings(),
                planned=values.get("planned") == name,
                lost="made room for b" if values.get("evicted") == name else "",
            )
            self.lives[name] = after
            if before is None or (before.phase, before.reason) != (after.phase, after.reason):
                said.append(f"{self.now_s - AT_S:g}s {name} {after.phase}: {after.reason}")
            said += ["    to do: stop"] if stop else []
        return said


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_life_goes_as_written(path: Path) -> None:
    text = path.read_text()
    answer = told(Story().tell, text)
    if os.environ.get("REWRITE"):
        path.write_text(answer)
    assert answer == text


def test_there_are_lives_and_each_has_answers() -> None:
    assert len(SCENARIOS) >= 4
    assert all("----\n" in path.read_text() for path in SCENARIOS)


OURS = {"slacktide.io/gang-name": "a", "slacktide.io/gang-min-available": "2"}


def gang(*, waiting: int = 0, running: int = 0, failed: int = 0, after_s: int = 0) -> Gang:
    """A gang that needs two."""
    members = [
        pod(f"{phase}{k}", annotations=OURS, phase=phase, node=node, after_s=after_s)
        for phase, count, node in (
            ("Pending", waiting, ""),
            ("Running", running, "n1"),
            ("Failed", failed, "n1"),
        )
        for k in range(count)
    ]
    return only(members)


seen = st.fixed_dictionaries(
    {
        "waiting": st.integers(0, 3),
        "running": st.integers(0, 3),
        "failed": st.integers(0, 2),
        "after_s": st.integers(0, 3_000),
    }
).filter(lambda counts: counts["waiting"] + counts["running"] + counts["failed"] > 0)
steps = st.lists(
    st.tuples(
        st.one_of(st.none(), seen.map(lambda counts: gang(**counts))),
        st.booleans(),
        st.sampled_from(["", "made room"]),
    ),
    max_size=12,
)


@given(steps)
@tried(deadline=None)  # a busy machine is no failure
def test_whatever_happens_age_is_kept_and_back_off_honoured(
    told_steps: list[tuple[Gang | None, bool, str]],
) -> None:
    settings = LifecycleSettings(gone_after_s=1e9)
    life = begun(gang(waiting=2), now_s=float(AT_S))
    for k, (found, planned, evicted) in enumerate(told_steps):
        before, now_s = life, AT_S + 7.0 * k
        life = step(life, found, now_s=now_s, settings=settings, planned=planned, lost=evicted).life
        again = step(life, found, now_s=now_s, settings=settings, planned=planned).life
        assert life.reason
        assert life.since_s <= now_s
        if before.phase not in ENDED:
            assert life.submit_s == before.submit_s
            backs_off = now_s < before.not_before_s and life.phase not in ENDED
            assert not backs_off or life.phase in {Phase.QUEUED, Phase.PREEMPTED}
        assert life.not_before_s <= now_s + settings.longest_backoff_s
        if found is None or not planned:
            assert again.phase == life.phase or life.phase in ENDED, "the same view, the same phase"


def test_back_off_doubles_up_to_its_cap_and_is_forgotten_by_a_good_run() -> None:
    settings = LifecycleSettings()
    life, now_s, waits = begun(gang(running=2), now_s=0.0), 0.0, []
    for _ in range(7):
        life = step(life, gang(waiting=2), now_s=now_s, settings=settings).life
        waits.append(life.not_before_s - now_s)
        now_s = life.not_before_s
        life = step(life, gang(running=2), now_s=now_s, settings=settings).life
    assert waits == [10, 20, 40, 80, 160, 300, 300]
    assert (life.phase, life.preemptions, life.runs) == (Phase.RESUMED, 7, 8)
    now_s += settings.healthy_after_s
    life = step(life, gang(waiting=2), now_s=now_s, settings=settings).life
    assert life.not_before_s - now_s == 10


def test_a_pod_that_fails_while_others_are_being_bound_is_a_setback() -> None:
    settings = LifecycleSettings()
    life = begun(gang(waiting=2), now_s=0.0)
    life = step(life, gang(waiting=2), now_s=1.0, settings=settings, planned=True).life
    found = gang(waiting=1, running=1, failed=1)
    life = step(life, found, now_s=2.0, settings=settings, planned=True).life
    assert (life.phase, life.setbacks, life.not_before_s) == (Phase.QUEUED, 1, 12.0)
    again = step(life, found, now_s=3.0, settings=settings, planned=True).life
    assert again == life, "each failure counts once"


def test_an_elastic_gang_that_keeps_what_it_needs_runs_on() -> None:
    life = begun(gang(running=3), now_s=0.0)
    after = step(life, gang(running=2, waiting=1), now_s=1.0, settings=LifecycleSettings())
    assert (after.life.phase, after.stop) == (Phase.RUNNING, False)


def test_pods_that_come_anew_under_an_old_name_begin_a_new_life() -> None:
    life = begun(gang(waiting=2), now_s=0.0)
    over = replace(life, phase=Phase.DONE, reason="all its pods are done", runs=3)
    fresh = step(over, gang(waiting=2, after_s=50), now_s=60.0, settings=LifecycleSettings()).life
    assert (fresh.phase, fresh.runs, fresh.submit_s) == (Phase.QUEUED, 0, AT_S + 50)


def test_a_scheduler_that_starts_takes_running_gangs_for_running() -> None:
    life = begun(gang(running=2), now_s=5.0)
    assert (life.phase, life.runs) == (Phase.RUNNING, 1)


def test_a_life_needs_a_gang_to_begin_with() -> None:
    with pytest.raises(ValueError, match="needs a gang"):
        step(None, None, now_s=0.0, settings=LifecycleSettings())


@pytest.mark.parametrize(
    ("kept", "kept_s", "expected"),
    [
        (10, 1e9, ["old", "new", "runs"]),
        (1, 1e9, ["new", "runs"]),
        (0, 1e9, ["runs"]),
        (10, 50.0, ["new", "runs"]),
    ],
)
def test_finished_lives_are_kept_by_count_and_age(
    kept: int, kept_s: float, expected: list[str]
) -> None:
    life = begun(gang(waiting=2), now_s=0.0)
    lives = {
        "old": replace(life, phase=Phase.DONE, since_s=10.0),
        "new": replace(life, phase=Phase.FAILED, since_s=90.0),
        "runs": replace(life, phase=Phase.RUNNING, since_s=0.0),
    }
    settings = LifecycleSettings(finished_kept=kept, finished_kept_s=kept_s)
    assert list(retained(lives, now_s=100.0, settings=settings)) == expected


@pytest.mark.parametrize(
    ("labels", "phases", "outcome"),
    [
        ({}, ["Succeeded", "Succeeded"], (True, "all its pods are done")),
        ({}, ["Succeeded", "Failed"], (False, "pod p1 has failed")),
        ({}, ["Succeeded", "Running"], None),
        ({}, ["Succeeded"], None),
        ({"spark-role": "driver"}, ["Succeeded"], (True, "its driver is done")),
    ],
)
def test_how_a_gang_without_a_job_ends(
    labels: dict[str, str], phases: list[str], outcome: tuple[bool, str] | None
) -> None:
    members = [
        pod(f"p{k}", annotations=OURS, labels=labels, phase=phase) for k, phase in enumerate(phases)
    ]
    assert only(members).outcome == outcome


def test_pods_that_somebody_makes_anew_do_not_end_a_gang_by_failing() -> None:
    assert only(pods(2, annotations=OURS, phase="Failed")).outcome is not None
    owned = pods(2, annotations=OURS, phase="Failed", owner=("MPIJob", "m"))
    assert only(owned).outcome is None
