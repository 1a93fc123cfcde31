"""Nodes that exist in the API alone: schedulable, with room for pods, and nobody behind them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from slacktide.testing.cluster.control_plane import ControlPlane

WRITERS: Final = 16
CREATED: Final = 201


class Refusal(Exception):  # noqa: N818  named for what happened
    """The server did not take an object; says which answer it gave."""


def node(
    name: str, *, holds: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A ready Node object that can hold `holds` (resource -> quantity)."""
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "made by hand"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "status": {"capacity": dict(holds), "allocatable": dict(holds), "conditions": [ready]},
    }


def add(plane: ControlPlane, path: str, objects: Iterable[Mapping[str, Any]]) -> None:
    """Posts the objects to a collection of the API in their order, several at once.

    With the plain client of the standard library, since a benchmark shares its cores with what it
    measures.

    Raises:
        Refusal: for the first that the server refuses.
    """
    turn, left = threading.Lock(), iter(objects)
    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(_post, plane, path, _taken(left, turn)) for _ in range(WRITERS)]:
            done.result()


def _taken(left: Iterator[Mapping[str, Any]], turn: threading.Lock) -> Iterator[bytes]:
    """What is left, handed out to one writer at a time."""
    while True:
        with turn:
            one = next(left, None)
        if one is None:
            return
        yield json.dumps(one).encode()


def _post(plane: ControlPlane, path: str, bodies: Iterator[bytes]) -> None:
    server = http.client.HTTPSConnection(
        urlsplit(plane.url).netloc, context=plane.tls(), timeout=60
    )
    for body in bodies:
        server.request("POST", path, body, {"Content-Type": "application/json"})
        answer = server.getresponse()
        said = answer.read()
        if answer.status != CREATED:
            raise Refusal(f"{path}: {answer.status} {said[:500].decode(errors='replace')}")
    server.close()
