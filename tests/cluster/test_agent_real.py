"""The node agent's Kubernetes half against a real API server: book, evictions, report, refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from qos_controller.adapters.book_file import read_book, write_book
from qos_controller.adapters.ticks import Event, Tick, TickWriter
from qos_controller.core.pods import Book, Pod, Slo
from slacktide import contract
from slacktide.testing.cluster.batch_pods import answers
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from tests.cluster.agents import BUDGETS, PATIENCE_S, PODS, Agent, make, note, ready, started, until


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of its own, since its API server is killed."""
    with control_plane(tmp_path_factory.mktemp("agent")) as plane:
        plane.controllers()
        yield plane


NODES = iter(f"agent-{k}" for k in range(1_000))


@pytest.fixture
def agent(own_plane: ControlPlane, tmp_path: Path) -> Iterator[Agent]:
    name = next(NODES)
    add(own_plane, "/api/v1/nodes", [node(name, holds={"cpu": "4", "pods": "110"})])
    with own_plane.client() as client:
        process, port = started(own_plane, tmp_path, name)
        one = Agent(own_plane, name, tmp_path, port, client, process)
        process.wait_until(partial(ready, one), within_s=PATIENCE_S)
        yield one
        one.process.stop()
        client.delete(PODS, params={"gracePeriodSeconds": "0"}).raise_for_status()


def test_the_book_follows_the_pods_of_its_node_alone(agent: Agent) -> None:
    other = next(NODES)
    add(agent.plane, "/api/v1/nodes", [node(other, holds={"cpu": "4", "pods": "110"})])
    spec = {"nodeName": other, "containers": [{"name": "c", "image": "none"}]}
    agent.client.post(PODS, json={"metadata": {"name": "elsewhere"}, "spec": spec})
    assert agent.book().pods == ()
    make(agent, "batch")
    until(lambda: agent.pod("batch") is not None)
    make(agent, "web", qos="LS")
    until(lambda: (one := agent.pod("web")) is not None and one.ips == ("10.1.2.3",))
    assert {one.name: one.batch for one in agent.book().pods} == {"batch": True, "web": False}
    agent.client.delete(f"{PODS}/batch", params={"gracePeriodSeconds": "0"})
    until(lambda: agent.pod("batch") is None)
    assert agent.book().node == agent.node


def test_a_new_pod_is_in_the_book_milliseconds_later(agent: Agent) -> None:
    took_s = []
    for k in range(20):
        spec = {"nodeName": agent.node, "containers": [{"name": "c", "image": "none"}]}
        made = agent.client.post(PODS, json={"metadata": {"name": f"new-{k}"}, "spec": spec})
        made.raise_for_status()
        name = f"new-{k}"
        took_s.append(until(partial(is_in_book, agent, name)))
    took_s.sort()
    assert took_s[10] < 0.1  # with requests of a busy test machine; 20 ms on a quiet one


def test_the_owner_of_the_node_and_of_a_pod_switch_it_off(agent: Agent) -> None:
    make(agent, "mine")
    note(agent, f"{PODS}/mine", **{contract.ANNOTATION_AGENT: "off"})
    until(lambda: (one := agent.pod("mine")) is not None and not one.managed)
    note(agent, f"/api/v1/nodes/{agent.node}", **{contract.ANNOTATION_AGENT: "off"})
    until(lambda: agent.book().off)
    until(lambda: agent.report().get("off") is True)
    note(agent, f"/api/v1/nodes/{agent.node}", **{contract.ANNOTATION_AGENT: None})
    until(lambda: not agent.book().off)


def test_an_eviction_waits_for_its_budget_and_says_so(agent: Agent) -> None:
    make(agent, "batch")
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "batch"}}}
    budget = {"metadata": {"name": "kept"}, "spec": spec}
    agent.client.post(BUDGETS, json=budget).raise_for_status()
    until(lambda: agent.client.get(f"{BUDGETS}/kept").json()["status"].get("currentHealthy") == 1)
    until(lambda: agent.pod("batch") is not None)
    agent.wish("batch")
    until(lambda: agent.events("EvictionRefused"))
    assert "metadata" in agent.client.get(f"{PODS}/batch").json()
    agent.client.delete(f"{BUDGETS}/kept").raise_for_status()
    until(partial(is_leaving, agent, "batch"))
    agent.client.delete(f"{PODS}/batch", params={"gracePeriodSeconds": "0"})  # as kubelet would
    until(lambda: agent.metric('evictions_total{outcome="evicted"}') == 1)
    [on_pod, on_node] = until_two(agent, "Evicted", "PodEvicted")
    assert "online needs the node (cpu)" in on_pod["message"]
    assert on_node["involvedObject"]["kind"] == "Node"
    until(lambda: agent.report().get("evictions") == 1)


