"""How a request goes out and its answer comes back, without ever waiting for one.

Always holds: `send` never blocks; an answer's time is CLOCK_MONOTONIC, and for datagrams the
kernel's own stamp, so a client that reads late does not make the server look slow.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from typing import Protocol

_STAMP = 35  # SO_TIMESTAMPNS, not named by Python
_TIME = struct.Struct("qq")
_ID = struct.Struct("I")


class Exchange(Protocol):
    """One way to ask a server."""

    def send(self, request: int) -> None:
        """Sends the request of that number."""

    def answers(self, timeout_s: float) -> list[tuple[int, float]]:
        """Numbers and times of what came within the timeout; returns at the first."""

    def close(self) -> None:
        """Lets go of all sockets."""


class Datagrams:
    """A number out, the same number back; the server's socket is the one queue."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = stamped_socket()
        self._socket.connect((host, port))
        self._socket.setblocking(False)
        self._offset_s = time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic()

    def send(self, request: int) -> None:
        """A full send buffer loses the request: it will count as never answered."""
        with contextlib.suppress(OSError):
            self._socket.send(_ID.pack(request))

    def answers(self, timeout_s: float) -> list[tuple[int, float]]:
        """All that lie in the socket."""
        if not select.select([self._socket], [], [], max(timeout_s, 0.0))[0]:
            return []
        found = []
        with contextlib.suppress(OSError):
            while True:
                data, ancillary, _, _ = self._socket.recvmsg(64, 64)
                found.append((_ID.unpack(data)[0], stamp_s(ancillary) - self._offset_s))
        return found

    def close(self) -> None:
        """Lets go of the socket."""
        self._socket.close()


class Connections:
    """HTTP/1.1, a connection for each request on its way; kept, or `fresh` ones."""

    def __init__(self, host: str, port: int, path: str, *, fresh: bool) -> None:
        self._address = (host, port)
        last = "Connection: close\r\n" if fresh else ""
        self._ask = (
            f"GET {path} HTTP/1.1\r\nHost: online\r\nAccept-Encoding: gzip\r\n{last}\r\n"
        ).encode()
        self._fresh = fresh
        self._idle: list[socket.socket] = []
        self._asked: dict[socket.socket, int] = {}
        self._got: dict[socket.socket, bytearray] = {}
        self._connecting: set[socket.socket] = set()

    def send(self, request: int) -> None:
        """On an idle connection, else on a new one as soon as that is made."""
        connection = self._idle.pop() if self._idle else self._begun()
        self._asked[connection] = request
        self._got[connection] = bytearray()
        if connection not in self._connecting:
            self._say(connection)

    def answers(self, timeout_s: float) -> list[tuple[int, float]]:
        """Those whose last byte has come."""
        ready, made, _ = select.select(
            list(self._asked), list(self._connecting), [], max(timeout_s, 0.0)
        )
        for connection in made:
            self._connecting.discard(connection)
            self._say(connection)
        return [found for connection in ready if (found := self._read(connection))]

    def close(self) -> None:
        """Lets go of every connection."""
        for connection in (*self._idle, *self._asked):
            connection.close()

    def _begun(self) -> socket.socket:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect_ex(self._address)
        self._connecting.add(connection)
        return connection

    def _say(self, connection: socket.socket) -> None:
        try:
            connection.send(self._ask)
        except OSError:
            self._lose(connection)

    def _read(self, connection: socket.socket) -> tuple[int, float] | None:
        try:
            data = connection.recv(1 << 20)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self._lose(connection)
            return None
        self._got[connection] += data
        if not complete(self._got[connection]):
            return None
        request = self._asked.pop(connection)
        if self._fresh:
            self._lose(connection)
        else:
            self._idle.append(connection)
        return request, time.monotonic()

    def _lose(self, connection: socket.socket) -> None:
        self._asked.pop(connection, None)
        self._got.pop(connection, None)
        self._connecting.discard(connection)
        connection.close()


def complete(answer: bytearray) -> bool:
    """Is this a whole HTTP answer, by its length or its last chunk?"""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(answer[:end]).lower()
    if b"transfer-encoding: chunked" in head:
        return answer.endswith(b"0\r\n\r\n")
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return len(answer) >= end + 4 + length


def stamped_socket() -> socket.socket:
    """A UDP socket with a deep queue whose datagrams carry the kernel's time of arrival."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, _STAMP, 1)
    for forced in (33, socket.SO_RCVBUF):  # SO_RCVBUFFORCE, where that is allowed
        try:
            made.setsockopt(socket.SOL_SOCKET, forced, 8 << 20)
            break
        except OSError:
            continue
    return made


def stamp_s(ancillary: list[tuple[int, int, bytes]]) -> float:
    """The kernel's time of arrival, Unix; now where it gave none."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _STAMP:
            seconds, nanoseconds = _TIME.unpack(data[:16])
            return float(seconds + nanoseconds * 1e-9)
    return time.time()
