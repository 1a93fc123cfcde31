"""One server over the small run, shared by the tests that only read."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from dashboard.app.server import create_app
from slacktide.serving.http_server import HttpServer
from tests.dashboard.runs import filled


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """Talks to a server over the small run."""
    with (
        HttpServer(create_app(filled())) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        yield client
