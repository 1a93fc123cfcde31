"""Many small requests to a server, several at once, at little cost.

With the plain client of the standard library, since a benchmark shares its cores with what it
measures.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

WRITERS: Final = 16


class Refusal(Exception):  # noqa: N818  named for what happened
    """The server did not take an object; says which answer it gave."""


def post_all(
    connect: Callable[[], http.client.HTTPConnection],
    path: str,
    bodies: Iterable[bytes],
    *,
    accepted: int,
) -> None:
    """Posts the bodies in their order, several at once; `accepted` is the status of success.

    Raises:
        Refusal: for the first that the server refuses.
    """
    turn, left = threading.Lock(), iter(bodies)
    with ThreadPoolExecutor(WRITERS) as pool:
        lines = [_taken(left, turn) for _ in range(WRITERS)]
        for done in [pool.submit(_post, connect(), path, line, accepted) for line in lines]:
            done.result()


def _taken(left: Iterator[bytes], turn: threading.Lock) -> Iterator[bytes]:
    """What is left, handed out to one writer at a time."""
    while True:
        with turn:
            one = next(left, None)
        if one is None:
            return
        yield one


def _post(
    server: http.client.HTTPConnection, path: str, bodies: Iterator[bytes], accepted: int
) -> None:
    for body in bodies:
        server.request("POST", path, body, {"Content-Type": "application/json"})
        answer = server.getresponse()
        said = answer.read()
        if answer.status != accepted:
            raise Refusal(f"{path}: {answer.status} {said[:500].decode(errors='replace')}")
    server.close()
