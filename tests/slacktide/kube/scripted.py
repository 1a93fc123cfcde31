"""A server that answers as a script says, to be broken in ways that a real one rarely is."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from slacktide.kube.connection import Connection

CUT: Final = "cut"  # the connection, here
HANG: Final = "hang"  # say nothing more
STREAM: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END: Final = b"0\r\n\r\n"

Answer = Sequence[bytes | str]  # what is sent, or CUT, or HANG


class Scripted:
    """One answer a request, in order; then silence."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.asked: list[str] = []  # targets
        self.connections = 0
        self.sent = 0  # bytes that the client's side took
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (
                        int(x[15:])
                        for x in head.lower().split("\r\n")
                        if x[:15] == "content-length:"
                    ),
                    0,
                )
                await reader.readexactly(length)
                self.asked.append(head.split(" ")[1])
                await self._say(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()

    async def _say(self, writer: asyncio.StreamWriter) -> None:
        for part in self._answers.pop(0) if self._answers else [HANG]:
            if part == HANG:
                await asyncio.Event().wait()
            if part == CUT:
                raise ConnectionAbortedError
            assert isinstance(part, bytes)
            writer.write(part)
            await writer.drain()
            self.sent += len(part)


@asynccontextmanager
async def scripted(*answers: Answer) -> AsyncIterator[tuple[Scripted, Connection]]:
    """The server, and how to reach it."""
    script = Scripted(answers)
    running = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await script.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield script, Connection(f"http://127.0.0.1:{port}", ssl.create_default_context())
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def whole(body: Any, status: int = 200) -> bytes:
    """An answer of known length."""
    said = json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(said)}\r\n\r\n".encode() + said


def chunk(said: bytes) -> bytes:
    """A part of a streamed answer."""
    return f"{len(said):x}\r\n".encode() + said + b"\r\n"


def line(kind: str, thing: Any) -> bytes:
    """One event of a watch."""
    return json.dumps({"type": kind, "object": thing}).encode() + b"\n"


def pod(name: str, version: int, node: str = "") -> dict[str, Any]:
    """A pod under its own name as UID."""
    meta = {"name": name, "uid": name, "namespace": "shop", "resourceVersion": str(version)}
    return {"metadata": meta, "spec": {"nodeName": node}}


def page(version: int, *pods: dict[str, Any], more: str = "") -> bytes:
    """One answer to a list."""
    meta = {"resourceVersion": str(version), "continue": more}
    return whole({"metadata": meta, "items": list(pods)})