def until_two(agent: Agent, *reasons: str) -> list[dict[str, Any]]:
    until(lambda: all(agent.events(one) for one in reasons))
    return [agent.events(one)[0] for one in reasons]


def test_grace_is_what_the_owner_needs_to_save_his_work(agent: Agent) -> None:
    make(agent, "saves", **{contract.ANNOTATION_GRACE: "2m"})
    make(agent, "large", **{contract.ANNOTATION_GRACE: "2m"})
    until(lambda: agent.pod("saves") is not None and agent.pod("large") is not None)
    given = {}
    for name, cause in (("saves", "cpu"), ("large", "memory")):
        agent.wish(name, cause=cause)
        until(partial(is_leaving, agent, name))
        given[name] = of(agent, name)["metadata"]["deletionGracePeriodSeconds"]
    assert given == {"saves": 120, "large": 10}


def is_in_book(agent: Agent, name: str) -> bool:
    return agent.pod(name) is not None


def is_leaving(agent: Agent, name: str) -> bool:
    return "deletionTimestamp" in of(agent, name)["metadata"]


def forbade(agent: Agent, times: int) -> bool:
    return agent.metric('evictions_total{outcome="forbidden"}') == times


def of(agent: Agent, name: str) -> dict[str, Any]:
    found: dict[str, Any] = agent.client.get(f"{PODS}/{name}").json()
    return found


def test_an_online_pod_and_one_that_is_left_alone_are_never_evicted(agent: Agent) -> None:
    make(agent, "web", qos="LS")
    make(agent, "mine", **{contract.ANNOTATION_AGENT: "off"})
    until(lambda: agent.pod("web") is not None and agent.pod("mine") is not None)
    for turn, name in enumerate(("web", "mine"), start=1):
        agent.wish(name)
        until(partial(forbade, agent, turn))
    assert [of(agent, one)["metadata"].get("deletionTimestamp") for one in ("web", "mine")] == [
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({contract.ANNOTATION_SLO: "fast"}, "write it like p99<30ms"),
        ({contract.ANNOTATION_SLO: "p99<30ms" + "9" * 9_000}, "is not understood"),
        ({contract.ANNOTATION_LATENCY_FROM: "http://169.254.169.254/"}, "names another host"),
        ({contract.ANNOTATION_LATENCY_FROM: "\u202e\x00"}, "is not understood"),
    ],
)
def test_a_nonsense_annotation_costs_its_pod_the_promise_and_is_told(
    agent: Agent, notes: dict[str, str], said: str
) -> None:
    make(agent, "good", qos="LS", **{contract.ANNOTATION_SLO: "p99<30ms"})
    make(agent, "bad", qos="LS", **notes)
    until(lambda: agent.pod("bad") is not None)
    until(lambda: agent.events("AnnotationNotUnderstood"))
    assert said in agent.events("AnnotationNotUnderstood")[0]["message"]
    good, bad = agent.pod("good"), agent.pod("bad")
    assert good is not None
    assert good.slo == Slo(bound_s=0.03)
    assert bad is not None
    assert (bad.slo, bad.feed) == (None, None)


def diary(agent: Agent) -> TickWriter:
    return TickWriter(agent.run_dir / "ticks", unix_s=time.time())


def tick(stage: int, *, quota: float = 1.5) -> Tick:
    rest = dict.fromkeys(Tick.__slots__[7:], 0.0)
    return Tick(
        monotonic_s=time.monotonic(),
        unix_s=time.time(),
        cpu_stage=stage,
        disk_stage=0,
        memory_stage=0,
        network_stage=0,
        level=0.5,
        **rest | {"quota_cores": quota},
    )


