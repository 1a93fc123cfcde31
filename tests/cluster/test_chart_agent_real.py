"""The chart's node agent on a real API server: its rights are enough, none is spare, and held."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
import yaml

from slacktide.contract import ANNOTATION_QOS_REPORT
from slacktide.errors import BadInput
from slacktide.testing.cluster.control_plane import control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.installed import RELEASE, Installed, installed, kubectl
from tests.cluster.agents import PATIENCE_S, Agent, make, ready, started, until
from tests.cluster.asked_for import FORBIDDEN, covers, requests, rights
from tests.cluster.definitions import CHART

NAME = f"{RELEASE}-agent"
ACCOUNT = f"system:serviceaccount:{RELEASE}:{NAME}"
NODES = "/api/v1/nodes"
ON = {"agent__enabled": "true", "door__enabled": "false"}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with control_plane(tmp_path_factory.mktemp("chart-agent"), audited=True) as plane:
        plane.controllers()
        add(plane, NODES, [node(f"n{k}", holds={"cpu": "8"}) for k in range(2)])
        yield installed(plane, CHART, **ON)


def token(release: Installed, *, bound_to: str = "") -> str:
    """As kubelet gets one for the agent's pod on a node; or of nowhere."""
    spec: dict[str, Any] = {"expirationSeconds": 3_600}
    with release.plane.client() as client:
        if bound_to:
            path = f"/api/v1/namespaces/{RELEASE}/pods"
            pod = {
                "metadata": {"generateName": "agent-"},
                "spec": {
                    "serviceAccountName": NAME,
                    "nodeName": bound_to,
                    "containers": [{"name": "c", "image": "none"}],
                },
            }
            meta = client.post(path, json=pod).raise_for_status().json()["metadata"]
            of = {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
            spec["boundObjectRef"] = of
        path = f"/api/v1/namespaces/{RELEASE}/serviceaccounts/{NAME}/token"
        answer = client.post(path, json={"spec": spec}).raise_for_status().json()
    found: str = answer["status"]["token"]
    return found


@pytest.fixture(scope="module")
def used(release: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """It has done all that it does: book, report, event, eviction."""
    plane, folder = release.plane, tmp_path_factory.mktemp("run")
    config = plane.keys.token_kubeconfig(plane.url, ACCOUNT, token(release, bound_to="n0"))
    process, port = started(plane, folder, "n0", kubeconfig=str(config))
    with plane.client() as client:
        one = Agent(plane, "n0", folder, port, client, process)
        process.wait_until(partial(ready, one), within_s=PATIENCE_S)
        make(one, "batch")
        until(lambda: one.pod("batch") is not None)
        one.wish("batch")
        until(lambda: one.events("PodEvicted"))
        until(lambda: one.report().get("version") == 1)
        yield one
        process.stop()


def test_its_rights_are_enough_and_none_is_spare(release: Installed, used: Agent) -> None:
    seen = requests(used.plane.audit_log, ACCOUNT)
    assert [one for one in seen if one.status == FORBIDDEN] == []
    role = kubectl(release.plane, "get", f"clusterrole/{RELEASE}-{NAME}", "-o", "yaml")
    held, asked = rights(yaml.safe_load(role)["rules"]), {one.right for one in seen}
    assert {one for one in asked if not any(covers(right, one) for right in held)} == set()
    assert {right for right in held if not any(covers(right, one) for one in asked)} == set()


def patched(release: Installed, path: str, body: dict[str, Any], *, bound_to: str = "n1") -> str:
    """What the API server says to an agent that patches; empty where it does."""
    tls = ssl.create_default_context(cafile=str(release.plane.keys.ca_file))
    headers = {
        "authorization": f"Bearer {token(release, bound_to=bound_to)}",
        "content-type": "application/merge-patch+json",
    }
    with httpx.Client(base_url=release.plane.url, verify=tls, trust_env=False) as client:
        answer = client.patch(path, json=body, headers=headers)
    return "" if answer.is_success else str(answer.json()["message"])


REPORT = {"metadata": {"annotations": {ANNOTATION_QOS_REPORT: "{}"}}}


def test_an_agent_writes_its_report_on_its_own_node(release: Installed) -> None:
    until(lambda: patched(release, f"{NODES}/n0", REPORT) != "")  # the policy is known everywhere
    assert patched(release, f"{NODES}/n1", REPORT) == ""


@pytest.mark.parametrize(
    ("name", "body", "bound_to", "said"),
    [
        ("n0", REPORT, "n1", "on its own node alone"),
        ("n1", REPORT, "", "on its own node alone"),
        ("n1", {"metadata": {"annotations": {"a": "b"}}}, "n1", "and nothing else"),
        ("n1", {"metadata": {"labels": {"pool": "mine"}}}, "n1", "and nothing else"),
        ("n1", {"spec": {"unschedulable": True}}, "n1", "and nothing else"),
        ("n1", {"status": {"capacity": {"cpu": "900"}}}, "n1", ""),
    ],
)
def test_an_agent_writes_nothing_else_of_a_node(
    release: Installed, name: str, body: dict[str, Any], bound_to: str, said: str
) -> None:
    until(lambda: patched(release, f"{NODES}/n0", REPORT) != "")
    assert said in patched(release, f"{NODES}/{name}", body, bound_to=bound_to)
    with release.plane.client() as client:
        found = client.get(f"/api/v1/nodes/{name}").json()
    assert "a" not in found["metadata"].get("annotations", {})
    assert found["status"]["capacity"] == {"cpu": "8"}


@pytest.mark.parametrize(
    "words",
    [
        "get secrets --all-namespaces",
        "delete pods -n default",
        "patch pods -n default",
        "create pods -n default",
        "create pods --subresource=exec -n default",
        "patch nodes --subresource=status",
        "delete nodes",
        "update nodes",
        "get configmaps -n kube-system",
        "create serviceaccounts --subresource=token -n kube-system",
    ],
)
def test_what_is_none_of_its_business_it_may_not(release: Installed, words: str) -> None:
    with pytest.raises(BadInput, match="no"):
        kubectl(release.plane, "auth", "can-i", f"--as={ACCOUNT}", *words.split())


def test_who_evicts_nobody_may_not(release: Installed) -> None:
    role = ("get", f"clusterrole/{RELEASE}-{NAME}", "-o", "yaml")
    assert "pods/eviction" in kubectl(release.plane, *role)
    release.set(**ON, agent__evict="false")
    assert "pods/eviction" not in kubectl(release.plane, *role)
    release.set(door__enabled="false")
    with pytest.raises(BadInput, match="not found"):
        kubectl(release.plane, *role)
