"""Several connections to one server for many short writes, handed out one at a time.

A lane is taken, used and given back, with nothing between the writer and the wire: where thousands
of pods are let go at once, what httpx does for each request would cost more than the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import httpx

from slacktide.kube.connection import AGENT, Connection
from slacktide.kube.wire import Exchange, connected

SILENCE_S: Final = 30.0
MOST_BYTES: Final = 8 << 20  # of an answer: etcd holds no object above 1.5 MB


class Requests(Protocol):
    """What a writer needs of a client; an `httpx.AsyncClient` is one."""

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Sends one request."""
        ...


class Lane:
    """One connection, opened when it is needed."""

    def __init__(self, connection: Connection, *, silence_s: float = SILENCE_S) -> None:
        """`silence_s` without a byte ends a request."""
        self._connection, self._silence_s = connection, silence_s
        self._url = httpx.URL(connection.url)
        self._open: Exchange | None = None

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Sends one request. Raises `httpx.TransportError` where there is no whole answer."""
        try:
            return await self._answer(method, url, content or b"", headers)
        except BaseException:  # cancelled too: its answer would be taken for the next one's
            self.close()
            raise

    def close(self) -> None:
        """Hangs up."""
        if self._open is not None:
            self._open.close()
        self._open = None

    async def _answer(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        if self._open is None or not self._open.kept:
            self.close()
            self._open = await connected(self._url, self._connection.tls, within_s=self._silence_s)
        head = [f"{method} {url} HTTP/1.1", f"Host: {self._url.netloc.decode()}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        token = self._connection.bearer()
        head += [f"Authorization: Bearer {token}"] if token else []
        head += [f"User-Agent: {AGENT}", "Accept: application/json"]
        head += [f"Content-Length: {len(content)}"]
        status, told = await self._open.begun(
            (line.encode() for line in head), content, silence_s=self._silence_s
        )
        body = bytearray()
        async for some in self._open.chunks(silence_s=self._silence_s):
            body += some
            if len(body) > MOST_BYTES:
                raise httpx.ReadError(f"an answer of more than {MOST_BYTES} bytes")
        # It is no longer in chunks.
        told = [one for one in told if one[0].lower() != b"transfer-encoding"]
        return httpx.Response(status, headers=told, content=bytes(body))


class Lanes:
    """A client whose requests wait for a free lane."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        """The one that was used last is used first."""
        self._free: asyncio.LifoQueue[Lane] = asyncio.LifoQueue()
        for lane in lanes:
            self._free.put_nowait(lane)

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Sends one request. Raises `httpx.TransportError` as a client does."""
        lane = await self._free.get()
        try:
            return await lane.request(method, url, content=content, headers=headers)
        finally:
            self._free.put_nowait(lane)


@asynccontextmanager
async def lanes(connection: Connection, count: int) -> AsyncIterator[Lanes]:
    """That many lanes to a server, closed at the end."""
    opened = [Lane(connection) for _ in range(count)]
    try:
        yield Lanes(opened)
    finally:
        for lane in opened:
            lane.close()
