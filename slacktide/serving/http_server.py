"""Serves an application in a thread of its own, so that the main thread is free.

Always holds: once `start` has returned, the address answers; `stop` returns within a second or two
however many pages are open.
"""

from __future__ import annotations

import socket
import threading
from typing import Self

import uvicorn
from fastapi import FastAPI

from slacktide.errors import BadInput

START_LIMIT_S = 20.0
STOP_LIMIT_S = 5.0


class HttpServer:
    """One server on one address. Use it as a context manager, or call `start` and `stop`.

    An application with open streams gives `app.state.ending`, which is called in the server's event
    loop when it is to leave.
    """

    def __init__(self, app: FastAPI, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._listener = _listen(host, port)
        self._host = f"[{host}]" if ":" in host else host
        self._server = _EndingServer(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=64,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=16_384,
            ),
            app,
        )
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._listener]},
            name="http",
            daemon=True,
        )

    @property
    def url(self) -> str:
        """Where it is found."""
        return f"http://{self._host}:{self._listener.getsockname()[1]}"

    def start(self) -> str:
        """Listen, and return the address once it answers."""
        self._thread.start()
        if not self._server.ready.wait(START_LIMIT_S):
            raise BadInput("the server did not start; its log above says why")
        return self.url

    def stop(self) -> None:
        """End the open streams and the thread."""
        self._server.should_exit = True
        self._thread.join(STOP_LIMIT_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _EndingServer(uvicorn.Server):
    """A uvicorn that ends open streams first: it waits for open responses before it leaves."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = getattr(self._app.state, "ending", None)
        if ending is not None:
            ending()
        await super().shutdown(sockets=sockets)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as problem:
        listener.close()
        raise BadInput(
            f"cannot listen on {host}:{port}: {problem.strerror}; choose another with --port"
        ) from problem
    return listener
