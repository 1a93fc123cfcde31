"""Explanations are found by name, say what is missing, and outlive the pod they are about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from scheduler.adapters.planner_lease import planner_of
from scheduler.app.explaining import Explained, Explaining, Name, parsed
from scheduler.app.view import View
from scheduler.core.member import Decision
from scheduler.core.picture import PlannerFact
from slacktide.errors import BadInput
from slacktide.kube.groups import Job
from slacktide.kube.objects import Owner, Pod
from tests.scheduler.boards import AT_S, batch_pod, selling_node
from tests.scheduler.seen import NOW_S, gang, running, view_of

NODES = [selling_node("n0"), selling_node("n1")]
Ask = Callable[[Explaining], Awaitable[Explained]]


def event(pod: str, uid: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "e", "namespace": "team"},
        "involvedObject": {"name": pod, "uid": uid},
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-01-01T00:05:00Z",
    }


def explained(
    view: View, ask: Ask, *, events: list[dict[str, Any]] | None = None, status: int = 200
) -> Explained:
    """An explanation, with what the server says when it is asked for Events."""

    async def answered() -> Explained:
        answer = httpx.Response(status, json={"items": events or []})
        transport = httpx.MockTransport(lambda _: answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://nowhere") as client:
            return await ask(Explaining(view, client, now_s=NOW_S))

    return asyncio.run(answered())


@pytest.mark.parametrize(
    ("text", "namespace", "expected"),
    [
        ("team/g", "", Name("team", "g")),
        ("g", "team", Name("team", "g")),
        ("team/g", "team", Name("team", "g")),
        ("g", "", Name("", "g")),
    ],
)
def test_a_name_may_have_its_namespace_before_it_or_beside_it(
    text: str, namespace: str, expected: Name
) -> None:
    assert parsed(text, namespace) == expected


@pytest.mark.parametrize(
    ("text", "namespace"), [("a/b/c", ""), ("", ""), ("/g", ""), ("team/", ""), ("team/g", "x")]
)
def test_what_is_no_name_is_refused(text: str, namespace: str) -> None:
    with pytest.raises(BadInput):
        parsed(text, namespace)


def test_a_pod_that_is_not_batch_is_left_to_kube_scheduler() -> None:
    bare = {"metadata": {"name": "web", "namespace": "team", "uid": "u"}}
    pod = msgspec.convert(bare, Pod)
    told = explained(view_of(NODES, [pod]), lambda one: one.pod(Name("team", "web")))
    assert told.sentences[0].startswith("team/web is no batch pod: it asks for neither")
    assert told.facts == {"pod": "web", "batch": False}


def test_a_pod_that_cannot_be_read_says_why() -> None:
    view = view_of(NODES, [batch_pod("odd", milli=-5)])
    told = explained(view, lambda one: one.pod(Name("team", "odd")))
    assert told.sentences[0].startswith("team/odd is left alone, because it cannot be read: ")
    assert "-5 is no amount of a pod" in told.sentences[0]


def test_a_pod_that_is_gone_is_told_by_its_events() -> None:
    events = [event("g-0", "old", "GangWithdrawn", "it was bound in part for too long")]
    view = view_of(NODES, gang("g", 2)[1:])
    told = explained(view, lambda one: one.pod(Name("team", "g-0")), events=events)
    assert told.sentences == (
        "There is no pod team/g-0 any more. Its Events:",
        "2026-01-01 00:05:00 UTC GangWithdrawn: it was bound in part for too long (g-0)",
    )
    with pytest.raises(BadInput, match=r"no pod g-0 in namespace team; did you mean g-1\?"):
        explained(view, lambda one: one.pod(Name("team", "g-0")))


def test_a_gang_is_told_the_events_of_its_pods_and_of_those_that_are_gone() -> None:
    events = [
        event("g-0", "uid-g-0", "GangWaits", "no room"),
        event("g-7", "gone", "GangWithdrawn", "taken back"),
        event("other-0", "uid-other-0", "GangWaits", "not ours"),
        event("g-0-x", "uid-g-0-x", "GangWaits", "another gang's, and there"),
    ]
    pods = [*gang("g", 2), *gang("other", 1), batch_pod("g-0-x")]
    told = explained(view_of([], pods), lambda one: one.gang(Name("team", "g")), events=events)
    assert [one["message"] for one in told.facts["events"]] == ["no room", "taken back"]


def test_a_pods_node_is_held_against_the_others_without_its_own_pin() -> None:
    decision = Decision(plan="1-a-1", node="n1", tasks=1, epoch=1, at_s=AT_S)
    pin = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
                ]
            }
        }
    }
    pod = batch_pod("p", decision=decision, node="n1", phase="Running", affinity=pin)
    view = view_of(NODES, [pod, *running("r", 3, "n0")])
    why = explained(view, lambda one: one.pod(Name("team", "p"))).facts["pod"]["why_here"]
    assert (why["node"], why["fitting"], why["rank"], why["best"]) == ("n1", 2, 2, "n0")
    assert why["cost"] == pytest.approx(why["lifetime"] + why["emptiness"] + why["imbalance"])
    assert why["cost"] > why["best_cost"]


def test_one_name_in_two_namespaces_has_to_be_said_with_one() -> None:
    pods = gang("g", 1)
    other = msgspec.structs.replace(
        pods[0], metadata=msgspec.structs.replace(pods[0].metadata, namespace="too", uid="u2")
    )
    view = view_of(NODES, [*pods, other])
    with pytest.raises(BadInput, match=r"a gang g in 2 namespaces \(team, too\)"):
        explained(view, lambda one: one.gang(Name("", "g")))
    told = explained(view, lambda one: one.gang(Name("too", "g")))
    assert told.sentences[0].startswith("too/g is queued")


def test_a_job_is_its_gang_and_one_without_batch_pods_is_nobodys() -> None:
    owner = Owner(kind="Job", name="nightly", uid="j", api_version="batch/v1", controller=True)
    pod = batch_pod("nightly-0")
    meta = msgspec.structs.replace(pod.metadata, owner_references=(owner,))
    owned = msgspec.structs.replace(pod, metadata=meta)
    online = {"metadata": {"name": "web", "namespace": "team"}, "spec": {}}
    view = view_of(NODES, [owned])
    view.groups.jobs[("team", "web")] = msgspec.convert(online, Job)  # type: ignore[index]  # the mirror's own
    told = explained(view, lambda one: one.job(Name("team", "nightly")))
    assert told.sentences[0].startswith("team/nightly is queued in queue default, a gang by a Job")
    with pytest.raises(BadInput, match="Job team/web has no batch pods"):
        explained(view, lambda one: one.job(Name("team", "web")))


def test_events_that_may_not_be_read_are_said_to_be_missing() -> None:
    told = explained(view_of([], gang("g", 2)), lambda one: one.gang(Name("team", "g")), status=403)
    assert "events of namespace team may not be listed" in told.unseen


@pytest.mark.parametrize(
    ("status", "spec", "expected"),
    [
        (
            200,
            {"holderIdentity": "p", "leaseDurationSeconds": 15,
             "renewTime": "2026-01-01T00:00:50.5Z"},
            (PlannerFact(holder="p", heard_s=9.5, alive=True), ""),
        ),
        (
            200,
            {"holderIdentity": "p", "leaseDurationSeconds": 15,
             "renewTime": "2026-01-01T00:00:30Z"},
            (PlannerFact(holder="p", heard_s=30.0, alive=False), ""),
        ),
        (200, {"holderIdentity": "", "renewTime": "2026-01-01T00:00:30Z"}, (None, "")),
        (200, {"holderIdentity": "p", "renewTime": "yesterday"}, (None, "")),
        (
            403,
            {},
            (None, "leases may not be listed: whether a planner runs is not known"),
        ),
    ],
)  # fmt: skip
def test_who_plans_is_told_by_the_lease(
    status: int, spec: dict[str, Any], expected: tuple[PlannerFact | None, str]
) -> None:
    async def asked() -> tuple[PlannerFact | None, str]:
        items = [{"metadata": {"name": "slacktide-scheduler"}, "spec": spec}]
        transport = httpx.MockTransport(lambda _: httpx.Response(status, json={"items": items}))
        async with httpx.AsyncClient(transport=transport, base_url="http://nowhere") as client:
            return await planner_of(client, now_s=AT_S + 60)

    assert asyncio.run(asked()) == expected
