"""The agent's HTTP door on one port: GET alone, a few paths, on llhttp, without a framework.

Always holds: at most `MOST_OPEN` connections, each with `SILENCE_S` to say something and a request
of at most `MOST_HEAD` bytes without a body; an answer is whole in memory and bounded by whoever
makes it; a path that fails answers 500 and the door stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

import httptools
import structlog

MOST_OPEN: Final = 32
MOST_HEAD: Final = 8 << 10
SILENCE_S: Final = 30.0
_WORDS: Final = {
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

log = structlog.get_logger()


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes
    kind: str = "application/json"


Asked = Mapping[str, str]  # the query, the last of each name
Page = Callable[[Asked], Answer]


@dataclass(slots=True)
class Door:
    """All that is served."""

    pages: Mapping[str, Page]
    open: int = 0

    def answer(self, method: str, url: str) -> Answer:
        """To one request."""
        if method not in ("GET", "HEAD"):
            return Answer(405, b'{"error":"only reading is possible"}')
        try:
            parts = urlsplit(url)
            page = self.pages.get(parts.path)
            if page is None:
                return Answer(404, b'{"error":"no such page"}')
            return page({name: last for name, (*_, last) in parse_qs(parts.query).items()})
        except Exception as why:  # noqa: BLE001  one page must not close the door
            log.warning("page failed", url=url[:200], why=f"{type(why).__name__} {why}")
            return Answer(500, b'{"error":"it failed; the log says why"}')


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, door: Door) -> None:
        self._door, self._heard = door, 0
        self._url = b""
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._door.open += 1
        if self._door.open > MOST_OPEN:
            self._transport.abort()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """From the event loop."""
        self._door.open -= 1
        if self._patience is not None:
            self._patience.cancel()

    def data_received(self, data: bytes) -> None:
        """From the event loop."""
        self._heard += len(data)
        try:
            if self._heard > MOST_HEAD:
                self._send(Answer(413, b'{"error":"too long"}'), keep=False)
            else:
                self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._hang_up()

    def on_url(self, url: bytes) -> None:
        """From the parser."""
        self._url += url

    def on_body(self, _body: bytes) -> None:
        """From the parser: nobody needs to send one."""
        self._heard = MOST_HEAD + 1

    def on_message_complete(self) -> None:
        """From the parser."""
        method = self._parser.get_method().decode()
        keep = self._parser.should_keep_alive() and self._heard <= MOST_HEAD
        answer = self._door.answer(method, self._url.decode("latin-1"))
        self._url, self._heard = b"", 0
        self._send(answer, keep=keep, body=method != "HEAD")
        self._wait()

    def _send(self, answer: Answer, *, keep: bool, body: bool = True) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        head = (
            f"HTTP/1.1 {answer.status} {_WORDS[answer.status]}\r\n"
            f"content-type: {answer.kind}\r\ncontent-length: {len(answer.body)}\r\n"
            "cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
            f"connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        self._transport.write(head.encode() + (answer.body if body else b""))
        if not keep:
            self._transport.close()

    def _wait(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(SILENCE_S, self._hang_up)

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def opened(door: Door, *, host: str, port: int) -> asyncio.Server:
    """Listens. Raises OSError where the port is taken."""
    return await asyncio.get_running_loop().create_server(lambda: Caller(door), host, port)
