"""Cores of their own between the watch and the book: kept over restarts, told once, or nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from qos_controller.adapters.node_pods import NodePod, book_pods
from qos_controller.app.neighbour.binding import Binding
from qos_controller.app.neighbour.telling import Telling
from qos_controller.core.pods import Book
from qos_controller.core.topology import Cpu
from slacktide.clock import SteadyClock
from slacktide.contract import ANNOTATION_CPUS, LABEL_QOS_CLASS
from slacktide.kube.cache import Cache
from slacktide.kube.writing import Writer

VERSIONS = count(1)
CPUS = tuple(Cpu(cpu, cpu) for cpu in range(4))


def watched(name: str, *, kind: str = "LSR", cpu: str = "1", **notes: str) -> NodePod:
    version = str(next(VERSIONS))
    meta = {"name": name, "namespace": "d", "uid": f"uid-{name}", "resourceVersion": version}
    labels = {LABEL_QOS_CLASS: kind}
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    told = {
        "metadata": meta | {"labels": labels, "annotations": notes},
        "spec": {"containers": [container]},
    }
    return msgspec.convert(told, NodePod)


class Node:
    """A binding, and an API server that writes down what it is asked."""

    def __init__(self, tmp_path: Path, *, policy: str = "none", **more: Any) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answered: asyncio.Queue[str] = asyncio.Queue()
        state = tmp_path / "cpu_manager_state"
        state.write_text(json.dumps({"policyName": policy, "defaultCpuSet": "0-3"}))
        client = httpx.AsyncClient(
            transport=httpx.MockTransport(self.answer), base_url="http://api", trust_env=False
        )
        writer = Writer(client, clock=SteadyClock())
        self.telling = Telling("n", writer)
        self.binding = Binding(CPUS, self.telling, writer, cpu_manager_state=str(state), **more)
        self.pods: Cache[NodePod] = Cache()
        self.book: Book | None = None

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(json.loads(request.content))
        self.answered.put_nowait(request.url.path.rpartition("/")[2])
        return httpx.Response(200, json={})

    def sees(self, *pods: NodePod, off: bool = False) -> dict[str, tuple[int, ...]]:
        self.pods.replace(pods)
        listed = book_pods(self.pods, promise=lambda *_: (None, None), now_s=0.0)
        with_cpus = self.binding.with_cpus(listed, self.pods, self.book, off=off)
        self.book = Book(node="n", written_s=0.0, pods=with_cpus)
        return {pod.name: pod.cpus for pod in with_cpus}

    def told(self) -> list[str]:
        due = self.telling._due
        return [due.get_nowait()["reason"] for _ in range(due.qsize())]


def asyncly(test: Callable[[], Any]) -> Any:
    async def within() -> Any:
        return test()

    return asyncio.run(within())


def test_a_restart_of_the_agent_moves_nobody(tmp_path: Path) -> None:
    def story() -> None:
        node = Node(tmp_path)
        assert node.sees(watched("a"), watched("b")) == {"a": (0,), "b": (1,)}
        assert node.sees(watched("b")) == {"b": (1,)}
        assert node.told() == ["CoresBound", "CoresBound"]
        again = Node(tmp_path)
        again.book = node.book
        assert again.sees(watched("b"), watched("c")) == {"b": (1,), "c": (0,)}
        assert again.told() == ["CoresBound"]
        rebooted = Node(tmp_path)
        noted = watched("b", **{ANNOTATION_CPUS: "1"})
        assert rebooted.sees(watched("a"), noted) == {"a": (0,), "b": (1,)}

    asyncly(story)


@pytest.mark.parametrize(
    ("more", "off", "told"),
    [
        ({"acts": False}, False, []),
        ({}, True, []),
        ({"policy": "static"}, False, ["CoresNotBound"]),
    ],
)
def test_where_the_agent_may_not_bind_nobody_is_bound(
    tmp_path: Path, more: dict[str, Any], off: bool, told: list[str]
) -> None:
    def story() -> None:
        node = Node(tmp_path, **more)
        for _ in range(3):
            assert node.sees(watched("a"), watched("b", kind="LS"), off=off) == {"a": (), "b": ()}
        assert node.told() == told

    asyncly(story)


def test_the_note_is_written_until_it_is_there_and_then_no_more(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path, notes=True)
        node.sees(watched("a"), watched("web", kind="LS"))
        running = asyncio.create_task(node.binding.run(node.pods))
        assert await node.answered.get() == "a"
        node.sees(watched("a", **{ANNOTATION_CPUS: "0"}), watched("web", kind="LS"))
        node.sees(watched("a", **{ANNOTATION_CPUS: "0"}), watched("b"))
        assert await node.answered.get() == "b"
        node.sees(watched("a", kind="LS", **{ANNOTATION_CPUS: "0"}))
        assert await node.answered.get() == "a"
        running.cancel()
        notes = [asked["metadata"]["annotations"][ANNOTATION_CPUS] for asked in node.asked]
        assert notes == ["0", "1", None]
        assert node.asked[0]["metadata"]["uid"] == "uid-a"

    asyncio.run(story())


@pytest.mark.parametrize("text", ["x", "0-", "99", "-1", "0-999999999999", ",", "0,0", "٣"])
def test_a_nonsense_note_costs_its_pod_nothing(tmp_path: Path, text: str) -> None:
    def story() -> dict[str, tuple[int, ...]]:
        return Node(tmp_path).sees(watched("a", **{ANNOTATION_CPUS: text}))

    assert asyncly(story) == {"a": (0,)}
