"""A view for as long as a command needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from scheduler.app.reaching import unreachable
from scheduler.app.view import View
from slacktide.errors import BadInput
from slacktide.kube.connection import Connection

ANSWERS_WITHIN_S: Final = 120.0  # a hundred thousand pods take a minute on a busy server


@asynccontextmanager
async def viewing(cluster: Connection, *, namespace: str = "") -> AsyncIterator[View]:
    """A view in which everything was read once, kept true until the end.

    Raises:
        BadInput: when that cannot be done; says why and what to check.
    """
    async with cluster.client(silence_s=ANSWERS_WITHIN_S) as client:
        view = View(client, namespace=namespace)
        running = asyncio.ensure_future(view.run())
        listed = asyncio.ensure_future(view.listed())
        try:
            await asyncio.wait(
                {running, listed}, timeout=ANSWERS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
            )
            if running.done():
                await running
            if not listed.done():
                late = TimeoutError(f"not everything was listed within {ANSWERS_WITHIN_S:g} s")
                raise BadInput(unreachable(cluster.url, late))
            yield view
        finally:
            running.cancel()
            listed.cancel()
            await asyncio.gather(running, listed, return_exceptions=True)
