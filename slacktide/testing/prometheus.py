"""A server that answers Prometheus' queries from a list of faults, on a free port of this machine.

It knows no PromQL: a test hands it a function from a request to an answer. Held against the real
Prometheus by `tests/predictor/test_collect_real.py`, which asks the same questions.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes over the wire."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    promised_bytes: int | None = None  # more than the body: cut off on the way
    hold: threading.Event | None = None  # nothing is sent until it is set


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]


Answer = Callable[[Asked], Reply]


def matrix(*series: tuple[dict[str, str], Sequence[tuple[float, str]]]) -> Reply:
    """Range series: labels, and points of a stamp and a value as text."""
    lines = [{"metric": labels, "values": [list(p) for p in points]} for labels, points in series]
    return _data("matrix", lines)


def vector(*series: tuple[dict[str, str], float, str]) -> Reply:
    """Instant series: labels, a stamp and a value as text."""
    lines = [{"metric": labels, "value": [ts_s, value]} for labels, ts_s, value in series]
    return _data("vector", lines)


def names(*found: str) -> Reply:
    """The values of a label."""
    return _told(list(found))


def _data(kind: str, lines: list[dict[str, Any]]) -> Reply:
    return _told({"resultType": kind, "result": lines})


def _told(data: object) -> Reply:
    """As compact as a server writes it."""
    answer = {"status": "success", "data": data}
    return Reply(body=json.dumps(answer, separators=(",", ":")).encode())


class FakePrometheus:
    """Answers until the block ends; `asked` is every request in order of arrival."""

    def __init__(self, answer: Answer, *, certificate: Path | None = None) -> None:
        """With a PEM file of a key and its certificate it speaks TLS."""
        self.answer = answer
        self._scheme = "http" if certificate is None else "https"
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def reply_to(self, asked: Asked) -> Reply:
        """Notes a request and has it answered."""
        with self._lock:
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.answer(asked)
        finally:
            with self._lock:
                self._at_once -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(place.path, dict(parse_qsl(place.query)), headers)
                _send(self, fake.reply_to(asked))

            def log_message(self, *_: object) -> None:
                """Says nothing: the test tells what happened."""

        return Handler


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    if reply.hold is not None:
        reply.hold.wait()
    size = len(reply.body) if reply.promised_bytes is None else reply.promised_bytes
    try:
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(size))
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.write(reply.body)
    except (BrokenPipeError, ConnectionResetError):
        return  # the client has had enough, which some tests are about
