"""Calls as nobody should make them: through the app by the thousand, and over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from bench._extender_fuzz import fuzzed
from scheduler.app.extender_server import Extender
from scheduler.app.front import Front, answering
from scheduler.core.extender import MOST_BYTES, Binding, Places
from slacktide.testing.cluster.processes import free_ports


def test_five_thousand_malformed_calls_are_answered_in_the_protocols_shape() -> None:
    found = fuzzed(5_000, seed=7)
    assert found.wrong == []
    assert found.read_oversize == 0
    assert all(found.statuses[status] > 50 for status in (200, 400, 404, 411, 413))


async def nobody(_binding: Binding) -> str:
    return ""


async def said(request: bytes) -> bytes:
    """All that the door says to these bytes, until it hangs up."""
    [port] = free_ports(1)
    front = Front(Extender(Places(), nobody), lambda: b"", lambda: True)
    serving = asyncio.create_task(answering(front, host="127.0.0.1", port=port))
    try:
        async with asyncio.timeout(20):
            reader, writer = await connected(port)
            writer.write(request)
            answer = await reader.read()
            writer.close()
            return answer
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)


POST = b"POST /filter HTTP/1.1\r\nHost: extender\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (POST + b"Content-Length: %d\r\n\r\n" % (MOST_BYTES + 1), b"413"),
        (POST + b"Content-Length: %d\r\n\r\n{" % (1 << 40), b"413"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"411"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n{", b"411"),
        (POST + b"\r\n", b"411"),
        (POST.replace(b"/filter", b"/other") + b"Content-Length: 9999\r\n\r\n{", b"404"),
        (POST + b"Content-Length: -5\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
    ],
)
def test_what_will_not_be_read_is_refused_at_once_and_the_connection_closed(
    request_: bytes, status: bytes
) -> None:
    answer = asyncio.run(said(request_))
    assert answer.startswith(b"HTTP/1.1 " + status)
