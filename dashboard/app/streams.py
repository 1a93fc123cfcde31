"""Server-sent events: every open page is told what is new to it, and that the server still lives.

Always holds: a listener keeps its own place and asks for what it lacks, so a slow one costs no
memory and cannot hold up anybody else. All streams end at once when `close` is called, else an
open page would keep the server from stopping.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final, Generic, TypeVar

from fastapi import HTTPException
from fastapi.responses import StreamingResponse

Seen = TypeVar("Seen")

MAX_LISTENERS: Final = 16
POLL_S: Final = 0.4  # a tick at most this often: faster than a glance, slower than what changes
HEARTBEAT_S: Final = 15.0  # shorter than the idle limits of proxies: a dead listener is noticed


class Streams(Generic[Seen]):
    """The event streams of one server."""

    def __init__(self, news: Callable[[Seen | None], tuple[Seen, bytes] | None]) -> None:
        """`news` is given what a listener saw: what there is now, and that as JSON; or None."""
        self._news = news
        self._closing = asyncio.Event()
        self._listeners = 0

    @property
    def full(self) -> bool:
        """Whether another listener would be one too many."""
        return self._listeners >= MAX_LISTENERS

    def close(self) -> None:
        """End all streams. Call it in the server's own event loop."""
        self._closing.set()

    def answer(self) -> StreamingResponse:
        """One more listener's answer. Raises `HTTPException` where that is one too many."""
        if self.full:
            raise HTTPException(503, "Too many pages are open; close one.")
        return StreamingResponse(
            self.stream(),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def stream(self) -> AsyncIterator[bytes]:
        """A tick now, one after each change, a heartbeat in between."""
        self._listeners += 1
        try:
            seen: Seen | None = None
            quiet_s = 0.0
            while not self._closing.is_set():
                if (news := self._news(seen)) is not None:
                    seen, said = news
                    yield b"event: tick\ndata: " + said + b"\n\n"
                    quiet_s = 0.0
                elif quiet_s >= HEARTBEAT_S:
                    yield b": still here\n\n"
                    quiet_s = 0.0
                quiet_s += await self._pause()
            yield b"event: bye\ndata: {}\n\n"
        finally:
            self._listeners -= 1

    async def _pause(self) -> float:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._closing.wait()
        return POLL_S
