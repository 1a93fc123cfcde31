"""Several connections to one server, each with a client of its own, handed out one at a time.

A pool looks at all its connections for every request, so many short writes over one pool spend
their time choosing; a lane is taken, used and given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import httpx

from slacktide.kube.connection import Connection


class Requests(Protocol):
    """What a writer needs of a client; an `httpx.AsyncClient` is one."""

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Sends one request."""
        ...


class Lanes:
    """A client whose requests wait for a free lane."""

    def __init__(self, clients: list[httpx.AsyncClient]) -> None:
        """Of the clients, one lane each."""
        self._free: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        for client in clients:
            self._free.put_nowait(client)

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Sends one request. Raises `httpx.HTTPError` as a client does."""
        client = await self._free.get()
        try:
            return await client.request(method, url, content=content, headers=headers)
        finally:
            self._free.put_nowait(client)


@asynccontextmanager
async def lanes(connection: Connection, count: int) -> AsyncIterator[Lanes]:
    """That many lanes to a server, closed at the end."""
    async with AsyncExitStack() as opened:
        clients = [connection.client(connections=1) for _ in range(count)]
        yield Lanes([await opened.enter_async_context(client) for client in clients])
