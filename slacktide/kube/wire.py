"""HTTP/1.1 to an API server without the layers that cost more than the answers: httpx on llhttp.

A list comes as thousands of small chunks and a gang is let go by thousands of small writes. Here
bytes go from the loop into llhttp's parser and wait in one buffer until they are asked for, so a
listed pod takes a third, and a write an eighth, of the time that httpx' own transport takes.

Always holds: a connection has one request at a time; one whose answer failed, came late or was not
read to its end is not used again; one that the server closed meanwhile is opened anew; a reader who
is slow stops the sender.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from ssl import SSLContext
from typing import Final, cast

import httptools
import httpx

HELD: Final = 1 << 20  # bytes that wait for their reader; then the sender waits

Headers = list[tuple[bytes, bytes]]


class Exchange(asyncio.Protocol):
    """One connection: what is sent, and what comes back."""

    def __init__(self) -> None:
        self.kept = True  # whether another request may follow
        self._transport: asyncio.Transport | None = None
        self._why: Exception | None = None
        self._news = asyncio.Event()
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._status, self._done = 0, False
        self._parts: list[bytes] = []
        self._held = 0  # bytes in them

    async def begun(
        self, head: Iterable[bytes], body: bytes, *, silence_s: float | None
    ) -> tuple[int, Headers]:
        """Sends a request; the status and headers of its answer.

        Raises:
            httpx.TransportError: where there is none.
        """
        if self._transport is None or not self.kept:
            raise httpx.ConnectError("not connected")
        self._begin()
        self.kept = False  # until the answer was read to its end
        self._transport.write(b"\r\n".join((*head, b"", body)))
        while not self._status:
            await self._wait(silence_s)
        return self._status, self._headers

    async def chunks(self, *, silence_s: float | None) -> AsyncIterator[bytes]:
        """The answer's body, as much at a time as there is.

        Raises:
            httpx.TransportError: when it breaks off, or nothing comes for `silence_s`.
        """
        while True:
            if self._parts:
                some = b"".join(self._parts)
                self._parts, self._held = [], 0
                if self._transport is not None:
                    self._transport.resume_reading()
                yield some
            elif self._done:
                return
            else:
                await self._wait(silence_s)

    async def _wait(self, silence_s: float | None) -> None:
        """Returns when there is anything new. Raises `httpx.TransportError`."""
        if self._why is not None:
            raise httpx.ReadError(f"{type(self._why).__name__} {self._why}") from self._why
        self._news.clear()
        try:
            async with asyncio.timeout(silence_s):
                await self._news.wait()
        except TimeoutError as why:
            raise httpx.ReadTimeout(f"nothing came for {silence_s:g} s") from why

    def close(self) -> None:
        """Hangs up."""
        self.kept = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From the loop."""
        self._transport = cast(asyncio.Transport, transport)  # a stream's, whatever the loop

    def connection_lost(self, exc: Exception | None) -> None:
        """From the loop."""
        self.kept = False
        self._failed(exc or ConnectionResetError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        """From the loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as why:
            self._failed(why)
            self.close()
        if self._held > HELD and self._transport is not None:
            self._transport.pause_reading()
        self._news.set()

    def on_header(self, name: bytes, value: bytes) -> None:
        """From the parser."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """From the parser; a 1xx is followed by the answer itself."""
        status = self._parser.get_status_code()
        if status >= httpx.codes.OK:
            self._status = status
        else:
            self._headers = []

    def on_body(self, body: bytes) -> None:
        """From the parser."""
        self._parts.append(body)
        self._held += len(body)

    def on_message_complete(self) -> None:
        """From the parser."""
        if self._status:
            self._done = True
            self.kept = self._parser.should_keep_alive() and self._why is None

    def _failed(self, why: Exception) -> None:
        self._why = self._why or why
        self._news.set()


class Wire(httpx.AsyncBaseTransport):
    """What carries an httpx client's requests to one server, over at most so many connections."""

    def __init__(self, tls: SSLContext, *, connections: int) -> None:
        """`tls` is for addresses that begin with https."""
        self._tls, self._idle = tls, list[Exchange]()
        self._free = asyncio.Semaphore(connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """From httpx."""
        patience = request.extensions.get("timeout", {})
        silence_s = patience.get("read")
        body = await request.aread()
        target = request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"
        head = [target, *(b": ".join(pair) for pair in request.headers.raw)]
        await self._free.acquire()
        try:
            exchange = await self._ready(request.url, patience.get("connect"))
        except BaseException:
            self._free.release()
            raise
        try:
            status, headers = await exchange.begun(head, body, silence_s=silence_s)
        except BaseException:
            self.give_back(exchange)  # which hangs up: it was not read to its end
            raise
        return httpx.Response(
            status, headers=headers, stream=_Body(self, exchange, silence_s=silence_s)
        )

    async def aclose(self) -> None:
        """From httpx; what is being read is cut off by its own reader."""
        for exchange in self._idle:
            exchange.close()
        self._idle.clear()

    def give_back(self, exchange: Exchange) -> None:
        """Its answer was read, or will not be."""
        if exchange.kept:
            self._idle.append(exchange)
        else:
            exchange.close()
        self._free.release()

    async def _ready(self, url: httpx.URL, within_s: float | None) -> Exchange:
        while self._idle:
            exchange = self._idle.pop()
            if exchange.kept:
                return exchange
        return await connected(url, self._tls, within_s=within_s)


class _Body(httpx.AsyncByteStream):
    def __init__(self, wire: Wire, exchange: Exchange, *, silence_s: float | None) -> None:
        self._wire, self._exchange, self._silence_s = wire, exchange, silence_s
        self._open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for some in self._exchange.chunks(silence_s=self._silence_s):
            yield some

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._wire.give_back(self._exchange)


async def connected(url: httpx.URL, tls: SSLContext, *, within_s: float | None) -> Exchange:
    """A new connection. Raises `httpx.ConnectError` or `httpx.ConnectTimeout`."""
    secure = url.scheme == "https"
    port = url.port or (443 if secure else 80)
    loop, exchange = asyncio.get_running_loop(), Exchange()
    try:
        async with asyncio.timeout(within_s):
            await loop.create_connection(
                lambda: exchange, url.host, port, ssl=tls if secure else None
            )
    except TimeoutError as why:
        raise httpx.ConnectTimeout(f"no connection to {url.host}:{port}") from why
    except OSError as why:
        raise httpx.ConnectError(f"{type(why).__name__} {why}") from why
    except asyncio.CancelledError:
        exchange.close()  # asyncio says goodbye politely, which outlives a loop that ends
        raise
    return exchange
