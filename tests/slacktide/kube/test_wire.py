"""What comes over the wire is read to its end, or it is an error; never half, never another's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from slacktide.kube import lanes as lanes_module
from slacktide.kube.connection import Connection
from slacktide.kube.lanes import Lane, Lanes
from slacktide.kube.wire import HELD, Exchange
from tests.slacktide.kube.scripted import CUT, END, HANG, STREAM, Answer, chunk, scripted, whole

Get = Callable[[Connection], Awaitable[httpx.Response]]


async def by_client(server: Connection) -> httpx.Response:
    async with server.client(silence_s=0.2) as client:
        return await client.get("/pods")


async def by_lane(server: Connection) -> httpx.Response:
    lane = Lane(server, silence_s=0.2)
    try:
        return await lane.request("GET", "/pods", content=None, headers={})
    finally:
        lane.close()


def got(answer: Answer, get: Get) -> httpx.Response:
    async def run() -> httpx.Response:
        async with scripted(answer) as (_, server):
            return await get(server)

    return asyncio.run(run())


both = pytest.mark.parametrize("get", [by_client, by_lane])


@both
@pytest.mark.parametrize(
    "answer",
    [
        [whole({"a": 1})],
        [STREAM, chunk(b'{"a"'), chunk(b": 1}"), END],
        [STREAM + chunk(b'{"a": 1}') + END],
        [b"HTTP/1.1 100 Continue\r\n\r\n", whole({"a": 1})],
        [whole({"a": 1})[:9], whole({"a": 1})[9:-3], whole({"a": 1})[-3:]],
    ],
    ids=["length", "chunks", "at once", "after a 100", "byte by byte"],
)
def test_an_answer_is_read_whole_however_it_comes(answer: Answer, get: Get) -> None:
    answered = got(answer, get)
    assert (answered.status_code, answered.json()) == (200, {"a": 1})


@both
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ([CUT], httpx.ReadError),
        ([whole({"a": 1})[:-1], CUT], httpx.ReadError),
        ([STREAM, chunk(b'{"a"'), CUT], httpx.ReadError),
        ([b"SSH-2.0-OpenSSH\r\n"], httpx.ReadError),
        ([STREAM, b"zz\r\n"], httpx.ReadError),
        ([HANG], httpx.ReadTimeout),
        ([STREAM, chunk(b'{"a"'), HANG], httpx.ReadTimeout),
    ],
)
def test_an_answer_that_breaks_off_is_an_error(
    answer: Answer, error: type[Exception], get: Get
) -> None:
    with pytest.raises(error):
        got(answer, get)


def test_nobody_there_is_an_error_that_a_writer_knows() -> None:
    async def run() -> None:
        async with scripted() as (_, server):
            pass
        with pytest.raises(httpx.ConnectError, match="Refused"):
            await by_lane(server)

    asyncio.run(run())


def test_a_connection_is_used_again_until_the_server_closes_it() -> None:
    async def run() -> tuple[int, int, list[int]]:
        closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        async with (
            scripted([whole(1)], [whole(2)], [closing, CUT], [whole(4)]) as (script, server),
            server.client() as client,
        ):
            codes = [(await client.get(f"/{k}")).status_code for k in range(4)]
            return script.connections, len(script.asked), codes

    assert asyncio.run(run()) == (2, 4, [200] * 4)


def test_an_answer_that_nobody_read_to_its_end_is_not_taken_for_the_next_ones() -> None:
    async def run() -> int:
        first: Answer = [STREAM, chunk(b"x" * 100), chunk(b"y" * 100), HANG]
        async with scripted(first, [whole(2)]) as (script, server), server.client() as client:
            async with client.stream("GET", "/watch") as answer:
                async for _ in answer.aiter_raw():
                    break
            assert (await client.get("/next")).json() == 2
            return script.connections

    assert asyncio.run(run()) == 2


def test_a_cancelled_writes_answer_is_not_taken_for_the_next_ones() -> None:
    async def run() -> int:
        async with scripted([HANG], [whole(2)]) as (script, server):
            lane = Lane(server)
            late = asyncio.create_task(lane.request("PATCH", "/a", content=b"{}", headers={}))
            while not script.asked:  # noqa: ASYNC110  what is waited for is a script
                await asyncio.sleep(0)
            late.cancel()
            await asyncio.gather(late, return_exceptions=True)
            answer = await lane.request("PATCH", "/b", content=b"{}", headers={})
            lane.close()
            return int(answer.json())

    assert asyncio.run(run()) == 2


def test_who_is_cancelled_while_it_waits_for_an_answer_hangs_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hung_up: list[Exchange] = []

    def close(one: Exchange) -> None:
        hung_up.append(one)

    monkeypatch.setattr(Exchange, "close", close)

    async def run() -> int:
        async with scripted([HANG]) as (script, server), server.client() as client:
            asked = asyncio.create_task(client.get("/pods"))
            while not script.asked:  # noqa: ASYNC110  what is waited for is a script
                await asyncio.sleep(0)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            return len(hung_up)

    assert asyncio.run(run()) == 1


def test_a_slow_reader_stops_the_sender() -> None:
    async def run() -> int:
        many: Answer = [STREAM, *[chunk(b"x" * HELD)] * 64, HANG]
        async with (
            scripted(many) as (script, server),
            server.client() as client,
            client.stream("GET", "/watch") as answer,
        ):
            await anext(answer.aiter_raw())
            before = -1
            while before != script.sent:
                before = script.sent
                for _ in range(200):
                    await asyncio.sleep(0)
            return before

    assert asyncio.run(run()) < 32 * HELD


def test_requests_beyond_the_connections_wait_for_one() -> None:
    async def run() -> int:
        answers = [[whole(k)] for k in range(10)]
        async with scripted(*answers) as (script, server), server.client(connections=2) as client:
            await asyncio.gather(*(client.get("/") for _ in range(10)))
            return script.connections

    assert asyncio.run(run()) == 2


def test_an_answer_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "MOST_BYTES", 100)
    with pytest.raises(httpx.ReadError, match="more than 100 bytes"):
        got([whole("x" * 200)], by_lane)


def test_lanes_take_turns() -> None:
    async def run() -> list[int]:
        async with scripted(*[[whole(k)] for k in range(6)]) as (script, server):
            held = [Lane(server), Lane(server)]
            lanes = Lanes(held)
            answers = await asyncio.gather(
                *(lanes.request("GET", "/", content=None, headers={}) for _ in range(6))
            )
            for lane in held:
                lane.close()
            assert script.connections == 2
            return sorted(answer.json() for answer in answers)

    assert asyncio.run(run()) == list(range(6))
