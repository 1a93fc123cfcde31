"""The planner's role is what the planner asks for: nothing is missing, and nothing is too much."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from slacktide.contract import ANNOTATION_TIME_LIMIT, KUEUE_CHECK, LABEL_QUEUE
from slacktide.errors import BadInput
from slacktide.testing.cluster.batch_pods import gang
from slacktide.testing.cluster.installed import RELEASE, Installed, kubectl
from tests.cluster.asked_for import FORBIDDEN, PLANNER, Right, covers, requests, rights
from tests.cluster.charted import (
    NODES,
    QUICK,
    applied,
    charted,
    operate,
    pods_there,
    shown,
    space_of,
    until,
    until_bound,
)
from tests.scheduler.gang_pages import pages

SIZE = 4
MILLI = 16_000  # all that a node sells
KUEUES = "workloads.kueue.x-k8s.io"  # Kubernetes has some of its own
PAGES = {page.name: page for page in pages()}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """After everything that a planner does at some time has happened."""
    with charted(tmp_path_factory.mktemp("rights")) as made:
        for scenario in SCENARIOS:
            scenario(made)
        for mode in OF_ONE_MODE:
            a_gang_starts_in_another_mode(made, mode)
        yield made


def a_job_is_placed(release: Installed) -> None:
    space = space_of(release, "placed")
    applied(release, space, PAGES["job"].manifest)
    for one in PAGES["job"].objects:
        operate(release, space, one)
    until_bound(release, space, PAGES["job"].least)


def a_gang_in_part_is_taken_back(release: Installed) -> None:
    space = space_of(release, "taken-back")
    release.plane.stop("offline-scheduler")
    applied(release, space, yaml.safe_dump_all(gang("part", SIZE)))
    until(lambda: not any(gated(release, space)), lambda: shown(release, space))
    before = {pod["metadata"]["uid"] for pod in pods_there(release, space)}
    with release.plane.client() as client:
        path = f"/api/v1/namespaces/{space}/pods/part-0/binding"
        body = {"metadata": {"name": "part-0"}, "target": {"kind": "Node", "name": "n0"}}
        client.post(path, json=body).raise_for_status()

    def all_are_copies() -> bool:
        now = {pod["metadata"]["uid"] for pod in pods_there(release, space)}
        return len(now) == SIZE and not now & before

    until(all_are_copies, lambda: shown(release, space))
    release.kube_scheduler()
    until_bound(release, space, SIZE)


def a_guarantee_is_claimed(release: Installed) -> None:
    sure = {"apiVersion": "slacktide.io/v1alpha1", "kind": "Queue", "metadata": {"name": "sure"}}
    sure["spec"] = {"guaranteed": {"cpu": "32"}}
    kubectl(release.plane, "apply", "-f", "-", given=yaml.safe_dump(sure))
    space = space_of(release, "claimed")
    lent = gang("lent", NODES - 1, milli=MILLI)
    applied(release, space, yaml.safe_dump_all(lent))
    until_bound(release, space, len(lent))
    claims = gang("claims", 2, milli=MILLI)  # a node is free, so one makes way
    for pod in claims:
        pod["metadata"]["labels"][LABEL_QUEUE] = "sure"
    applied(release, space, yaml.safe_dump_all(claims))

    def is_bound() -> bool:
        there = {pod["metadata"]["name"]: pod["spec"] for pod in pods_there(release, space)}
        return all(there[pod["metadata"]["name"]].get("nodeName") for pod in claims)

    until(is_bound, lambda: shown(release, space))
    queue = ("get", "queue", "sure", "-o", "jsonpath={.status.used.cpu}")
    until(lambda: kubectl(release.plane, *queue) == "32", lambda: kubectl(release.plane, *queue))
    kubectl(release.plane, "-n", space, "delete", "pods", "--all", "--wait=false")


def a_job_runs_into_its_time_limit(release: Installed) -> None:
    space = space_of(release, "limited")
    [job] = PAGES["job"].objects
    job["metadata"]["annotations"] = {ANNOTATION_TIME_LIMIT: "1s"}
    applied(release, space, yaml.safe_dump(job))

    def is_over() -> bool:
        path = ("-n", space, "get", "job", job["metadata"]["name"], "-o", "jsonpath={.status}")
        return "DeadlineExceeded" in kubectl(release.plane, *path)

    until(is_over, lambda: shown(release, space))


def kueue_asks_for_capacity(release: Installed) -> None:
    space = space_of(release, "kueue-asks")
    check = {"kind": "AdmissionCheck", "spec": {"controllerName": KUEUE_CHECK}}
    main = {"name": "main", "count": 1, "template": {"spec": gang("any", 1)[0]["spec"]}}
    spec = {"queueName": "q", "active": True, "podSets": [main]}
    common = {"apiVersion": "kueue.x-k8s.io/v1beta1", "metadata": {"name": "room"}}
    both = [common | check, common | {"kind": "Workload", "spec": spec}]
    applied(release, space, yaml.safe_dump_all(both))
    asks = {"name": "room", "state": "Pending", "message": ""}
    asks["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    given = {"clusterQueue": "q", "podSetAssignments": [{"name": "main"}]}
    patch = json.dumps({"status": {"admission": given, "admissionChecks": [asks]}})
    workload = ("-n", space, "patch", KUEUES, "room", "--subresource=status", "--type=merge")
    kubectl(release.plane, *workload, "-p", patch)
    path = ("-n", space, "get", KUEUES, "room", "-o", "jsonpath={.status.admissionChecks}")
    until(lambda: '"Ready"' in kubectl(release.plane, *path), lambda: shown(release, space))
    kind = ("get", "admissioncheck", "room", "-o", "jsonpath={.status.conditions}")
    until(lambda: '"Active"' in kubectl(release.plane, *kind), lambda: shown(release, space))


def gated(release: Installed, space: str) -> list[bool]:
    return [bool(pod["spec"].get("schedulingGates")) for pod in pods_there(release, space)]


def a_gang_starts_in_another_mode(release: Installed, mode: str) -> None:
    space = space_of(release, mode)
    release.set(mode=mode, **QUICK)
    release.plane.stop("planner")
    release.planner()
    applied(release, space, yaml.safe_dump_all(gang(mode, SIZE)))
    until_bound(release, space, SIZE)


# Each right of the planner has to be used by one of them: a new right comes with its scenario.
SCENARIOS: tuple[Callable[[Installed], None], ...] = (
    a_guarantee_is_claimed,
    a_job_is_placed,
    a_job_runs_into_its_time_limit,
    a_gang_in_part_is_taken_back,
    kueue_asks_for_capacity,
)
OF_ONE_MODE = {
    "direct": Right("", "pods/binding", "create"),
    "nominated": Right("", "pods/status", "patch"),
}
EVICT = Right("", "pods/eviction", "create")


PLANNERS_ROLES = (f"clusterrole/{RELEASE}-{RELEASE}-planner", f"role/{RELEASE}-planner")
KUBE_SCHEDULERS_ROLE = f"role/{RELEASE}-kube-scheduler"
KUBE_SCHEDULERS_ROLES = (
    KUBE_SCHEDULERS_ROLE,
    f"clusterrole/{RELEASE}-{RELEASE}-kube-scheduler",
    "clusterrole/system:volume-scheduler",
)


def rule(group: str, resource: str, *verbs: str, **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": verbs, **more}


def given(release: Installed, *roles: str) -> set[Right]:
    """All that these roles of the chart give now."""
    found = [
        yaml.safe_load(kubectl(release.plane, "-n", RELEASE, "get", role, "-o", "yaml"))
        for role in roles
    ]
    return rights(rule for role in found for rule in role["rules"])


def asked(release: Installed, *, by_planner: bool = True) -> set[Right]:
    """All that the planner, or kube-scheduler, asked for."""
    seen = requests(release.plane.audit_log, release.account)
    return {one.right for one in seen if one.agent.startswith(PLANNER) is by_planner}


def test_nobody_was_refused(release: Installed) -> None:
    seen = requests(release.plane.audit_log, release.account)
    assert len({one.agent.startswith(PLANNER) for one in seen}) == 2, "both programs were heard"
    assert [one for one in seen if one.status == FORBIDDEN] == []


@pytest.fixture(scope="module")
def by_mode(release: Installed) -> dict[str, set[Right]]:
    """What the planner may do in each mode, as the API server has it after an upgrade."""
    found = {}
    for mode in ("gated", *OF_ONE_MODE):
        release.set(mode=mode)
        found[mode] = given(release, *PLANNERS_ROLES)
    return found


def test_the_planners_own_role_is_enough_for_it(
    release: Installed, by_mode: dict[str, set[Right]]
) -> None:
    held = set().union(*by_mode.values())
    missing = {one for one in asked(release) if not any(covers(right, one) for right in held)}
    assert missing == set()


def test_the_planner_needs_every_right_it_has(
    release: Installed, by_mode: dict[str, set[Right]]
) -> None:
    used = asked(release)
    spare = {
        right
        for right in set().union(*by_mode.values())
        if not any(covers(right, one) for one in used)
    }
    assert spare == set()


def test_kube_scheduler_needs_every_right_that_the_chart_adds(release: Installed) -> None:
    used, held = asked(release, by_planner=False), given(release, KUBE_SCHEDULERS_ROLE)
    assert {right for right in held if not any(covers(right, one) for one in used)} == set()


def test_kube_schedulers_roles_are_enough_for_it(release: Installed) -> None:
    held, used = given(release, *KUBE_SCHEDULERS_ROLES), asked(release, by_planner=False)
    missing = {one for one in used if not any(covers(right, one) for right in held)}
    assert {(one.resource, one.name) for one in missing} == {WHO_IS_WHO}


def test_kube_scheduler_may_do_what_kubernetes_lets_its_own_do_but_for_these(
    release: Installed,
) -> None:
    """What a later Kubernetes adds is seen here, and taken over or named."""
    held = given(release, *KUBE_SCHEDULERS_ROLES[1:])
    own = given(release, "clusterrole/system:kube-scheduler", KUBE_SCHEDULERS_ROLES[2])
    assert own - held == rights(NOT_TAKEN_OVER)
    assert held - own == rights([OF_A_FEATURE_GATE])


# By a role of Kubernetes for every server that has callers to tell apart.
WHO_IS_WHO = ("configmaps", "extension-apiserver-authentication")
READ = ("get", "list", "watch")
OF_A_FEATURE_GATE = rule("resource.k8s.io", "devicetaintrules", *READ)  # off here
WRITE = ("create", "update", "patch", "delete", "deletecollection")
NOT_TAKEN_OVER: tuple[dict[str, Any], ...] = (
    # The main scheduler's lease: who may update it can take that scheduler out of service.
    rule("coordination.k8s.io", "leases", *READ, "update", resourceNames=["kube-scheduler"]),
    rule("coordination.k8s.io", "leases", "create"),  # in the release's namespace alone
    rule("coordination.k8s.io", "leasecandidates", *READ, *WRITE),  # leaders elect themselves here
    rule("", "pods", "delete"),  # it preempts nobody here
    rule("", "pods/status", "update"),  # it patches
    rule("", "bindings", "create"),  # as pods/binding, which it uses
    rule("extensions", "replicasets", *READ),  # gone since Kubernetes 1.16
)


def test_who_evicts_nobody_may_not(release: Installed, by_mode: dict[str, set[Right]]) -> None:
    release.set(planner__evictions__enabled="false")
    assert by_mode["gated"] == given(release, *PLANNERS_ROLES) | {EVICT}


@pytest.mark.parametrize("mode", OF_ONE_MODE)
def test_what_one_mode_needs_is_given_in_that_mode_alone(
    by_mode: dict[str, set[Right]], mode: str
) -> None:
    assert by_mode[mode] == by_mode["gated"] | {OF_ONE_MODE[mode]}


def may(release: Installed, *words: str) -> bool:
    """What `kubectl auth can-i` says of the chart's account."""
    try:
        kubectl(release.plane, "auth", "can-i", f"--as={release.account}", *words)
    except BadInput:
        return False
    return True


