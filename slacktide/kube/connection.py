"""Where the API server is and who we are: from a pod's service account, or from a kubeconfig.

A service account's token is read again each time it is sent, because kubelet replaces it hourly.
Client certificates and static tokens of a kubeconfig work; plugins that run a program do not, and
the error says so.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from slacktide import __version__
from slacktide.errors import BadInput
from slacktide.kube.wire import Wire

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
AGENT: Final = f"slacktide/{__version__}"  # as the API server's audit log shows us
MOST_BYTES: Final = 1 << 20  # of a kubeconfig


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server's address, how to trust it, and how to be known to it."""

    url: str
    tls: ssl.SSLContext
    token: str = ""
    token_file: Path | None = None

    def client(self, *, connections: int = 20, silence_s: float = 30.0) -> httpx.AsyncClient:
        """A client of that server; `silence_s` without a byte ends a request."""
        return httpx.AsyncClient(
            base_url=self.url,
            transport=Wire(self.tls, connections=connections),
            auth=_Bearer(self),
            timeout=httpx.Timeout(silence_s, connect=10.0, pool=None),
            # Both machines are near each other: packing costs the server more than the wire.
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": AGENT,
            },
            trust_env=False,
        )

    def bearer(self) -> str:
        """The token as it is now, empty where a certificate says who we are."""
        return self.token if self.token_file is None else self.token_file.read_text().strip()


class _Bearer(httpx.Auth):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if token := self._connection.bearer():
            request.headers["Authorization"] = f"Bearer {token}"
        yield request


def connection(kubeconfig: Path | None = None, context: str | None = None) -> Connection:
    """As kubectl finds it: the file given, $KUBECONFIG, the pod's own account, ~/.kube/config.

    Raises:
        BadInput: when there is none, or it cannot be used; says which file and why.
    """
    named = kubeconfig or _from_environment()
    if named is None and (ACCOUNT / "token").is_file():
        return _of_account(os.environ, ACCOUNT)
    return _of_kubeconfig(named or Path.home() / ".kube" / "config", context)


def _from_environment() -> Path | None:
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(named) if named else None


def _of_account(environment: Mapping[str, str], account: Path) -> Connection:
    host = environment.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
    host = f"[{host}]" if ":" in host else host
    return Connection(f"https://{host}:{port}", tls, token_file=account / "token")


def _of_kubeconfig(file: Path, context: str | None) -> Connection:
    config = _read(file)
    try:
        wanted = context or config["current-context"]
        pair = _named(config, "contexts", wanted)["context"]
        cluster = _named(config, "clusters", pair["cluster"])["cluster"]
        user = _named(config, "users", pair["user"])["user"]
        url = str(cluster["server"])
    except (KeyError, TypeError) as why:
        raise BadInput(f"{file}: no {why}; kubectl config view shows what is there") from why
    if "exec" in user or "auth-provider" in user:
        raise BadInput(f"{file}: its user runs a program to log in; use a token or a certificate")
    return Connection(
        url.rstrip("/"),
        _tls(file, cluster, user),
        token=str(user.get("token", "")),
        token_file=_beside(file, user.get("tokenFile")),
    )


def _read(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise BadInput(f"{file}: larger than {MOST_BYTES} bytes, so no kubeconfig")
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as why:
        raise BadInput(f"no cluster: {file} cannot be read; give --kubeconfig") from why
    if not isinstance(config, dict):
        raise BadInput(f"{file}: no kubeconfig")
    return config


def _named(config: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    for one in config[kind]:
        if one["name"] == name:
            found: Mapping[str, Any] = one
            return found
    raise KeyError(f"{kind} named {name}")


def _tls(file: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _pem(file, cluster, "certificate-authority")
    tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        raise BadInput(f"{file}: insecure-skip-tls-verify is not supported; name the authority")
    certificate, key = _pem(file, user, "client-certificate"), _pem(file, user, "client-key")
    if certificate:
        with tempfile.NamedTemporaryFile(suffix=".pem") as held:  # ssl reads files alone
            held.write(key + b"\n" + certificate)
            held.flush()
            tls.load_cert_chain(held.name)
    return tls


def _pem(file: Path, entry: Mapping[str, Any], name: str) -> bytes:
    inline = entry.get(f"{name}-data")
    try:
        if inline:
            return base64.b64decode(inline, validate=True)
        path = _beside(file, entry.get(name))
        return path.read_bytes() if path else b""
    except (OSError, ValueError) as why:
        raise BadInput(f"{file}: {name} cannot be read: {why}") from why


def _beside(file: Path, named: str | None) -> Path | None:
    """A path in a kubeconfig is relative to it."""
    return file.parent / named if named else None
