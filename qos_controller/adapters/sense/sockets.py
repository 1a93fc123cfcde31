"""Round-trip times and listen queues of a namespace's TCP sockets, asked of the kernel.

`inet_diag` over netlink answers with `tcp_info` a connection: `rtt` (smoothed, SRTT of RFC 6298)
and `rttvar` (its mean deviation: the jitter), microseconds; for a listening socket the queue of
those who wait to be accepted and its length. pyroute2 speaks this too, but importing it takes
25 MB and the agent has 80 in all; the tests hold the numbers here against it.
Always holds: one buffer of answers a call, so a tick's cost does not grow with the connections; at
most `CONNECTIONS` a round, after which the socket is thrown away with the rest of its answers.
Cost: 40 us to ask, 25 us and 1.6 us a connection a buffer; a round every few seconds a pod.
Source: Linux include/uapi/linux/inet_diag.h, sock_diag(7), include/uapi/linux/tcp.h.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import struct
from dataclasses import dataclass
from typing import Final

from qos_controller.adapters.sense.namespaces import socket_in

CONNECTIONS: Final = 256
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST_AND_DUMP: Final = 0x301
_DONE: Final = 3
_ERROR: Final = 2
_ESTABLISHED, _LISTEN = 1, 10
_WITH_TCP_INFO: Final = 1 << 1  # 1 << (INET_DIAG_INFO - 1)
_TCP_INFO: Final = 2
_MESSAGE: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_REQUEST: Final = struct.Struct("=IHHII BBBBI 48x")
_QUEUES: Final = struct.Struct("=II")
_ROUND_TRIP: Final = struct.Struct("=II")
_AT_QUEUES: Final = 16 + 56
_AT_ATTRIBUTES: Final = 16 + 72
_AT_ROUND_TRIP: Final = 68
_BUFFER_BYTES: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """All sockets of one namespace, looked at once."""

    connections: int = 0
    srtt_s: float | None = None
    """Median over connections that sent something."""
    jitter_s: float | None = None
    backlog_share: float | None = None
    """The fullest listen queue; 1 is full, and newcomers are dropped."""


class Sockets:
    """One namespace's TCP sockets."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._socket: socket.socket | None = None
        self._families: list[int] = []
        self._rtts_us: list[int] = []
        self._jitters_us: list[int] = []
        self._fullest: float | None = None
        self.last: Round | None = None
        """The last round that was finished."""

    @property
    def asking(self) -> bool:
        """Whether a round is under way."""
        return bool(self._families)

    def ask(self) -> None:
        """Begins a round. Raises OSError where the pod is gone or we may not look."""
        if self._socket is None:
            self._socket = socket_in(
                self._pid, socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG
            )
            self._socket.setblocking(False)
        self._rtts_us, self._jitters_us, self._fullest = [], [], None
        self._families = [socket.AF_INET, socket.AF_INET6]
        self._send()

    def step(self) -> None:
        """Takes one buffer of answers; `last` is new when the round has ended."""
        if self._socket is None or not self._families:
            return
        try:
            answers = self._socket.recv(_BUFFER_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        ended = self._take(answers)
        if len(self._rtts_us) >= CONNECTIONS:
            self._finish()
            self.close()
        elif ended:
            self._families.pop(0)
            if self._families:
                self._send()
            else:
                self._finish()

    def close(self) -> None:
        """Lets go of the socket and of answers not yet read."""
        self._families = []
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self) -> None:
        states = 1 << _ESTABLISHED | 1 << _LISTEN
        request = _REQUEST.pack(
            _REQUEST.size,
            _SOCK_DIAG_BY_FAMILY,
            _REQUEST_AND_DUMP,
            0,
            0,
            self._families[0],
            socket.IPPROTO_TCP,
            _WITH_TCP_INFO,
            0,
            states,
        )
        with contextlib.suppress(BlockingIOError):
            if self._socket is not None:
                self._socket.send(request)

    def _take(self, answers: bytes) -> bool:
        """Whether this family's answers have ended."""
        at = 0
        while at + _MESSAGE.size <= len(answers):
            length, kind, *_ = _MESSAGE.unpack_from(answers, at)
            if kind in {_DONE, _ERROR} or length < _MESSAGE.size:
                return True
            if length >= _AT_ATTRIBUTES and at + length <= len(answers):
                self._take_one(answers[at : at + length])
            at += (length + 3) & ~3
        return False

    def _take_one(self, message: bytes) -> None:
        if message[_MESSAGE.size + 1] == _LISTEN:
            waiting, room = _QUEUES.unpack_from(message, _AT_QUEUES)
            self._fullest = max(self._fullest or 0.0, waiting / room if room else 0.0)
            return
        round_trip = _round_trip(message)
        if round_trip is not None and round_trip[0] > 0:
            self._rtts_us.append(round_trip[0])
            self._jitters_us.append(round_trip[1])

    def _finish(self) -> None:
        self._families = []
        self.last = Round(
            connections=len(self._rtts_us),
            srtt_s=statistics.median(self._rtts_us) * 1e-6 if self._rtts_us else None,
            jitter_s=statistics.median(self._jitters_us) * 1e-6 if self._jitters_us else None,
            backlog_share=self._fullest,
        )


def _round_trip(message: bytes) -> tuple[int, int] | None:
    """`rtt` and `rttvar` of the attribute that holds tcp_info."""
    at = _AT_ATTRIBUTES
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            return None
        if kind == _TCP_INFO and length >= _ATTRIBUTE.size + _AT_ROUND_TRIP + _ROUND_TRIP.size:
            start = at + _ATTRIBUTE.size + _AT_ROUND_TRIP
            if start + _ROUND_TRIP.size > len(message):
                return None
            rtt_us, jitter_us = _ROUND_TRIP.unpack_from(message, start)
            return rtt_us, jitter_us
        at += (length + 3) & ~3
    return None