def test_what_is_asked_of_kubectl_is_answered(release: Installed) -> None:
    assert may(release, "patch", "pods", "-n", "default")
    assert may(release, "update", f"leases/{RELEASE}-scheduler", "-n", RELEASE)


def test_who_may_view_a_cluster_may_see_its_queues_and_no_more_of_them(release: Installed) -> None:
    bind = ("create", "clusterrolebinding", "eve", "--clusterrole=view", "--user=eve")
    kubectl(release.plane, *bind)
    until(lambda: eve_may(release, "list"), lambda: "view has the chart's rules")
    assert not eve_may(release, "update")


def eve_may(release: Installed, verb: str) -> bool:
    try:
        kubectl(release.plane, "auth", "can-i", "--as=eve", verb, "queues.slacktide.io")
    except BadInput:
        return False
    return True


@pytest.mark.parametrize(
    "words",
    [
        "get secrets --all-namespaces",
        f"get secrets -n {RELEASE}",
        "create serviceaccounts --subresource=token -n kube-system",
        "create pods --subresource=exec -n default",
        "patch pods --subresource=ephemeralcontainers -n default",
        "get pods --subresource=log -n default",
        "update pods -n default",
        "deletecollection pods -n default",
        "patch nodes",
        "delete nodes",
        "patch nodes --subresource=status",
        "create configmaps -n default",
        "create jobs.batch -n default",
        "delete jobs.batch -n default",
        "update workloads.kueue.x-k8s.io -n default",
        "delete queues.slacktide.io",
        "update queues.slacktide.io",
        "delete podgroups.scheduling.x-k8s.io -n default",
        "patch deployments.apps -n default",
        "create clusterrolebindings.rbac.authorization.k8s.io",
        "escalate clusterroles.rbac.authorization.k8s.io",
        "impersonate users",
        "update leases/another -n " + RELEASE,
        "update leases/kube-scheduler -n kube-system",
        "create leases -n kube-system",
        "delete customresourcedefinitions.apiextensions.k8s.io",
        "update mutatingadmissionpolicies.admissionregistration.k8s.io",
    ],
)
def test_what_is_none_of_its_business_it_may_not(release: Installed, words: str) -> None:
    assert not may(release, *words.split())
