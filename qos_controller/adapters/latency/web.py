"""One small HTTP GET with a deadline, for probes and scrapes.

HTTP/1.0, so that a server neither keeps the connection nor sends chunks: the body ends where the
connection does. Always holds: at most `most_bytes` are read; an answer or a `Failed`, no other
exception; names are not looked up (a pod is asked at its address).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

MOST_BYTES = 4_194_304


class Failed(Exception):  # noqa: N818  named for what it is
    """Nothing that can be used came: one sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes


async def get(url: str, *, deadline_s: float, most_bytes: int = MOST_BYTES) -> Answer:
    """Fetches one page.

    Raises:
        TimeoutError: it took longer than `deadline_s`.
        Failed: no connection, no HTTP, or more than `most_bytes`.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nAccept: text/plain, */*\r\n\r\n"
    async with asyncio.timeout(deadline_s):
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            raise Failed(f"{url}: {error.strerror or error}") from error
        try:
            writer.write(request.encode())
            text = await _read_all(reader, most_bytes)
        except (OSError, UnicodeError) as error:
            raise Failed(f"{url}: {error}") from error
        finally:
            writer.close()
    return _answer(url, text)


async def _read_all(reader: asyncio.StreamReader, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await reader.read(65_536):
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise Failed(f"an answer of more than {most_bytes} bytes")
    return b"".join(parts)


def _answer(url: str, text: bytes) -> Answer:
    head, blank, body = text.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if not blank or len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise Failed(f"{url}: no HTTP answer")
    return Answer(int(words[1][:3]), body)
