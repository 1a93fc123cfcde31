"""The outermost layer: what no page needs never reaches a route.

Always holds: every answer carries the security headers. A request is refused before anything reads
it when it names a foreign host (DNS rebinding: the dashboard has no login, so only a page of its
own may talk to it), comes from another site, carries a body, or is too long. Where a token is
needed, nothing but the health check is answered without it, and then any name is served: a page
that does not know the token learns nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from hmac import compare_digest

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
MAX_PATH_BYTES = 1024
MAX_QUERY_BYTES = 2048
OPEN_PATH = "/healthz"  # a probe has no token

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Wraps an ASGI app.

    Args:
        app: What is guarded.
        hosts: The names it answers to, without a port; of no account where there is a token.
        token: What `Authorization: Bearer` must bring; None asks for none.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str] = LOCAL_HOSTS, token: str | None = None
    ) -> None:
        self._app = app
        if token == "":
            raise ValueError("an empty token would let everybody in")
        self._token = None if token is None else token.encode()
        self._hosts = frozenset(host.casefold() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on; websockets are refused by their absence."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if stranger := self._stranger(headers, scope["path"]):
            return stranger
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse(
                "Only reading is possible.", status_code=405, headers={"allow": "GET, HEAD"}
            )
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            return PlainTextResponse("A request carries no body.", status_code=413)
        if (
            len(scope.get("raw_path") or b"") > MAX_PATH_BYTES
            or len(scope["query_string"]) > MAX_QUERY_BYTES
        ):
            return PlainTextResponse("The address is too long.", status_code=414)
        foreign = headers.get("sec-fetch-site") == "cross-site"
        if foreign and headers.get("sec-fetch-mode") != "navigate":
            return PlainTextResponse("Other sites may not read this.", status_code=403)
        return None

    def _stranger(self, headers: Headers, path: str) -> PlainTextResponse | None:
        """Who may not ask at all."""
        if self._token is None:
            if self._knows(headers.getlist("host")):
                return None
            return PlainTextResponse("This host name is not served here.", status_code=421)
        if path == OPEN_PATH or compare_digest(_bearer(headers), self._token):
            return None
        return PlainTextResponse(
            "A bearer token is needed.", status_code=401, headers={"www-authenticate": "Bearer"}
        )

    def _knows(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        name, colon, port = hosts[0].casefold().rpartition(":")
        host = name if colon and port.isdigit() else hosts[0].casefold()
        return host in self._hosts


def _bearer(headers: Headers) -> bytes:
    """The token that a request brings; empty where it brings none, or several."""
    given = headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip().encode("latin-1") if scheme.casefold() == "bearer" else b""
