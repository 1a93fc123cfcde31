"""A running dashboard and a browser to look at it with.

Every test asks for `dashboard_url` alone, so the server behind it can be any: here one over a
synthetic run, elsewhere a whole `slacktide up`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from dashboard.app.pages import BUILT_PAGES
from dashboard.app.runbook import RunBook
from dashboard.app.server import create_app
from slacktide.serving.http_server import HttpServer
from tests.browser.synthetic import filled

WAIT_MS = 30_000  # a loaded machine is slow, not wrong
expect.set_options(timeout=WAIT_MS)

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOW: ViewportSize = {"width": 1440, "height": 900}


@pytest.fixture(scope="session")
def pages() -> Path:
    """The built pages."""
    if not (BUILT_PAGES / "index.html").is_file():
        skip_unless_ci("the pages are not built: run make web")
    return BUILT_PAGES


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; no browser is downloaded.

    A module's and no session's: while it is there Playwright keeps an event loop running in this
    thread, in which no other test could run its own.
    """
    program = shutil.which("chromium")
    if program is None:
        skip_unless_ci("chromium is not installed: run make test-packages")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def dashboard_url(pages: Path) -> Iterator[str]:
    """Where the dashboard of a finished run answers."""
    with HttpServer(create_app(filled(), pages=pages)) as server:
        yield server.url


@pytest.fixture
def live(pages: Path) -> Iterator[tuple[RunBook, str]]:
    """A book that a test writes while its page is open, and the page's address."""
    book = RunBook()
    with HttpServer(create_app(book, pages=pages)) as server:
        yield book, server.url


@dataclass(slots=True)
class Witness:
    """What a page did that its reader does not see."""

    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Write down every complaint and every request from now on."""
        page.on("console", lambda told: self.messages.append(f"{told.type}: {told.text}"))
        page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))


@pytest.fixture
def witness() -> Witness:
    """Sees everything that `page` does."""
    return Witness()


@pytest.fixture
def page(chromium: Browser, witness: Witness, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page, in the light unless the test asks otherwise."""
    scheme: Literal["light", "dark"] = getattr(request, "param", "light")
    context = chromium.new_context(color_scheme=scheme, viewport=WINDOW, service_workers="block")
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    witness.watch(page)
    yield page
    context.close()


def skip_unless_ci(reason: str) -> None:
    """Where CI runs, what is missing is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