def test_the_report_follows_the_stage_and_is_never_written_often(agent: Agent) -> None:
    until(lambda: agent.metric("reports_total") >= 1)
    loop, began_s = diary(agent), time.monotonic()
    stage = 0
    while time.monotonic() - began_s < 4:
        stage = (stage + 1) % 5
        loop.tick(tick(stage, quota=stage / 3))
        time.sleep(0.025)
    assert agent.metric("reports_total") <= 5
    now = {"monotonic_s": time.monotonic(), "unix_s": time.time()}
    loop.event(Event(**now, kind="cpu", pod="", text="frozen"))
    loop.tick(tick(3))
    until(lambda: agent.report().get("reason") == "frozen")
    assert agent.report()["stage"] == {"cpu": 3, "disk": 0, "memory": 0, "network": 0}
    loop.close()


def test_the_door_shows_the_diary_and_the_loops_health(agent: Agent) -> None:
    assert agent.get("/healthz").status_code == 503
    loop = diary(agent)
    for stage in (0, 1, 2):
        loop.tick(tick(stage))
    assert agent.get("/healthz").status_code == 200
    assert agent.get("/readyz").status_code == 200
    told = agent.get("/ticks?after=1").json()
    column = told["ticks"]["columns"].index("cpu_stage")
    assert [row[column] for row in told["ticks"]["rows"]] == [1, 2]
    assert agent.get(f"/ticks?after={told['ticks']['next']}").json()["ticks"]["rows"] == []
    assert agent.metric('stage{resource="cpu"}') == 2
    assert agent.get("/nothing").status_code == 404
    loop.close()


def test_without_an_api_server_the_book_stays_and_follows_again(
    own_plane: ControlPlane, agent: Agent
) -> None:
    make(agent, "before")
    until(lambda: agent.pod("before") is not None)
    own_plane.running.pop("kube-apiserver").kill()
    agent.process.kill()
    again, port = started(own_plane, agent.run_dir, agent.node)
    try:
        agent.process, agent.port = again, port
        again.wait_until(partial(answers, port, "/metrics"), within_s=PATIENCE_S)
        until(lambda: agent.metric('pods{qos="BE"}') == 1)
        assert agent.pod("before") is not None
    finally:
        own_plane.api_server()
    make(agent, "after")
    until(lambda: agent.pod("after") is not None, within_s=PATIENCE_S)
    assert agent.pod("before") is not None


@pytest.mark.parametrize(
    ("owner", "name", "image", "fights"),
    [
        ("DaemonSet", "koordlet", "a/b:1", True),
        ("DaemonSet", "main", "r.example.com:5000/volcanosh/vc-agent:v1@sha256:0", True),
        ("ReplicaSet", "koordlet", "koordlet:v1", False),
        ("DaemonSet", "my-koordlet-exporter", "x/exporter", False),
    ],
)
def test_it_does_not_start_where_another_agent_owns_the_node(
    agent: Agent, owner: str, name: str, image: str, *, fights: bool
) -> None:
    """The one that runs already switches itself off."""
    owned = {"apiVersion": "apps/v1", "kind": owner, "name": "x", "uid": "1", "controller": True}
    meta = {"name": "other", "ownerReferences": [owned]}
    spec = {"nodeName": agent.node, "containers": [{"name": name, "image": image}]}
    agent.client.post(PODS, json={"metadata": meta, "spec": spec}).raise_for_status()
    until(lambda: agent.pod("other") is not None)
    assert agent.book().off is fights
    folder = agent.run_dir / "second"
    second, _ = started(agent.plane, folder, agent.node)
    try:
        if fights:
            assert second.wait_ended(within_s=PATIENCE_S) == 2
            assert "default/other" in second.log.read_text()
            assert read_book(folder / "pods.json").off
        else:
            second.wait_until((folder / "pods.json").exists, within_s=PATIENCE_S)
    finally:
        second.stop()


def test_alone_it_shows_the_book_of_another_and_asks_no_server(
    own_plane: ControlPlane, tmp_path: Path
) -> None:
    pod = Pod(uid="a", namespace="n", name="p", batch=True, qos_class="BE")
    write_book(tmp_path / "pods.json", Book(node="lonely", written_s=1.0, pods=(pod,)))
    process, port = started(own_plane, tmp_path, "lonely", alone=True, kubeconfig="/nowhere")
    try:
        one = Agent(own_plane, "lonely", tmp_path, port, httpx.Client(), process)
        process.wait_until(partial(answers, port, "/metrics"), within_s=PATIENCE_S)
        until(lambda: one.metric('pods{qos="BE"}') == 1)
        one.client.close()
    finally:
        process.stop()
