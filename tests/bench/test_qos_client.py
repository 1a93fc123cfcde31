from __future__ import annotations

import math
import socket
import threading
import time
from contextlib import closing

import pytest

from bench.qos.arrivals import Phase, poisson
from bench.qos.client import ask
from bench.qos.exchange import Connections, Datagrams, complete, stamp_s, stamped_socket


class SlowServer:
    """Answers each request at once, but each send takes as long as it is told (virtual time)."""

    def __init__(self, *, send_takes_s: float) -> None:
        self.now_s = 0.0
        self._send_takes_s = send_takes_s
        self._waiting: list[int] = []

    def clock(self) -> float:
        return self.now_s

    def send(self, request: int) -> None:
        self.now_s += self._send_takes_s
        self._waiting.append(request)

    def close(self) -> None:
        self._waiting.clear()

    def answers(self, timeout_s: float) -> list[tuple[int, float]]:
        found, self._waiting = [(n, self.now_s) for n in self._waiting], []
        if not found:
            self.now_s += max(timeout_s, 1e-4)
        return found


def test_a_request_held_up_keeps_the_time_it_was_meant_to_go() -> None:
    server = SlowServer(send_takes_s=0.1)
    asked = ask(server, [0.01, 0.02, 0.03], clock=server.clock)
    assert asked.meant_s == [0.01, 0.02, 0.03]
    assert [sent - meant for meant, sent in zip(asked.meant_s, asked.sent_s, strict=True)] == (
        pytest.approx([0.0, 0.09, 0.18], abs=0.001)
    )
    # The wait in the client's own queue is part of the latency.
    assert asked.answered_s[2] - asked.meant_s[2] > 0.25


def test_requests_that_are_never_answered_have_no_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        with closing(Datagrams("127.0.0.1", deaf.getsockname()[1])) as exchange:
            asked = ask(exchange, [time.monotonic()], drain_s=0.05)
    assert math.isnan(asked.answered_s[0])
    assert not math.isnan(asked.sent_s[0])


def test_an_answer_read_late_has_the_kernels_time_of_arrival() -> None:
    with stamped_socket() as server:
        server.bind(("127.0.0.1", 0))
        exchange = Datagrams("127.0.0.1", server.getsockname()[1])
        exchange.send(7)
        data, ancillary, _, peer = server.recvmsg(64, 64)
        assert abs(stamp_s(ancillary) - time.time()) < 5
        server.sendto(data, peer)
        arrived_s = time.monotonic()
        threading.Event().wait(0.2)  # what is told must not depend on when it is read
        ((request, at_s),) = exchange.answers(1.0)
        exchange.close()
    assert request == 7
    assert at_s - arrived_s < 0.1


@pytest.mark.parametrize("fresh", [False, True])
def test_http_requests_overlap_on_connections_of_their_own(fresh: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        exchange = Connections("127.0.0.1", server.getsockname()[1], "/file", fresh=fresh)
        begun_s = time.monotonic()
        exchange.send(0)
        exchange.send(1)
        threading.Thread(target=answer_two, args=(server,), daemon=True).start()
        asked: list[int] = []
        while len(asked) < 2 and time.monotonic() < begun_s + 5:
            asked += [request for request, _ in exchange.answers(0.5)]
        exchange.close()
    assert sorted(asked) == [0, 1]


def answer_two(server: socket.socket) -> None:
    connections = [server.accept()[0] for _ in range(2)]
    for connection in reversed(connections):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    for connection in connections:
        connection.close()


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n", False),
    ],
)
def test_an_answer_is_whole_at_its_length_or_its_last_chunk(answer: bytes, whole: bool) -> None:
    assert complete(bytearray(answer)) is whole


def test_arrivals_keep_their_rate_and_their_phases() -> None:
    phases = [Phase(10.0, 20.0, 100.0), Phase(20.0, 30.0, 300.0)]
    times = poisson(phases, seed=1)
    assert times == sorted(times)
    assert times == poisson(phases, seed=1)
    early = sum(at_s < 20.0 for at_s in times)
    assert early == pytest.approx(1_000, rel=0.12)
    assert len(times) - early == pytest.approx(3_000, rel=0.08)


def test_a_rate_of_nothing_sends_nothing() -> None:
    assert poisson([Phase(0.0, 10.0, 0.0)], seed=1) == []
