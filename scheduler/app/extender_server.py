"""The extender's HTTP door: four routes as a raw ASGI app, since each call costs every pod.

Always holds: a body above its limit is refused before it is read, and its connection closed; every
answer has its length, so kube-scheduler's connection is kept; no question, however malformed, ends
the process or gets an answer of another shape than the protocol's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from starlette.types import Receive, Scope, Send

from scheduler.core.extender import (
    MOST_BYTES,
    Binding,
    Places,
    asked_binding,
    bound,
    filtered,
    may_bind,
    preempted,
    prioritized,
)

OK: Final = 200
MALFORMED: Final = 400
UNKNOWN: Final = 404
TOO_LARGE: Final = 413
LENGTH_REQUIRED: Final = 411
UNREAD: Final = frozenset({UNKNOWN, TOO_LARGE, LENGTH_REQUIRED})  # what follows is nobody's

Bind = Callable[[Binding], Awaitable[str]]  # binds, and says why not ("" = bound)

log = structlog.get_logger()


class Extender:
    """The ASGI app over what the planner decided."""

    def __init__(self, places: Places, bind: Bind) -> None:
        """`places` is read at each call, so the planner may change it between calls."""
        self._places, self._bind = places, bind
        self._answers = {"/filter": filtered, "/prioritize": prioritized, "/preempt": preempted}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call."""
        if scope["type"] != "http":
            return
        status, body = await self._answer(scope, receive)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if status in UNREAD:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        path = scope["path"]
        if path == "/healthz":
            return OK, b'{"ok":true}'
        if path not in self._answers and path != "/bind":
            return UNKNOWN, bound(f"no such call: {path[:100]}")
        refused = _refused(scope)
        if refused:
            return refused, bound(f"a question needs a length of at most {MOST_BYTES} bytes")
        try:
            question = await _whole(receive)
            if path == "/bind":
                return OK, bound(await self._bound(question))
            return OK, self._answers[path](question, self._places)
        except ValueError as why:
            log.warning("extender: malformed call", path=path, why=str(why))
            return MALFORMED, bound(str(why))

    async def _bound(self, question: bytes) -> str:
        binding = asked_binding(question)
        return may_bind(binding, self._places) or await self._bind(binding)


def _refused(scope: Scope) -> int:
    """0, or the status with which a call is refused unread."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if not length.isdigit():
        return LENGTH_REQUIRED
    return TOO_LARGE if len(length) > len(str(MOST_BYTES)) or int(length) > MOST_BYTES else 0


async def _whole(receive: Receive) -> bytes:
    """The body. Raises `ValueError` where the caller hangs up."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ValueError("the caller hung up")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
