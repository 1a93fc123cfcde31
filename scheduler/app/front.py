"""The scheduler's HTTP door: the extender's calls, /metrics and /readyz, on one port.

A call waits for the interpreter's lock whenever planning holds it, for one turn of a thread: turns
are shorter here than Python's, since most calls are answered in less than one of those.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import Receive, Scope, Send

from scheduler.app.extender_server import Extender

OK: Final = 200
UNKNOWN: Final = 404
NOT_READY: Final = 503
TURN_S: Final = 0.0005  # of a thread; Python's own is 5 ms


class Front:
    """An ASGI app, which answers no extender call before everything was listed once."""

    def __init__(
        self, extender: Extender | None, metrics: Callable[[], bytes], ready: Callable[[], bool]
    ) -> None:
        """Without an extender its calls are unknown."""
        self._extender, self._metrics, self._ready = extender, metrics, ready

    def health_alone(self) -> Front:
        """The same without the extender, for a port that others reach."""
        return Front(None, self._metrics, self._ready)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call."""
        path = scope.get("path", "")
        if scope["type"] != "http":
            return
        if path == "/metrics":
            await _answer(send, OK, self._metrics(), kind=CONTENT_TYPE_LATEST)
        elif path == "/healthz":
            await _answer(send, OK, b'{"ok":true}')
        elif not self._ready():
            await _answer(send, NOT_READY, b'{"ready":false}')
        elif path == "/readyz":
            await _answer(send, OK, b'{"ready":true}')
        elif self._extender is not None:
            await self._extender(scope, receive, send)
        else:
            await _answer(send, UNKNOWN, b'{"Error":"no such call"}')


class _Quiet(uvicorn.Server):
    """A uvicorn that leaves signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def answering(front: Front, *, host: str, port: int) -> None:
    """Answers until it is cancelled."""
    sys.setswitchinterval(TURN_S)
    config = uvicorn.Config(
        front,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_keep_alive=90,  # kube-scheduler keeps its connections
        timeout_graceful_shutdown=1,
    )
    server = _Quiet(config)
    try:
        await server.serve()
    except asyncio.CancelledError:
        if server.started:
            await server.shutdown()
        raise


async def _answer(send: Send, status: int, body: bytes, *, kind: str = "application/json") -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
