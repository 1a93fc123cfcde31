"""Several connections to one server for many short writes, handed out one at a time.

A write costs a tenth of what it costs through httpx, which matters where thousands of pods are let
go at once: no pool looks at all connections for each request, and nothing between the answer's
parser (llhttp) and the writer turns it over. An answer is an httpx one, as are the errors.

Always holds: a lane has one request at a time; one that failed, or whose answer was too large or
late, is not used again; a connection that the server closed meanwhile is opened anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol, cast

import httptools
import httpx

from slacktide.kube.connection import Connection

SILENCE_S: Final = 30.0  # for a whole answer
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
        """`silence_s`: an answer that takes longer is given up."""
        self._connection, self._silence_s = connection, silence_s
        self._address = httpx.URL(connection.url)
        self._open: _Exchange | None = None

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Sends one request. Raises `httpx.TransportError` where there is no whole answer."""
        head = [f"{method} {url} HTTP/1.1", f"Host: {self._address.netloc.decode()}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        token = self._connection.bearer()
        head += [f"Authorization: Bearer {token}"] if token else []
        head += ["Accept: application/json", f"Content-Length: {len(content or b'')}", "", ""]
        try:
            async with asyncio.timeout(self._silence_s):
                exchange = await self._ready()
                return await exchange.made("\r\n".join(head).encode() + (content or b""))
        except TimeoutError as why:
            self.close()
            raise httpx.ReadTimeout(f"no answer in {self._silence_s:g} s") from why
        except (OSError, httptools.HttpParserError) as why:
            self.close()
            raise httpx.ReadError(f"{type(why).__name__} {why}") from why
        except asyncio.CancelledError:
            self.close()  # its answer would be taken for the next one's
            raise

    async def _ready(self) -> _Exchange:
        if self._open is None or not self._open.kept:
            self.close()
            secure = self._address.scheme == "https"
            _, self._open = await asyncio.get_running_loop().create_connection(
                _Exchange,
                self._address.host,
                self._address.port or (443 if secure else 80),
                ssl=self._connection.tls if secure else None,
            )
        return self._open

    def close(self) -> None:
        """Hangs up."""
        if self._open is not None:
            self._open.close()
        self._open = None


class _Exchange(asyncio.Protocol):
    """What comes over one connection, as answers to what was sent."""

    def __init__(self) -> None:
        self.kept = True
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[httpx.Response] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()

    async def made(self, request: bytes) -> httpx.Response:
        """The answer to it. Raises `OSError` or `HttpParserError`."""
        if self._transport is None:
            raise ConnectionResetError("not connected")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hangs up."""
        self.kept = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From the loop."""
        self._transport = cast(asyncio.Transport, transport)  # of a stream, whatever the loop

    def connection_lost(self, exc: Exception | None) -> None:
        """From the loop."""
        self._failed(exc or ConnectionResetError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        """From the loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as why:
            self._failed(why)
            self.close()
        if len(self._body) > MOST_BYTES:
            self._failed(ConnectionAbortedError(f"an answer of more than {MOST_BYTES} bytes"))
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """From the parser."""
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """From the parser."""
        self._body += body

    def on_message_complete(self) -> None:
        """From the parser."""
        status = self._parser.get_status_code()
        if status < httpx.codes.OK:
            return  # 1xx: the answer is still to come
        self.kept = self._parser.should_keep_alive()
        # Neither packed nor in chunks any more.
        told: Sequence[tuple[bytes, bytes]] = [
            one for one in self._headers if not one[0].lower().endswith(b"-encoding")
        ]
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(httpx.Response(status, headers=told, content=bytes(self._body)))
        self._begin()

    def _failed(self, why: Exception) -> None:
        self.kept = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(why)


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
