"""Each way in, by tables: what it makes of pods and objects, and why a gang waits."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.core.ways_in.shape import MOST_MEMBERS, Groups, Near
from slacktide.kube.groups import (
    CoschedulingPodGroup,
    Job,
    JobSet,
    NativePodGroup,
    RayCluster,
    VolcanoPodGroup,
)
from tests.scheduler.ganged import known, only, pod, pods, roles

ASKS = "write a whole number from 1 to 1000000"
OURS = "slacktide.io/gang-"
KOORDINATOR = "gang.scheduling.koordinator.sh/"
GROUP = {"scheduling.x-k8s.io/pod-group": "a"}
NATIVE: dict[str, Any] = {"schedulingGroup": {"podGroupName": "a"}}
VOLCANO = {"scheduling.k8s.io/group-name": "a"}


def prefixed(prefix: str, values: dict[str, str]) -> dict[str, str]:
    return {prefix + name: value for name, value in values.items()}


@pytest.mark.parametrize(
    ("said", "there", "least", "most", "reason"),
    [
        ({"min-available": "3", "total": "5"}, 3, 3, 5, ""),
        ({"min-available": "3", "total": "5"}, 2, 3, 5, "has 2 of 3 pods"),
        ({"total": "2"}, 2, 2, 2, ""),
        ({"min-available": "2"}, 3, 2, MOST_MEMBERS, ""),
    ],
)
def test_our_annotations_make_a_gang(
    said: dict[str, str], there: int, least: int, most: int, reason: str
) -> None:
    gang = only(pods(there, annotations=prefixed(OURS, {"name": "a", **said})))
    assert gang.key == ("slacktide", "team", "a")
    assert (gang.least, gang.roles[0].most, gang.reason) == (least, most, reason)
    assert gang.ready is (not reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "its pods state no slacktide.io/gang-min-available"),
        (
            {"min-available": "5", "total": "3"},
            "it needs 5 pods but says that it has 3 in all",
        ),
        (
            {"min-available": "0"},
            f"slacktide.io/gang-min-available of pod team/p0 is '0': {ASKS}",
        ),
        (
            {"total": "9" * 300},
            f"slacktide.io/gang-total of pod team/p0 is '{'9' * 40}...': {ASKS}",
        ),
        (
            {"total": "three"},
            f"slacktide.io/gang-total of pod team/p0 is 'three': {ASKS}",
        ),
    ],
)
def test_what_our_annotations_get_wrong_is_said(said: dict[str, str], reason: str) -> None:
    gang = only(pods(1, annotations=prefixed(OURS, {"name": "a", **said})))
    assert (gang.ready, gang.reason) == (False, reason)


def test_pods_that_differ_in_their_number_are_held_to_the_largest() -> None:
    old = pod("old", annotations=prefixed(OURS, {"name": "a", "min-available": "1"}))
    new = pod("new", annotations=prefixed(OURS, {"name": "a", "min-available": "3"}))
    gang = only([old, new])
    assert gang.reason == "has 2 of 3 pods"
    assert gang.notes == ("its pods differ in slacktide.io/gang-min-available: the largest holds",)


@pytest.mark.parametrize(
    ("spec", "there", "least", "wait_s", "reason"),
    [
        ({"minMember": 3, "scheduleTimeoutSeconds": 60}, 3, 3, 60.0, ""),
        ({"minMember": 4}, 3, 4, None, "has 3 of 4 pods"),
        ({}, 1, 1, None, ""),
    ],
)
def test_a_pod_group_of_the_coscheduling_plugin(
    spec: dict[str, Any], there: int, least: int, wait_s: float | None, reason: str
) -> None:
    groups = Groups(coscheduling=known(CoschedulingPodGroup, "a", spec))
    gang = only(pods(there, labels=GROUP), groups)
    assert gang.key == ("coscheduling", "team", "a")
    assert (gang.least, gang.wait_s, gang.reason) == (least, wait_s, reason)


def test_the_elder_label_and_koordinators_total_are_read_too() -> None:
    total = {"gang.scheduling.koordinator.sh/total-number": "3"}
    groups = Groups(
        coscheduling=known(CoschedulingPodGroup, "a", {"minMember": 2}, annotations=total)
    )
    gang = only(pods(2, labels={"pod-group.scheduling.sigs.k8s.io": "a"}), groups)
    assert (gang.ready, gang.least, gang.roles[0].most) == (True, 2, 3)


@pytest.mark.parametrize(
    ("spec", "least", "near", "priority"),
    [
        ({"schedulingPolicy": {"gang": {"minCount": 3}}}, 3, None, 7),
        ({"schedulingPolicy": {"basic": {}}}, 1, None, 7),
        (
            {
                "schedulingPolicy": {"gang": {"minCount": 2}},
                "schedulingConstraints": {"topology": [{"key": "rack"}]},
                "priority": 100,
            },
            2,
            Near("rack", required=True),
            100,
        ),
    ],
)
def test_kubernetes_own_pod_group(
    spec: dict[str, Any], least: int, near: Near | None, priority: int
) -> None:
    groups = Groups(native=known(NativePodGroup, "a", spec))
    gang = only(pods(3, priority=7, **NATIVE), groups)
    assert gang.key == ("native", "team", "a")
    assert (gang.ready, gang.least, gang.near, gang.priority) == (True, least, near, priority)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (pod("p", labels=GROUP), "there is no PodGroup (scheduling.x-k8s.io) team/a"),
        (pod("p", **NATIVE), "there is no PodGroup (scheduling.k8s.io) team/a"),
        (pod("p", annotations=VOLCANO), "there is no PodGroup (scheduling.volcano.sh) team/a"),
        (pod("p", owner=("Job", "a")), "there is no Job team/a"),
        (pod("p", labels={"jobset.sigs.k8s.io/jobset-name": "a"}), "there is no JobSet team/a"),
        (
            pod("p", labels={"ray.io/cluster": "a", "ray.io/node-type": "head"}),
            "there is no RayCluster team/a",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_gang_waits_for_the_object_that_its_pods_name(found: Any, reason: str) -> None:
    gang = only([found])
    assert (gang.ready, gang.reason) == (False, reason)


@pytest.mark.parametrize(
    ("said", "there", "least", "most", "wait_s"),
    [
        ({"min-available": "2"}, 2, 2, MOST_MEMBERS, None),
        ({"min-available": "2", "total-number": "4"}, 2, 2, 4, None),
        ({"min-available": "2", "waiting-time": "1h30m", "mode": "NonStrict"}, 2, 2, None, 5400.0),
        ({"min-available": "2", "waiting-time": "500ms"}, 2, 2, None, 0.5),
    ],
)
def test_koordinators_annotations(
    said: dict[str, str], there: int, least: int, most: int | None, wait_s: float | None
) -> None:
    gang = only(pods(there, annotations=prefixed(KOORDINATOR, {"name": "a", **said})))
    assert gang.key == ("koordinator", "team", "a")
    assert (gang.ready, gang.least, gang.wait_s) == (True, least, wait_s)
    assert most in {None, gang.roles[0].most}


def test_a_waiting_time_that_is_none_is_noted_and_no_reason_to_wait() -> None:
    said = {"name": "a", "min-available": "1", "waiting-time": "soon"}
    gang = only(pods(1, annotations=prefixed(KOORDINATOR, said)))
    assert gang.ready
    assert gang.notes == ("a gang.scheduling.koordinator.sh/waiting-time is no duration",)


def bundled(name: str, least: int, **more: Any) -> dict[str, str]:
    return prefixed(
        KOORDINATOR,
        {
            "name": name,
            "min-available": str(least),
            "groups": '["team/ps","other/workers"]',
            **more,
        },
    )


def test_gangs_that_koordinator_bundles_are_one_gang_over_namespaces() -> None:
    servers = [pod("s0", annotations=bundled("ps", 1))]
    workers = [pod(f"w{k}", namespace="other", annotations=bundled("workers", 2)) for k in range(2)]
    gang = only(servers + workers)
    assert gang.key == ("koordinator", "", "other/workers+team/ps")
    assert gang.ready
    assert roles(gang) == [("other/workers", 2, 2), ("team/ps", 1, 1)]
    assert only(servers).reason == "it starts together with other/workers, which has no pods yet"
    assert only(servers + workers[:1]).reason == (
        "has 1 of 2 pods of role other/workers, 2 of 3 in all"
    )


@pytest.mark.parametrize(
    "groups", ["", "{", "[]", '["team/a"]', '["x/y","x/z"]', "[1]", '"team/a"', "[" * 100_000]
)
def test_a_bundle_that_is_none_leaves_the_gang_alone(groups: str) -> None:
    said = {"name": "a", "min-available": "1", "groups": groups}
    assert only(pods(1, annotations=prefixed(KOORDINATOR, said))).key.name == "a"


def test_a_gang_of_two_labels_has_no_object() -> None:
    labels = prefixed("pod-group.scheduling.sigs.k8s.io/", {"name": "a", "min-available": "2"})
    gang = only(pods(2, labels=labels))
    assert (gang.key.source, gang.ready, gang.least) == ("light", True, 2)


@pytest.mark.parametrize(("there", "reason"), [(2, "has 2 of 3 pods"), (3, "")])
def test_kueues_plain_pod_groups(there: int, reason: str) -> None:
    total = {"kueue.x-k8s.io/pod-group-total-count": "3"}
    labels = {"kueue.x-k8s.io/pod-group-name": "a"}
    gang = only(pods(there, labels=labels, annotations=total))
    assert (gang.key.source, gang.reason) == ("kueue", reason)


@pytest.mark.parametrize(
    ("spec", "expected", "reason"),
    [
        ({"minMember": 3}, [("ps", 1, 1), ("worker", 2, 2)], ""),
        (
            {"minMember": 4},
            [("ps", 1, 1), ("worker", 3, 2)],
            "has 2 of 3 pods of role worker, 3 of 4 in all",
        ),
        (
            {"minMember": 2, "minTaskMember": {"worker": 2}},
            [("worker", 2, 2), ("ps", 0, 1)],
            "",
        ),
        (
            {"minMember": 1, "minTaskMember": {"evaluator": 1, "worker": 2}},
            [("evaluator", 1, 0), ("worker", 2, 2), ("ps", 0, 1)],
            "has 0 of 1 pods of role evaluator, 2 of 3 in all",
        ),
    ],
)
def test_volcanos_pod_group(
    spec: dict[str, Any], expected: list[tuple[str, int, int]], reason: str
) -> None:
    server = pod("ps0", annotations={**VOLCANO, "volcano.sh/task-spec": "ps"})
    worker = {**VOLCANO, "volcano.sh/task-spec": "worker"}
    groups = Groups(volcano=known(VolcanoPodGroup, "a", {**spec, "queue": "research"}))
    gang = only([server, *pods(2, annotations=worker, cpu="4", role="w")], groups)
    assert (gang.key, gang.queue) == (("volcano", "team", "a"), "research")
    assert roles(gang) == expected
    assert (gang.ready, gang.reason) == (not reason, reason)


def test_volcanos_tiers_are_noted_as_unread() -> None:
    spec = {"minMember": 1, "networkTopology": {"mode": "hard", "highestTierAllowed": 2}}
    gang = only(pods(1, annotations=VOLCANO), Groups(volcano=known(VolcanoPodGroup, "a", spec)))
    assert gang.ready
    assert gang.notes == (
        "its networkTopology counts tiers of HyperNodes, which are not read here",
    )


@pytest.mark.parametrize(
    ("spec", "annotations", "least", "most"),
    [
        ({"parallelism": 4, "completions": 4, "completionMode": "Indexed"}, {}, 4, 4),
        ({"parallelism": 4, "completions": 10}, {}, 4, 4),
        ({"parallelism": 4}, {}, 4, 4),
        ({"parallelism": 4, "completions": 2}, {}, 2, 2),
        ({}, {}, 1, 1),
        ({"parallelism": 4}, {"kueue.x-k8s.io/job-min-parallelism": "2"}, 2, 4),
        ({"parallelism": 4}, {"slacktide.io/gang-min-available": "1"}, 1, 4),
        ({"parallelism": 4}, {"slacktide.io/gang-min-available": "9"}, 4, 4),
    ],
)
def test_a_job_is_a_gang_of_what_runs_at_one_time(
    spec: dict[str, Any], annotations: dict[str, str], least: int, most: int
) -> None:
    groups = Groups(jobs=known(Job, "a", spec, annotations=annotations))
    gang = only(pods(least, owner=("Job", "a")), groups)
    assert gang.key == ("job", "team", "a")
    assert (gang.ready, gang.least, gang.roles[0].most) == (True, least, most)


def test_what_a_job_has_completed_is_needed_no_more() -> None:
    spec = {"parallelism": 4, "completions": 4}
    (job,) = known(Job, "a", spec).values()
    done = type(job)(metadata=job.metadata, spec=job.spec, status=type(job.status)(succeeded=3))
    gang = only(pods(1, owner=("Job", "a")), Groups(jobs={("team", "a"): done}))
    assert (gang.ready, gang.least) == (True, 1)


def replicated(name: str, replicas: int, parallelism: int, **more: Any) -> dict[str, Any]:
    template = {"spec": {"parallelism": parallelism, "completions": parallelism}}
    return {"name": name, "replicas": replicas, "template": template, **more}


@pytest.mark.parametrize(
    ("more", "policy", "reason"),
    [
        ({}, {}, "has 0 of 4 pods of role workers, 1 of 5 in all"),
        ({"dependsOn": [{"name": "driver", "status": "Ready"}]}, {}, ""),
        ({}, {"startupPolicy": {"startupPolicyOrder": "InOrder"}}, ""),
    ],
)
def test_a_job_set_waits_for_all_its_jobs_unless_they_start_in_order(
    more: dict[str, Any], policy: dict[str, Any], reason: str
) -> None:
    jobs = [replicated("driver", 1, 1), replicated("workers", 2, 2, **more)]
    groups = Groups(jobsets=known(JobSet, "a", {"replicatedJobs": jobs, **policy}))
    labels = {"jobset.sigs.k8s.io/jobset-name": "a", "jobset.sigs.k8s.io/replicatedjob-name": ""}
    driver = pod("d", labels={**labels, "jobset.sigs.k8s.io/replicatedjob-name": "driver"})
    workers = {**labels, "jobset.sigs.k8s.io/replicatedjob-name": "workers"}
    assert only([driver], groups).reason == reason
    whole = only([driver, *pods(4, labels=workers, owner=("Job", "a-workers-0"))], groups)
    assert whole.key == ("jobset", "team", "a")
    assert (whole.ready, roles(whole)) == (True, [("driver", 1, 1), ("workers", 4, 4)])


@pytest.mark.parametrize(
    ("group", "autoscaling", "least", "most"),
    [
        ({"replicas": 2}, False, 2, 2),
        ({"replicas": 2, "numOfHosts": 2}, False, 4, 4),
        ({"replicas": 3, "minReplicas": 1, "maxReplicas": 5}, True, 1, 5),
        ({"replicas": 3, "suspend": True}, False, 0, 0),
    ],
)
def test_a_ray_cluster_is_its_head_and_its_worker_groups(
    group: dict[str, Any], autoscaling: bool, least: int, most: int
) -> None:
    spec = {
        "workerGroupSpecs": [{"groupName": "gpu", **group}],
        "enableInTreeAutoscaling": autoscaling,
    }
    of_cluster = {"ray.io/cluster": "a"}
    head = pod("h", labels={**of_cluster, "ray.io/node-type": "head", "ray.io/group": "headgroup"})
    worker = {**of_cluster, "ray.io/node-type": "worker", "ray.io/group": "gpu"}
    found = [head, *pods(max(least, 1), labels=worker)]
    gang = only(found, Groups(ray_clusters=known(RayCluster, "a", spec)))
    assert gang.key == ("ray", "team", "a")
    assert gang.ready
    assert roles(gang) == [("head", 1, 1), ("gpu", least, max(least, 1))]
    assert gang.roles[1].most == max(most, least)


def test_what_cleans_up_after_a_ray_cluster_is_none_of_it() -> None:
    labels = {"ray.io/cluster": "a", "ray.io/node-type": "redis-cleanup"}
    assert only(pods(1, labels=labels)).key.source == "pod"


def spark(role: str) -> dict[str, str]:
    return {"spark-app-selector": "spark-1", "spark-role": role}


def test_a_spark_driver_starts_alone_and_its_executors_join_it() -> None:
    driver = pod("d", labels=spark("driver"))
    gang = only([driver])
    assert (gang.key.source, gang.ready, roles(gang)) == ("spark", True, [("driver", 1, 1)])
    running = pod("d", labels=spark("driver"), node="n1", phase="Running")
    grown = only([running, *pods(3, labels=spark("executor"), cpu="2")])
    assert roles(grown) == [("driver", 1, 1), ("executor", 0, 3)]
    assert [role.needs for role in grown.roles] == [0, 0]
    assert only(pods(2, labels=spark("executor"))).ready, "a driver may run outside the cluster"


def test_spark_and_its_workers_start_together_by_our_annotations() -> None:
    said = prefixed(OURS, {"name": "etl", "min-available": "3", "total": "5"})
    executors = pods(4, labels=spark("executor"), annotations=said, cpu="2")
    driver = pod("d", labels=spark("driver"), annotations=said, after_s=9)
    gang = only([*executors, driver])
    assert roles(gang) == [("driver", 1, 1), ("executor", 2, 4)]


@pytest.mark.parametrize("role_label", ["job-role", "replica-type"])
def test_a_training_job_is_whole_a_moment_after_its_last_pod(role_label: str) -> None:
    def of(role: str) -> dict[str, str]:
        return prefixed("training.kubeflow.org/", {"job-name": "a", role_label: role})

    found = [*pods(3, labels=of("worker")), pod("l", labels=of("Launcher"), after_s=3)]
    early = only(found, now_s=only(found).submit_s + 4)
    assert (early.ready, early.reason) == (
        False,
        "its last pod came a moment ago: more may follow",
    )
    assert early.ready_at_s == early.submit_s + 8
    whole = only(found, now_s=early.ready_at_s)
    assert (whole.key.source, whole.ready) == ("training", True)
    assert roles(whole) == [("launcher", 1, 1), ("worker", 3, 3)]


def test_a_bare_pod_is_a_gang_of_one() -> None:
    gang = only(pods(1, owner=("ReplicaSet", "web")))
    assert (gang.id, gang.ready, roles(gang)) == ("pod/team/p0", True, [("", 1, 1)])
