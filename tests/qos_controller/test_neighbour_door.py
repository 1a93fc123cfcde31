"""The agent's HTTP door: what it answers, and what it does not put up with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from qos_controller.app.neighbour.door import MOST_OPEN, Answer, Asked, Door, opened


def _said(asked: Asked) -> Answer:
    return Answer(200, repr(dict(asked)).encode(), "text/plain")


def _failing(_asked: Asked) -> Answer:
    raise ValueError("on purpose")


PAGES = {"/said": _said, "/fails": _failing}


def with_door(ask: Callable[[int], Coroutine[Any, Any, bytes]]) -> bytes:
    async def asked() -> bytes:
        server = await opened(Door(PAGES), host="127.0.0.1", port=0)
        async with server:
            return await ask(server.sockets[0].getsockname()[1])

    return asyncio.run(asked())


async def exchanged(port: int, *sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for one in sent:
        writer.write(one)
    writer.write_eof()
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def get(path: str, *, method: str = "GET", close: bool = True) -> bytes:
    last = b"connection: close\r\n" if close else b""
    return f"{method} {path} HTTP/1.1\r\nhost: x\r\n".encode() + last + b"\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (get("/said?after=3&after=4"), b"200", b"{'after': '4'}"),
        (get("/said?%00=%ff"), b"200", "{'\\x00': '\ufffd'}".encode()),
        (get("/said", method="HEAD"), b"200", b""),
        (get("/nothing"), b"404", b'{"error":"no such page"}'),
        (get("/said", method="POST"), b"405", b'{"error":"only reading is possible"}'),
        (get("/fails"), b"500", b'{"error":"it failed; the log says why"}'),
        (get("//[x"), b"500", b'{"error":"it failed; the log says why"}'),
        (get("/said?" + "a" * 20_000), b"413", b'{"error":"too long"}'),
        (get("/said") + get("/said"), b"200", b"{}"),
    ],
)
def test_what_is_asked_is_answered(sent: bytes, status: bytes, body: bytes) -> None:
    answer = with_door(lambda port: exchanged(port, sent))
    head, _, said = answer.partition(b"\r\n\r\n")
    assert (head.split()[1], said) == (status, body)


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x00", b"GET / HTTP/9\r\n\r\n", b"\r\n" * 9_000])
def test_what_is_no_http_gets_no_page(sent: bytes) -> None:
    assert b"200 OK" not in with_door(lambda port: exchanged(port, sent))


def test_one_connection_may_ask_again() -> None:
    twice = get("/said?a=1", close=False), get("/said?a=2")
    answer = with_door(lambda port: exchanged(port, *twice))
    assert answer.count(b"200 OK") == 2
    assert answer.endswith(b"{'a': '2'}")


def test_a_flood_of_connections_leaves_room_for_those_that_are_open() -> None:
    async def flooded(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        others = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_OPEN + 5)]
        writer.write(get("/said"))
        answer = await reader.read()
        for _, one in [(reader, writer), *others]:
            one.close()
        return answer

    assert b"200 OK" in with_door(flooded)
