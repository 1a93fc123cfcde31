"""Whole cores in the kernel's own groups: a pod of class LSR or LSE on one of two CPUs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from qos_controller.adapters.cgroups.formats import cpus_in
from qos_controller.adapters.cgroups.machine import find_cpus
from qos_controller.app.acting import NodeHands
from qos_controller.app.faults import Faults
from qos_controller.app.settings import AgentSettings
from qos_controller.core.decision import SetCpus
from qos_controller.core.pods import Book, Pod
from qos_controller.core.whole_cores import choose
from tests.qos_controller.real_groups import RealGroups, eventually, needs_real_groups
from tests.qos_controller.real_groups import real_groups as made

pytestmark = [
    needs_real_groups,
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs a CPU for the others"),
]
EVERY = tuple(cpu.cpu for cpu in find_cpus())
UIDS = {name: f"{number:08d}-0000-4000-8000-000000000000" for number, name in enumerate("rwb")}


@pytest.fixture
def real() -> Iterator[RealGroups]:
    with made() as groups:
        yield groups


@pytest.fixture
def node_of(real: RealGroups) -> Iterator[Callable[[str], Node]]:
    """A node whose first pod is of that class."""
    nodes: list[Node] = []

    def node(kind: str) -> Node:
        nodes.append(Node(real, kind))
        return nodes[0]

    yield node
    for one in nodes:
        one.hands.restore()


class Node:
    """One pod of its own cores, one web server, one of batch."""

    def __init__(self, real: RealGroups, kind: str) -> None:
        self.real = real
        settings = AgentSettings(node="n", run_dir=real.run_dir, pods_root=real.name)
        self.hands = NodeHands(settings, real.layout, Faults(print))
        qos = {"r": "guaranteed", "w": "burstable", "b": "besteffort"}
        self.groups = {name: real.pod(UIDS[name], qos[name]) for name in qos}
        self.pods = {
            "r": Pod(uid=UIDS["r"], namespace="d", name="r", batch=False, qos_class=kind),
            "w": Pod(uid=UIDS["w"], namespace="d", name="w", batch=False),
            "b": Pod(uid=UIDS["b"], namespace="d", name="b", batch=True, qos_class="BE"),
        }
        self.pods["r"] = replace(self.pods["r"], cpu_request_cores=1.0)

    def know(self, *, bound: bool) -> tuple[int, ...]:
        pods = list(self.pods.values())
        chosen = choose(pods, find_cpus(), held={}) if bound else {}
        own = {uid: choice.cpus for uid, choice in chosen.items()}
        book = Book(
            node="n",
            written_s=0.0,
            pods=tuple(replace(pod, cpus=own.get(pod.uid, ())) for pod in pods),
        )
        self.real.now_s += 1.0
        self.hands.know(book, self.real.pods.pods, self.real.now_s)
        return own.get(UIDS["r"], ())

    def order(self, *cpus: int) -> None:
        self.hands.apply(SetCpus(cpus), self.real.now_s)

    def on(self, name: str) -> tuple[int, ...]:
        return cpus_in(self.real.says("cpuset", self.groups[name], "cpuset.cpus"))


def runs_on(pid: int, allowed: set[int]) -> bool:
    return os.sched_getaffinity(pid) == allowed


def rest(own: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(cpu for cpu in EVERY if cpu not in own)


@pytest.mark.parametrize(("kind", "with_batch"), [("LSR", True), ("LSE", False)])
def test_who_asks_for_a_core_has_it_alone_and_gives_it_back(
    real: RealGroups, node_of: Callable[[str], Node], kind: str, with_batch: bool
) -> None:
    node = node_of(kind)
    before = {name: node.on(name) for name in "rwb"}
    everything = real.everything()
    own = node.know(bound=True)
    assert len(own) >= 1
    assert node.on("r") == own
    assert node.on("w") == rest(own)
    assert node.on("b") == (before["b"] if with_batch else rest(own))
    assert node.know(bound=False) == ()
    assert {name: node.on(name) for name in "rwb"} == before
    node.know(bound=True)
    node.hands.restore()
    assert real.everything() == everything


def test_whatever_the_law_orders_batch_keeps_off_the_cores_of_lse(
    node_of: Callable[[str], Node],
) -> None:
    node = node_of("LSE")
    own = node.know(bound=True)
    node.order(*own)
    assert node.on("b") == rest(own)
    node.order(*EVERY)
    assert node.on("b") == rest(own)
    node.order()
    assert node.on("b") == rest(own)


def test_a_process_runs_where_its_pod_may(real: RealGroups, node_of: Callable[[str], Node]) -> None:
    node = node_of("LSE")
    processes = {name: real.run(node.groups[name], "sleep 60") for name in "rwb"}
    own = node.know(bound=True)
    for name, process in processes.items():
        allowed = set(own) if name == "r" else set(rest(own))
        assert eventually(partial(runs_on, process.pid, allowed)), name


def test_without_a_pod_of_these_classes_no_cpuset_is_touched(
    real: RealGroups, node_of: Callable[[str], Node]
) -> None:
    node = node_of("LS")
    assert node.know(bound=True) == ()
    node.order()
    ledger = Path(real.run_dir, "owned.json").read_text()
    assert "cpu.shares" in ledger or "cpu.weight" in ledger
    assert "cpuset" not in ledger
