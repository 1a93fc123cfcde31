"""One question to a Prometheus-compatible server (Prometheus, Thanos, Mimir, VictoriaMetrics).

What always holds: no more than the byte limit of an answer is kept in memory, however it is
compressed; a question ends by its deadline, however slowly the bytes trickle; the token goes to the
address that was given and nowhere else, since redirects are not followed. Trying again is the
caller's.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

import httpx

from predictor.core.collect_answers import Answer, Malformed, parsed, parsed_names
from predictor.core.collect_pace import Failure, failure_of
from predictor.core.collect_queries import Query
from predictor.core.collect_settings import CollectSettings
from slacktide.errors import BadInput

Found = TypeVar("Found")

CONNECT_S: Final = 10.0
SAID_BYTES: Final = 4_096  # of an error's body
# What a server knows to be incomplete is an error: Thanos' and VictoriaMetrics' words for it.
WHOLE_ANSWERS: Final = {"partial_response": "false", "deny_partial_response": "1"}


class AnswerFailed(Exception):  # noqa: N818  named for what happened
    """An answer that did not come; asking again, or for less, may help."""

    def __init__(self, failure: Failure, said: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{failure.value}: {said}")
        self.failure = failure
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Server:
    """Where it is and who we are to it."""

    url: str
    tenant: str | None = None
    token_file: Path | None = None  # read for each question: tokens are rotated
    ca_file: Path | None = None


class PrometheusClient:
    """Any number of threads may ask at once."""

    def __init__(self, server: Server, settings: CollectSettings) -> None:
        """Raises `BadInput` for an address, CA or token file that cannot be used."""
        self._server, self._settings = server, settings
        self._url = _checked_url(server)
        headers = {} if server.tenant is None else {settings.tenant_header: server.tenant}
        headers["accept-encoding"] = settings.accept_encoding
        self._http = httpx.Client(
            headers=headers,
            verify=_trust(server.ca_file),
            timeout=httpx.Timeout(settings.query_timeout_s, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=settings.most_in_flight),
            follow_redirects=False,
            trust_env=False,  # a proxy of the environment must not see the token
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, query: Query) -> Answer:
        """The series that answer a query.

        Raises:
            AnswerFailed: when it may be asked again, or for less.
            BadInput: when the server refuses, which no repetition changes.
        """
        return self._whole(query, parsed)

    def names(self, query: Query) -> list[str]:
        """The names that answer a query of a label's values; raises as `ask` does."""
        return self._whole(query, parsed_names)

    def _whole(self, query: Query, parse: Callable[[bytes], Found]) -> Found:
        try:
            return parse(self._body(query))
        except Malformed as why:
            raise AnswerFailed(Failure.BROKEN, str(why)) from why
        except httpx.ConnectTimeout as why:
            raise AnswerFailed(Failure.BROKEN, f"no connection in {CONNECT_S:g} s") from why
        except httpx.TimeoutException as why:
            raise self._late() from why
        except (httpx.HTTPError, httpx.InvalidURL) as why:
            said = str(why) or type(why).__name__
            raise AnswerFailed(Failure.BROKEN, said.splitlines()[0]) from why

    def _body(self, query: Query) -> bytes:
        late_s = time.monotonic() + self._settings.query_timeout_s
        url, params = f"{self._url}/api/v1/{query.path}", query.params | WHOLE_ANSWERS
        with self._http.stream("GET", url, params=params, headers=self._bearer()) as response:
            if response.status_code != 200:
                raise self._failed(response, self._read(response, SAID_BYTES, late_s, cut=True))
            return self._read(response, self._settings.most_bytes, late_s)

    def _read(
        self, response: httpx.Response, most: int, late_s: float, *, cut: bool = False
    ) -> bytes:
        """At most so many unpacked bytes, by then."""
        body = bytearray()
        for piece in response.iter_bytes(65_536):
            body += piece
            if time.monotonic() > late_s:
                raise self._late()
            if len(body) > most:
                if cut:
                    break
                raise AnswerFailed(Failure.TOO_LARGE, f"the answer has over {most:,} bytes")
        return bytes(body[:most])

    def _late(self) -> AnswerFailed:
        return AnswerFailed(
            Failure.OVERLOADED, f"no whole answer in {self._settings.query_timeout_s} s"
        )

    def _failed(self, response: httpx.Response, body: bytes) -> Exception:
        status = response.status_code
        said = " ".join(body.decode(errors="replace").split())[:200]
        if response.is_redirect:
            place = response.headers.get("location", "?")
            return BadInput(f"{self._url} redirects to {place[:200]}: give the address itself")
        failure = failure_of(status)
        if failure is Failure.REFUSED:
            return BadInput(f"{self._url} refuses ({status}): {said}")
        return AnswerFailed(failure, f"status {status} {said}", _retry_after_s(response))

    def _bearer(self) -> dict[str, str]:
        file = self._server.token_file
        if file is None:
            return {}
        try:
            token = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as why:
            raise BadInput(f"{file}: the token cannot be read: {why}") from why
        if not token or any(not 33 <= ord(letter) <= 126 for letter in token):
            raise BadInput(f"{file}: holds no token (one line without blanks)")
        return {"Authorization": f"Bearer {token}"}


def _checked_url(server: Server) -> str:
    """The address without a slash at its end."""
    try:
        url = httpx.URL(server.url)
    except httpx.InvalidURL as why:
        raise BadInput(f"{server.url!r} is no address: {why}") from why
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise BadInput(f"{server.url!r}: give http(s)://host[:port][/path]")
    if url.userinfo:
        raise BadInput("the address holds a password, which every process list shows; --token-file")
    if server.token_file is not None and url.scheme == "http" and not _here(url.host):
        raise BadInput(f"{server.url}: over http the token can be read on the way; give https")
    return str(url).rstrip("/")


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as why:
        raise BadInput(f"{ca_file}: no certificates can be read from it: {why}") from why


def _retry_after_s(response: httpx.Response) -> float | None:
    said = response.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() and len(said) < 6 else None
