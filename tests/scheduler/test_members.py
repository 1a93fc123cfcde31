"""Whichever way a gang was told, the model is one: precedence, queues, roles, and who counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.members import gangs_of
from scheduler.core.ways_in.order import NAMED, OWNED, gang_key
from scheduler.core.ways_in.shape import Groups, Near
from slacktide import contract
from slacktide.kube.groups import CoschedulingPodGroup, Job, VolcanoPodGroup
from slacktide.kube.objects import Pod
from tests.scheduler.ganged import AT_S, NOW_S, known, only, pod, pods, roles

OURS = {"slacktide.io/gang-name": "ours", "slacktide.io/gang-min-available": "2"}
NO_DURATION = "is no duration (examples: 90s, 15m, 24h, 2d)"
OFFLINE = {"template": {"spec": {"schedulerName": "slacktide-scheduler"}}}
EVERY_WAY: list[tuple[str, dict[str, Any]]] = [  # in the order of precedence
    ("slacktide", {"annotations": {"slacktide.io/gang-name": "ours"}}),
    ("native", {"schedulingGroup": {"podGroupName": "native"}}),
    ("coscheduling", {"labels": {"scheduling.x-k8s.io/pod-group": "pg"}}),
    ("koordinator", {"annotations": {"gang.scheduling.koordinator.sh/name": "koord"}}),
    ("light", {"labels": {"pod-group.scheduling.sigs.k8s.io/name": "light"}}),
    ("kueue", {"labels": {"kueue.x-k8s.io/pod-group-name": "kueue"}}),
    ("volcano", {"annotations": {"scheduling.k8s.io/group-name": "volcano"}}),
    ("jobset", {"labels": {"jobset.sigs.k8s.io/jobset-name": "set"}}),
    ("ray", {"labels": {"ray.io/cluster": "ray", "ray.io/node-type": "head"}}),
    ("spark", {"labels": {"spark-app-selector": "s", "spark-role": "driver"}}),
    ("training", {"labels": {"training.kubeflow.org/job-name": "mpi"}}),
    ("job", {"owner": ("Job", "job")}),
    ("pod", {}),
]


def of_all(ways: list[tuple[str, dict[str, Any]]]) -> Pod:
    """A pod named by all these ways."""
    merged: dict[str, Any] = {}
    for _, way in ways:
        for part, value in way.items():
            both = {**merged.get(part, {}), **value} if isinstance(value, dict) else value
            merged[part] = both
    return pod("p", **merged)


@pytest.mark.parametrize("first", range(len(EVERY_WAY)), ids=[way for way, _ in EVERY_WAY])
def test_a_pod_named_by_several_ways_follows_the_first(first: int) -> None:
    assert gang_key(of_all(EVERY_WAY[first:])).source == EVERY_WAY[first][0]


def test_every_way_in_is_in_the_table_of_precedence() -> None:
    assert [way.source for way in (*NAMED, *OWNED)] == [way for way, _ in EVERY_WAY[:-1]]


def test_a_gang_named_twice_is_noted_and_the_same_name_is_no_conflict() -> None:
    both = {"annotations": {**OURS, "scheduling.k8s.io/group-name": "pg"}}
    gang = only(pods(2, **both))
    assert gang.notes == ("named twice: volcano says pg, but slacktide counts",)
    same = {"labels": {"scheduling.x-k8s.io/pod-group": "ours"}, "annotations": OURS}
    assert only(pods(2, **same)).notes == ()


@pytest.mark.parametrize(
    ("labels", "annotations", "volcano_queue", "expected"),
    [
        ({}, {}, "", "default"),
        ({"quota.scheduling.koordinator.sh/name": "k"}, {}, "", "k"),
        ({"quota.scheduling.koordinator.sh/name": "k"}, {}, "v", "v"),
        ({"volcano.sh/queue-name": "w"}, {}, "", "w"),
        ({}, {"scheduling.volcano.sh/queue-name": "x"}, "", "x"),
        ({"kueue.x-k8s.io/queue-name": "u"}, {}, "v", "u"),
        ({"slacktide.io/queue": "s", "kueue.x-k8s.io/queue-name": "u"}, {}, "v", "s"),
    ],
)
def test_the_queue_is_the_first_that_is_named(
    labels: dict[str, str], annotations: dict[str, str], volcano_queue: str, expected: str
) -> None:
    groups = Groups(volcano=known(VolcanoPodGroup, "a", {"minMember": 1, "queue": volcano_queue}))
    group = {"scheduling.k8s.io/group-name": "a"}
    assert only(pods(1, labels=labels, annotations=annotations | group), groups).queue == expected


def test_kueues_label_is_read_from_the_job_too() -> None:
    labels = {"kueue.x-k8s.io/queue-name": "research"}
    groups = Groups(jobs=known(Job, "a", {"parallelism": 1}, labels=labels))
    assert only(pods(1, owner=("Job", "a")), groups).queue == "research"


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        ("kueue.x-k8s.io/admission", "waits for Kueue to let 2 of its pods go"),
        ("x.io/quota", "waits for whoever set the gate x.io/quota to let 2 of its pods go"),
    ],
)
def test_pods_that_another_holds_back_are_not_ours_yet(gate: str, reason: str) -> None:
    held = pods(2, annotations=OURS, gates=(gate, "slacktide.io/gang"))
    gang = only(held)
    assert (gang.ready, gang.have, gang.reason) == (False, 0, reason)
    assert [member.gated for member in gang.roles[0].members] == [True, True]
    assert only(pods(2, annotations=OURS, gates=())).ready, "a gate is not needed"


@pytest.mark.parametrize(
    ("phase", "node", "counts", "started"),
    [
        ("Pending", "", True, 0),
        ("Pending", "n1", True, 1),
        ("Running", "n1", True, 1),
        ("Succeeded", "n1", True, 1),
        ("Succeeded", "", True, 1),
        ("Failed", "n1", False, 0),
        ("Failed", "", False, 0),
    ],
)
def test_who_counts_as_a_member(phase: str, node: str, counts: bool, started: int) -> None:
    gang = only([pod("a", annotations=OURS, phase=phase, node=node), pod("b", annotations=OURS)])
    assert gang.ready is counts
    assert (sum(role.started for role in gang.roles), gang.roles[0].needs) == (
        started,
        2 - started,
    )


def test_pods_that_are_being_deleted_do_not_count() -> None:
    gang = only([pod("a", annotations=OURS), pod("b", annotations=OURS, deleted=True)])
    assert (gang.have, gang.reason) == (1, "has 1 of 2 pods")


@pytest.mark.parametrize("owner", [None, ("MPIJob", "m")])
def test_members_that_run_belong_with_those_that_wait_for_the_same(
    owner: tuple[str, str] | None,
) -> None:
    pin = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name"}]}]
            }
        }
    }
    gang = only(
        [
            pod("a-runs", annotations=OURS, owner=owner, node="n1", phase="Running", affinity=pin),
            pod("b-pinned", annotations=OURS, owner=owner, gates=(), affinity=pin),
            pod("waits", annotations=OURS, owner=owner),
            pod("bigger", annotations=OURS, owner=owner, cpu="8", after_s=9),
        ]
    )
    assert roles(gang) == [("", 2, 3), ("-2", 0, 1)]
    task = gang.roles[0].task
    assert task is not None
    assert task.metadata.name == "waits", "what is planned with carries no pin"


def test_a_number_over_several_roles_counts_the_leader_first() -> None:
    said = {**OURS, "slacktide.io/gang-min-available": "3"}
    workers = pods(4, annotations=said, labels={"spark-role": "executor"})
    driver = pod("driver", annotations=said, labels={"spark-role": "driver"}, after_s=60)
    gang = only([*workers, driver])
    assert roles(gang) == [("driver", 1, 1), ("executor", 2, 4)]


def test_a_number_over_several_tasks_is_not_counted_on_pods_that_have_failed() -> None:
    said = {**OURS, "slacktide.io/gang-min-available": "3"}
    failed = pod("a-failed", annotations=said, cpu="4", phase="Failed", node="n1")
    gang = only([failed, *pods(3, annotations=said, role="b")])
    assert (gang.ready, gang.least, gang.have) == (True, 3, 3)


def test_age_and_priority_and_domain_are_the_groups() -> None:
    groups = Groups(coscheduling=known(CoschedulingPodGroup, "a", {"minMember": 1}))
    wish = {"kueue.x-k8s.io/podset-preferred-topology": "rack"}
    labels = {"scheduling.x-k8s.io/pod-group": "a"}
    found = [
        pod("a", labels=labels, after_s=50, priority=5, annotations=wish),
        pod("b", labels=labels, after_s=60, priority=9),
    ]
    gang = only(found, groups)
    assert (gang.submit_s, gang.priority, gang.near) == (AT_S, 9, Near("rack", required=False))


@pytest.mark.parametrize(
    ("annotations", "duration_s", "limit_s", "notes"),
    [
        ({}, None, 600.0, ()),
        ({"slacktide.io/expected-duration": "2h"}, 7200.0, 600.0, ()),
        ({"slacktide.io/time-limit": "5m"}, None, 300.0, ()),
        ({"slacktide.io/time-limit": "30s"}, None, 30.0, ()),
        ({"slacktide.io/time-limit": "1d"}, None, 600.0, ()),
        (
            {"slacktide.io/time-limit": "soon"},
            None,
            600.0,
            (f"slacktide.io/time-limit is ignored: 'soon' {NO_DURATION}",),
        ),
    ],
)
def test_durations_come_from_annotations_and_the_job(
    annotations: dict[str, str],
    duration_s: float | None,
    limit_s: float | None,
    notes: tuple[str, ...],
) -> None:
    groups = Groups(jobs=known(Job, "a", {"activeDeadlineSeconds": 600}))
    gang = only(pods(1, owner=("Job", "a"), annotations=annotations), groups)
    assert (gang.duration_s, gang.limit_s, gang.notes) == (duration_s, limit_s, notes)


@pytest.mark.parametrize(
    ("spec", "reasons"),
    [
        ({**OFFLINE, "suspend": True, "parallelism": 4}, ["Job team/a is suspended"]),
        ({**OFFLINE, "parallelism": 4}, ["has 0 of 4 pods"]),
        ({"suspend": True, "parallelism": 4}, []),
    ],
)
def test_an_offline_job_without_pods_is_there_and_waits(
    spec: dict[str, Any], reasons: list[str]
) -> None:
    found = gangs_of([], Groups(jobs=known(Job, "a", spec)), now_s=NOW_S)
    assert [gang.reason for gang in found] == reasons
    assert [gang.suspended for gang in found] == [spec.get("suspend", False)] * len(found)
    assert all(gang.least == 4 for gang in found)


@pytest.mark.parametrize(
    ("meta", "conditions"),
    [
        ({}, [{"type": "Complete", "status": "True"}]),
        (
            {"ownerReferences": [{"kind": "JobSet", "name": "s", "uid": "u", "controller": True}]},
            [],
        ),
    ],
)
def test_a_job_that_is_done_or_anothers_does_not_wait(
    meta: dict[str, Any], conditions: list[dict[str, str]]
) -> None:
    import msgspec

    ((named, job),) = known(Job, "a", OFFLINE, **meta).items()
    ended = msgspec.convert({"conditions": conditions}, type(job.status))
    done = msgspec.structs.replace(job, status=ended)
    assert gangs_of([], Groups(jobs={named: done}), now_s=NOW_S) == []


def test_a_name_that_no_object_could_have_names_no_gang() -> None:
    assert only(pods(1, annotations={"slacktide.io/gang-name": "x" * 254})).key.source == "pod"


def test_gangs_of_two_namespaces_and_two_ways_are_kept_apart() -> None:
    labels = {"scheduling.x-k8s.io/pod-group": "ours"}
    found = [
        *pods(2, annotations=OURS),
        *pods(2, annotations=OURS, namespace="other", role="o"),
        *pods(1, labels=labels, role="q"),
    ]
    keys = {gang.id for gang in gangs_of(found, Groups(), now_s=NOW_S)}
    assert keys == {"slacktide/team/ours", "slacktide/other/ours", "coscheduling/team/ours"}


some_pods = st.lists(
    st.builds(
        lambda index, way, cpu, phase, node: pod(
            f"p{index}", cpu=cpu, phase=phase, node=node, **dict(EVERY_WAY)[way]
        ),
        st.integers(0, 10_000),
        st.sampled_from([way for way, _ in EVERY_WAY]),
        st.sampled_from(["1", "2"]),
        st.sampled_from(["Pending", "Running", "Failed", "Succeeded"]),
        st.sampled_from(["", "n1"]),
    ),
    max_size=12,
    unique_by=lambda one: one.metadata.uid,
)


@given(some_pods)
@settings(deadline=None)  # a busy machine is no failure
def test_every_pod_is_in_one_role_of_one_gang_and_ready_gangs_have_what_they_need(
    found: list[Pod],
) -> None:
    groups = Groups(
        coscheduling=known(CoschedulingPodGroup, "pg", {"minMember": 3}),
        volcano=known(VolcanoPodGroup, "volcano", {"minMember": 2}),
        jobs=known(Job, "job", {"parallelism": 2}),
    )
    gangs = gangs_of(found, groups, now_s=NOW_S)
    seen = [one.uid for gang in gangs for role in gang.roles for one in role.members]
    assert sorted(seen) == sorted(one.metadata.uid for one in found)
    for gang in gangs:
        assert gang.ready is not bool(gang.reason)
        assert not gang.ready or all(role.have >= role.least for role in gang.roles)
        assert all(role.least <= role.most for role in gang.roles)
    assert gangs == gangs_of(reversed(found), groups, now_s=NOW_S), "order of arrival is no matter"


def test_the_tightest_deadline_of_its_pods_is_a_time_limit_too() -> None:
    first = pod("a", annotations=OURS, activeDeadlineSeconds=90)
    assert only([first, pod("b", annotations=OURS)]).limit_s == 90.0


KEYS = [
    value
    for value in vars(contract).values()
    if isinstance(value, str) and ("/" in value or value.startswith("spark-"))
]
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["a", "1", "2", "0", "-1", "1e9", "9" * 30, '["team/a","x/b"]', "[", "1h", "1hh"]
    ),
)
said = st.dictionaries(st.sampled_from(KEYS), TEXTS, max_size=6)


@given(st.lists(st.tuples(said, said), min_size=1, max_size=4))
@settings(deadline=None)  # a busy machine is no failure
def test_whatever_stands_in_labels_and_annotations_gives_gangs_with_a_sentence(
    texts: list[tuple[dict[str, str], dict[str, str]]],
) -> None:
    found = [
        pod(f"p{k}", labels=labels, annotations=annotations)
        for k, (labels, annotations) in enumerate(texts)
    ]
    gangs = gangs_of(found, Groups(), now_s=NOW_S)
    assert sum(len(role.members) for gang in gangs for role in gang.roles) == len(found)
    assert all(gang.ready is not bool(gang.reason) for gang in gangs)
    assert all(len(gang.reason) < 1_000 for gang in gangs)
    assert len({gang.id for gang in gangs}) == len(gangs)
