"""One call after the other over a kept connection, as kube-scheduler makes them, and timed.

The client is a plain socket and requests that were encoded before, so what is measured is the
server. What the client and the kernel take of it is measured beside: the same bytes to a plain
socket that answers as soon as it has read them.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bench._extender_server import NODES, name_of
from bench._real_pods import real_pod

TASKS: Final = 50_000  # that were planned
FIRST: Final = 50  # calls that are not timed
OVERSIZE: Final = b"POST /filter HTTP/1.1\r\nhost: extender\r\ncontent-length: 9437184\r\n\r\n"
ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Caller:
    """A kept connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self, request: bytes) -> bytes:
        """The answer's body."""
        self._socket.sendall(request)
        got = self._socket.recv(1 << 18)
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self._more()
        at = got.index(b"content-length: ") + 16
        whole = end + 4 + int(got[at : got.index(b"\r", at)])
        while len(got) < whole:
            got += self._more()
        return got[end + 4 : whole]

    def _more(self) -> bytes:
        more = self._socket.recv(1 << 18)
        if not more:
            raise ConnectionError("the server hung up")
        return more

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()


def times_ms(port: int, requests: Sequence[bytes], calls: int) -> list[float]:
    """How long each of that many calls took, in turn over the requests; sorted."""
    call, found = Caller(port), []
    for turn in range(FIRST + calls):
        request = requests[turn % len(requests)]
        begun_s = time.perf_counter()
        call(request)
        found.append(1_000 * (time.perf_counter() - begun_s))
    call.close()
    return sorted(found[FIRST:])


def refused_ms(port: int, calls: int) -> list[float]:
    """How long until a call was refused that announces 9 MB and sends none of them; sorted.

    Each has a connection of its own, since a refused one is closed.
    """
    found = []
    for _ in range(calls):
        begun_s = time.perf_counter()
        call = Caller(port)
        answer = call(OVERSIZE)
        found.append(1_000 * (time.perf_counter() - begun_s))
        call.close()
        if b"bytes" not in answer:
            raise ValueError(f"not refused: {answer!r}")
    return sorted(found)


def filters(names: int) -> list[bytes]:
    """Filter calls for pods of which nine in ten were planned on a node that is offered."""
    return [_request("filter", _arguments(k, names)) for k in range(20)]


def prioritizes(names: int) -> list[bytes]:
    """The same pods' prioritize calls."""
    return [_request("prioritize", _arguments(k, names)) for k in range(20)]


def binds() -> list[bytes]:
    """Bind calls of tasks to where they were planned."""
    return [
        _request(
            "bind",
            {
                "PodName": f"train-{k}",
                "PodNamespace": "batch",
                "PodUID": f"task-{k}",
                "Node": name_of(k),
            },
        )
        for k in range(20)
    ]


def _arguments(index: int, names: int) -> dict[str, Any]:
    pod = real_pod(index, batch=True, namespace="batch")
    pod["metadata"]["uid"] = f"task-{index}" if index % 10 else "unknown"
    offered = [name_of((index + k) % NODES) for k in range(names)]
    return {"Pod": pod, "Nodes": None, "NodeNames": offered}


def _request(verb: str, body: dict[str, Any]) -> bytes:
    said = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST /{verb} HTTP/1.1\r\nHost: 127.0.0.1:8082\r\nUser-Agent: Go-http-client/1.1\r\n"
        f"Content-Length: {len(said)}\r\nContent-Type: application/json\r\n"
        "Accept-Encoding: gzip\r\n\r\n"
    )
    return head.encode() + said


@contextmanager
def served(port: int, *, planning: bool = False) -> Iterator[None]:
    """The door, in a process of its own."""
    command = [sys.executable, "-m", "bench._extender_server", str(port), str(TASKS)]
    child = subprocess.Popen([*command, "--planning"] if planning else command)  # noqa: S603  own file
    try:
        _wait_open(port)
        yield
    finally:
        child.kill()
        child.wait()


@contextmanager
def echoed(port: int) -> Iterator[None]:
    """A plain socket that answers at once."""
    child = multiprocessing.get_context("spawn").Process(target=_echo, args=(port,), daemon=True)
    child.start()
    try:
        _wait_open(port)
        yield
    finally:
        child.kill()
        child.join()


def _echo(port: int) -> None:
    door = socket.create_server(("127.0.0.1", port))
    while True:
        caller, _ = door.accept()
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        held = b""
        while got := caller.recv(1 << 18):
            held += got
            end = held.find(b"\r\n\r\n")
            at = held.find(b"Content-Length: ") + 16
            if end > 0 and len(held) >= end + 4 + int(held[at : held.index(b"\r", at)]):
                caller.sendall(ANSWER)
                held = b""


def _wait_open(port: int) -> None:
    give_up_s = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.02)
