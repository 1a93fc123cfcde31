"""The door to the API server, held against a real one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from slacktide.errors import BadInput
from slacktide.kube.cache import Cache, Change
from slacktide.kube.connection import connection
from slacktide.kube.election import Election, LeaseLost
from slacktide.kube.objects import Node
from slacktide.kube.reading import GONE, Refused, Resource, events, pages
from slacktide.kube.reflector import Reflector
from slacktide.kube.writing import Writer
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node

NODES = Resource("/api/v1/nodes", Node)
HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110"}


class Monotonic:
    def now_s(self) -> float:
        return time.monotonic()


async def until(holds: Callable[[], bool], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  what is waited for is another process
            await asyncio.sleep(0.02)


def names(cache: Cache[Node]) -> set[str]:
    return {one.metadata.name for one in cache}


def test_a_mirror_is_true_before_and_after_the_server_was_killed(tmp_path: Path) -> None:
    seen: list[Change[Node]] = []

    async def watch(plane: ControlPlane) -> int:
        async with connection(plane.kubeconfig()).client() as client:
            cache: Cache[Node] = Cache()
            mirror = Reflector(client, NODES, cache, clock=Monotonic(), deliver=seen.extend)
            running = asyncio.create_task(mirror.run())
            await until(lambda: names(cache) == {"a", "b"})
            writer = Writer(client, clock=Monotonic())
            assert (await writer.delete("/api/v1/nodes/a")).done
            assert (await writer.post("/api/v1/nodes", node("c", holds=HOLDS))).done
            await until(lambda: names(cache) == {"b", "c"})
            plane.running["kube-apiserver"].kill()
            plane.api_server()
            assert (await writer.patch("/api/v1/nodes/b", {"spec": {"unschedulable": True}})).done
            await until(lambda: any(one.spec.unschedulable for one in cache))
            running.cancel()
            return mirror.lists

    with control_plane(tmp_path / "plane") as plane:
        add(plane, "/api/v1/nodes", [node(name, holds=HOLDS) for name in ("a", "b")])
        # It goes on from where it was, unless the server that came back knows that moment no more.
        assert asyncio.run(watch(plane)) <= 2
    gone = [
        change.before.metadata.name for change in seen if change.after is None and change.before
    ]
    assert gone == ["a"]


def test_a_list_comes_in_pages_of_one_moment(plane: ControlPlane) -> None:
    from slacktide.kube import reading

    async def read() -> tuple[int, set[str]]:
        count, versions = 0, set()
        async with connection(plane.kubeconfig()).client() as client:
            async for page in pages(client, NODES):
                count += len(page.items)
                versions.add(page.metadata.resource_version)
        return count, versions

    add(plane, "/api/v1/nodes", [node(f"page-{k}", holds=HOLDS) for k in range(reading.PAGE + 5)])
    count, versions = asyncio.run(read())
    assert count > reading.PAGE
    assert len(versions) == 1


def forget_all_but_now(plane: ControlPlane) -> None:
    """Compacts etcd and restarts the API server, whose own memory of events ends with it."""
    etcd = f"http://127.0.0.1:{plane.etcd_port}/v3/kv"
    found = httpx.post(f"{etcd}/range", json={"key": "AA=="}).raise_for_status().json()
    newest = {"revision": found["header"]["revision"]}
    httpx.post(f"{etcd}/compaction", json=newest).raise_for_status()
    plane.running["kube-apiserver"].kill()
    plane.api_server()


def test_a_mirror_whose_version_was_forgotten_lists_again(tmp_path: Path) -> None:
    async def watch(plane: ControlPlane) -> None:
        async with connection(plane.kubeconfig()).client() as client:
            with pytest.raises(Refused, match="too old resource version") as refused:
                async for _ in events(client, NODES, version="2", last_s=5):
                    pass
            assert refused.value.status == GONE
            cache: Cache[Node] = Cache()
            mirror = Reflector(client, NODES, cache, clock=Monotonic())
            mirror._version = "2"
            running = asyncio.create_task(mirror.run())
            await until(lambda: names(cache) == {"a"})
            assert mirror.lists == 1
            running.cancel()

    with control_plane(tmp_path / "plane") as plane:
        add(plane, "/api/v1/nodes", [node("a", holds=HOLDS)])
        forget_all_but_now(plane)
        asyncio.run(watch(plane))


def test_one_of_two_holds_the_lease_and_the_loser_is_told(plane: ControlPlane) -> None:
    async def contend() -> None:
        async with connection(plane.kubeconfig()).client() as client:

            def claim(me: str) -> Election:
                return Election(
                    client, me=me, clock=Monotonic(), namespace="default", name="planner"
                )

            first, second = claim("a"), claim("b")
            await first.won()
            waiting = asyncio.create_task(second.won())
            await asyncio.sleep(0.5)
            assert first.may_write()
            assert not second.may_write()
            await first.give_up()
            async with asyncio.timeout(10):
                await waiting
            assert not first.may_write()
            with pytest.raises(LeaseLost, match="held by b"):
                async with asyncio.timeout(10):
                    await first.hold()

    asyncio.run(contend())


def test_a_service_account_without_rights_is_refused_in_words(plane: ControlPlane) -> None:
    async def read() -> None:
        who = connection(plane.kubeconfig("nobody", "nobodies"))
        async with who.client() as client:
            async for _ in pages(client, NODES):
                pass

    with pytest.raises(Refused, match=r'403.*"nobody" cannot list resource "nodes"'):
        asyncio.run(read())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no kubeconfig"),
        ("{", "cannot be read"),
        ("current-context: x", "contexts"),
        ("current-context: x\ncontexts: [{name: y}]", "contexts named x"),
    ],
)
def test_a_bad_kubeconfig_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(BadInput, match=said):
        connection(file)
