"""Gangs are let go in their order, a few at a time, and a stuck one keeps nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx

from scheduler.app.committing import ON_WAY_S, UNREAD_S, Commits
from scheduler.core.flow import AT_ONCE
from slacktide.kube.cache import Cache
from slacktide.kube.objects import Pod
from slacktide.kube.writing import Writer
from tests.scheduler.boards import NOW_S, Planner, batch_pod, selling_node

SIZE = 12
GANGS = 10
FIRST = AT_ONCE // SIZE  # gangs that go at once


@dataclass
class Hand:
    """A clock that is set by hand."""

    at_s: float = 0.0

    def now_s(self) -> float:
        return self.at_s


@dataclass
class Server:
    """Takes every write, and remembers whom it was about."""

    written: list[str] = field(default_factory=list)

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        del method, content, headers
        self.written.append(url.removesuffix("/binding").rpartition("/")[2])
        return httpx.Response(200, content=b"{}")

    def gangs(self) -> list[str]:
        """In the order of their first writes."""
        return list(dict.fromkeys(name.rpartition("-")[0] for name in self.written))


class Desk:
    """Gangs that were decided, and who lets them go."""

    def __init__(self, *, direct: bool) -> None:
        self.clock, self.server = Hand(), Server()
        pods = [
            batch_pod(f"g{k}-{m}", gang=f"g{k}", least=SIZE, after_s=k)
            for k in range(GANGS)
            for m in range(SIZE)
        ]
        self.planner = Planner([selling_node(f"n{k}", milli=12_000) for k in range(GANGS)], pods)
        cache = Cache[Pod]()
        cache.replace(pods)
        writer = Writer(self.server, clock=self.clock, per_s=1e6, burst=1_000_000)
        self.commits = Commits(
            self.planner.board,
            cache,
            httpx.AsyncClient(),
            writer,
            self.clock,
            refuse=lambda _uid, _until_s: None,
            direct=direct,
        )

    async def decide(self) -> None:
        outcome = await self.planner.rounds.once(now_s=NOW_S, steady_s=0.0)
        placed = sorted(outcome.placed, key=lambda one: one.gang)
        self.commits.send([[one.uid for one in gang.members] for gang in placed])

    def bound(self, gang: str) -> None:
        """The watch tells that a gang runs."""
        for m in range(SIZE):
            name = f"{gang}-{m}"
            one = self.planner.board.member(f"uid-{name}")
            assert one is not None
            pod = batch_pod(name, gang=gang, least=SIZE, decision=one.decision, node=one.node)
            self.planner.sees(pod)
        self.commits.flow()


def at_the_desk(direct: bool, acts: Callable[[Desk], Awaitable[None]]) -> list[str]:
    """The gangs written about in the end."""

    async def whole() -> list[str]:
        desk = Desk(direct=direct)
        sending = asyncio.ensure_future(desk.commits.run())
        await desk.decide()
        await quiet(desk)
        await acts(desk)
        await quiet(desk)
        sending.cancel()
        return desk.server.gangs()

    return asyncio.run(whole())


async def quiet(desk: Desk) -> None:
    """Returns when nothing more is written."""
    before = -1
    while before != len(desk.server.written):
        before = len(desk.server.written)
        for _ in range(50):
            await asyncio.sleep(0)


async def nothing(_desk: Desk) -> None:
    pass


ALL = [f"g{k}" for k in range(GANGS)]


def test_few_gangs_go_at_once_and_in_their_order() -> None:
    assert at_the_desk(False, nothing) == ALL[:FIRST]


def test_who_binds_himself_needs_no_such_bound() -> None:
    assert at_the_desk(True, nothing) == ALL


def test_as_gangs_are_bound_the_next_ones_go() -> None:
    async def two_bound(desk: Desk) -> None:
        desk.bound("g0")
        desk.bound("g1")

    assert at_the_desk(False, two_bound) == ALL[: FIRST + 2]


def test_gangs_that_are_stuck_keep_the_others_only_for_a_while() -> None:
    async def wait(desk: Desk) -> None:
        desk.clock.at_s = ON_WAY_S
        desk.commits.send_again()

    assert at_the_desk(False, wait) == ALL[: 2 * FIRST]


def test_what_was_not_read_back_is_sent_again_and_whole() -> None:
    async def wait(desk: Desk) -> None:
        for _ in range(3):
            desk.clock.at_s += UNREAD_S
            desk.commits.send_again()
            await quiet(desk)
        assert desk.server.written.count("g0-0") > 1

    assert at_the_desk(False, wait) == ALL
