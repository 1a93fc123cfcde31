"""What is refused before any route is asked."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from dashboard.app.runbook import RunBook
from dashboard.app.server import create_app
from slacktide.serving.guard import SECURITY_HEADERS
from slacktide.serving.http_server import HttpServer


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:99", "LOCALHOST", "[::1]:80", "[::1]"])
def test_its_own_names_are_served(client: httpx.Client, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8080",
        "evil.example:127.0.0.1",
        "127.0.0.1:80:80",
        "127.0.0.1:x",
        "::1",
        "",
    ],
)
def test_a_foreign_name_is_refused(client: httpx.Client, host: str) -> None:
    assert client.get("/api/v1/run", headers={"host": host}).status_code == 421


def test_two_host_headers_are_refused(client: httpx.Client) -> None:
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
        )
        assert connection.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/api/v1/run")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_body_is_refused_unread(client: httpx.Client) -> None:
    assert client.request("GET", "/api/v1/run", content=b"{}").status_code == 413
    pieces = client.request("GET", "/api/v1/run", content=iter([b"{}"]))
    assert pieces.status_code == 413


@pytest.mark.parametrize("path", ["/" + "p" * 1024, "/api/v1/run?q=" + "q" * 2048])
def test_a_long_address_is_refused(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 414


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_another_site_may_link_here_but_not_read(
    client: httpx.Client, site: str, mode: str, status: int
) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode}
    assert client.get("/healthz", headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/run", "/nowhere", "/api/v1/nodes?limit=0"])
def test_every_answer_carries_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "server" not in headers


def test_a_refusal_carries_them_too(client: httpx.Client) -> None:
    headers = client.get("/", headers={"host": "evil.example"}).headers
    assert headers["x-frame-options"] == "DENY"


def test_styles_and_scripts_come_from_this_server_alone() -> None:
    policy = SECURITY_HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_files_under_assets_may_be_kept_and_pages_are_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a-1.js").write_text("1", encoding="utf-8")
    (tmp_path / "index.html").write_text("<!doctype html>", encoding="utf-8")
    with (
        HttpServer(create_app(RunBook(), pages=tmp_path)) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        assert "immutable" in client.get("/assets/a-1.js").headers["cache-control"]
        assert client.get("/assets/a-2.js").headers["cache-control"] == "no-store"
        for path in ("/", "/nodes", "/right-size", "/queues"):
            page = client.get(path)
            assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
