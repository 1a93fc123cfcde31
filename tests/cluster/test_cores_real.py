"""Whole cores as people see them: in the book, on the pod, as an Event; with the chart's rights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

from qos_controller.adapters.cgroups.formats import cpu_list, cpus_in
from slacktide.contract import ANNOTATION_AGENT, ANNOTATION_CPUS
from slacktide.testing.cluster.control_plane import control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.installed import Installed, installed
from tests.cluster.agents import PATIENCE_S, PODS, Agent, make, note, ready, started, until
from tests.cluster.definitions import CHART
from tests.cluster.test_chart_agent_real import ACCOUNT, ON, patched, token

ANY = f"{PODS}/any"  # a pod of n0

pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs a CPU for the others")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with control_plane(tmp_path_factory.mktemp("cores")) as plane:
        plane.controllers()
        add(plane, "/api/v1/nodes", [node(f"n{k}", holds={"cpu": "8"}) for k in range(2)])
        yield installed(plane, CHART, **ON, agent__noteCpus="true")


@pytest.fixture(scope="module")
def agent(release: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    plane, folder = release.plane, tmp_path_factory.mktemp("run")
    config = plane.keys.token_kubeconfig(plane.url, ACCOUNT, token(release, bound_to="n0"))
    process, port = started(plane, folder, "n0", kubeconfig=str(config), note_cpus=True)
    with plane.client() as client:
        one = Agent(plane, "n0", folder, port, client, process)
        process.wait_until(partial(ready, one), within_s=PATIENCE_S)
        yield one
        process.stop()


def noted(agent: Agent, name: str) -> str | None:
    notes = agent.client.get(f"{PODS}/{name}").json()["metadata"].get("annotations", {})
    found: str | None = notes.get(ANNOTATION_CPUS)
    return found


def gone(agent: Agent, *names: str) -> None:
    for name in names:
        agent.client.delete(f"{PODS}/{name}", params={"gracePeriodSeconds": "0"})
        until(lambda name=name: agent.pod(name) is None)  # type: ignore[misc]  # bound at once


def test_a_pod_that_asks_for_a_core_is_told_which_it_has(agent: Agent) -> None:
    make(agent, "rt", qos="LSR", cpu="1")
    until(lambda: noted(agent, "rt"))
    rt = agent.pod("rt")
    assert rt is not None
    assert noted(agent, "rt") == cpu_list(rt.cpus)
    [event] = until_one(agent, "CoresBound")
    assert "it asks for 1 whole CPUs" in event["message"]
    make(agent, "web", qos="LS", cpu="1")
    until(lambda: agent.pod("web") is not None)
    assert noted(agent, "web") is None
    gone(agent, "rt", "web")


def test_who_cannot_have_cores_is_told_why(agent: Agent) -> None:
    make(agent, "huge", qos="LSE", cpu=str(os.cpu_count()))
    [event] = until_one(agent, "CoresNotBound")
    assert "leaves the others 0 of" in event["message"]
    assert noted(agent, "huge") is None
    gone(agent, "huge")


def test_the_note_is_gone_while_the_node_is_off_and_the_cores_are_kept(agent: Agent) -> None:
    last = cpu_list([max(cpus_in(f"0-{(os.cpu_count() or 1) - 1}"))])
    make(agent, "kept", qos="LSR", cpu="1", **{ANNOTATION_CPUS: last})
    until(lambda: (one := agent.pod("kept")) is not None and one.cpus)
    first = noted(agent, "kept")
    note(agent, "/api/v1/nodes/n0", **{ANNOTATION_AGENT: "off"})
    until(lambda: noted(agent, "kept") is None)
    note(agent, "/api/v1/nodes/n0", **{ANNOTATION_AGENT: None})
    until(lambda: noted(agent, "kept"))
    assert first == last or len(cpus_in(first or "")) > 1
    gone(agent, "kept")


def until_one(agent: Agent, reason: str) -> list[dict[str, Any]]:
    until(lambda: agent.events(reason))
    return agent.events(reason)[:1]


@pytest.mark.parametrize(
    ("metadata", "bound_to", "said"),
    [
        ({"annotations": {ANNOTATION_CPUS: "1"}}, "n1", "its own node alone"),
        ({"annotations": {ANNOTATION_CPUS: "1"}}, "", "its own node alone"),
        ({"annotations": {"a": "b"}}, "n0", "and nothing else"),
        ({"labels": {"app": "other"}}, "n0", "and nothing else"),
    ],
)
def test_of_pods_an_agent_writes_that_note_alone(
    release: Installed, agent: Agent, metadata: dict[str, Any], bound_to: str, said: str
) -> None:
    make(agent, "any", qos="LS")
    try:
        # Another value each time: a patch that changes nothing is no harm, and never refused.
        tries = ({"metadata": {"annotations": {"no": str(turn)}}} for turn in count())
        until(
            lambda: patched(release, ANY, next(tries), bound_to="n0") != ""
        )  # the policy is known
        assert said in patched(release, ANY, {"metadata": metadata}, bound_to=bound_to)
    finally:
        gone(agent, "any")
