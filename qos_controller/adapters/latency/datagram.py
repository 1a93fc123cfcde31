"""Latencies that services push: UDP and a Unix socket, read without waiting once a tick.

Whoever sends to the Unix socket must do so without waiting (MSG_DONTWAIT): its queue holds
`net.unix.max_dgram_qlen` packets (10 on many nodes), so above about 400 packets a second UDP or
more values a packet tell more. nginx sends to both without waiting.
Always holds: at most `PACKETS` are read in a tick and `VALUES` looked at; what is beyond is thrown
away unread up to `DRAINED` packets so that the next tick hears of now and not of then, and counted.
A packet that names a pod but comes from an address that is not this pod's and not the node's own is
not believed. A socket that fails is closed and counted.
Cost: 1.2 us a tick with nothing to read; 4 us a packet of one value (1.6 us of it to receive).
Source for dropping old and not new: the queue of a datagram socket refuses newcomers when full
(Linux socket(7), SO_RCVBUF), so it must be emptied to be fresh.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections import Counter
from collections.abc import Sequence
from typing import Final

from qos_controller.adapters.latency.services import Service, Services
from qos_controller.adapters.latency.telling import Telling, parse_packet
from qos_controller.core.pods import Pod

PORT: Final = 9125
PACKETS: Final = 64
VALUES: Final = 512
DRAINED: Final = 1024
_PACKET_BYTES: Final = 4096
_RECEIVE_BYTES: Final = 262_144
_TICKS_OF_VALUES: Final = 128


class Datagrams:
    """The sockets, and what came through them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sockets: dict[int, socket.socket] = {}
        # An empty socket would answer with an exception, which costs more than this question.
        self._waiting = select.poll()
        self._unix_path = ""
        self._by_name: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        """By what became of them: packets, nonsense, strangers, liars, flooded, too long."""

    def listen_udp(self, host: str = "127.0.0.1", port: int = PORT) -> int:
        """Opens one UDP socket; the port that it got. Raises OSError where it is taken."""
        kind = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = self._open(kind)
        opened.bind((host, port))
        self._add(opened)
        name: tuple[str, int] = opened.getsockname()
        return name[1]

    def listen_unix(self, path: str) -> None:
        """Makes the Unix socket anew; any user of the node may write to it."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108  its neighbours are system calls too
        opened = self._open(socket.AF_UNIX)
        opened.bind(path)
        os.chmod(path, 0o666)  # noqa: PTH101, S103  services of any user tell their latency
        self._add(opened)
        self._unix_path = path

    def follow(self, pods: Sequence[Pod]) -> None:
        """Learns who is who, after the services did; only pods with an SLO are heard."""
        heard = [pod for pod in pods if self._services.get(pod.uid) is not None]
        self._by_name = {f"{pod.namespace}/{pod.name}": pod.uid for pod in heard}
        self._by_name |= {pod.uid: pod.uid for pod in heard}
        # Pods in the host's network share the node's address, so it tells nobody's name.
        owners = Counter(ip for pod in pods for ip in pod.ips)
        self._owners = {ip: pod.uid for pod in pods for ip in pod.ips if owners[ip] == 1}

    def read(self) -> None:
        """Takes what has come into the services' counts."""
        values = VALUES
        for fd, _ in self._waiting.poll(0):
            values = self._read_one(self._sockets[fd], values)

    def close(self) -> None:
        """Closes the sockets; the path of the Unix socket goes with it."""
        for fd, opened in self._sockets.items():
            self._waiting.unregister(fd)
            opened.close()
        self._sockets.clear()
        if self._unix_path:
            with contextlib.suppress(OSError):
                os.unlink(self._unix_path)  # noqa: PTH108  as above
            self._unix_path = ""

    def _open(self, family: socket.AddressFamily) -> socket.socket:
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        return opened

    def _add(self, opened: socket.socket) -> None:
        self._sockets[opened.fileno()] = opened
        self._waiting.register(opened, select.POLLIN)

    def _read_one(self, opened: socket.socket, values: int) -> int:
        try:
            for _ in range(PACKETS):
                packet, address = opened.recvfrom(_PACKET_BYTES)
                sender = address[0] if isinstance(address, tuple) else ""
                values -= self._take(packet, sender, values)
            for _ in range(DRAINED):
                opened.recv(1)
                self.counts["flooded"] += 1
        except BlockingIOError:
            return values
        except OSError:
            # A UDP socket tells of a sender's refusal once and goes on.
            self.counts["socket errors"] += 1
        return values

    def _take(self, packet: bytes, sender: str, values: int) -> int:
        self.counts["packets"] += 1
        if len(packet) == _PACKET_BYTES:
            # Cut off by the kernel, so its last value may be a wrong one.
            self.counts["too long"] += 1
            return 1
        looked_at = 0
        for telling in parse_packet(packet, max(1, min(_TICKS_OF_VALUES, values))):
            looked_at += 1 + len(telling.latencies_s) + telling.nonsense
            if telling.nonsense or telling.skipped:
                self.counts["nonsense"] += telling.nonsense
                self.counts["flooded"] += telling.skipped
            service = self._who(telling, sender)
            if service is not None:
                _add(service, telling)
            if looked_at >= values:
                break
        return looked_at

    def _who(self, telling: Telling, sender: str) -> Service | None:
        if not telling.who:
            return None
        uid = self._owners.get(sender) if telling.who == "-" else self._by_name.get(telling.who)
        service = None if uid is None else self._services.get(uid)
        if service is None:
            self.counts["strangers"] += 1
        elif self._owners.get(sender, uid) != uid:
            self.counts["liars"] += 1
            return None
        return service


def _add(service: Service, telling: Telling) -> None:
    for latency_s in telling.latencies_s:
        service.add(latency_s)
    if telling.requests:
        service.add_counts(telling.requests, telling.slow)
