"""How a test looks at a page: opens it, reads its figures, finds its faults."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import httpx
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

PAGES = {
    "/": "Overview",
    "/nodes": "Nodes",
    "/right-size": "Right-size",
    "/queues": "Gangs and queues",
}
GRAVE = ("serious", "critical")


def read(url: str, path: str) -> Any:
    return httpx.get(f"{url}/api/v1{path}", trust_env=False, timeout=20).raise_for_status().json()


def opened(page: Page, url: str, path: str) -> Page:
    """The page, once its first data stand on it."""
    page.goto(url + path)
    expect(page.locator("h1")).to_have_text(PAGES[path.split("?", maxsplit=1)[0]])
    expect(page.locator("main table, main canvas").first).to_be_visible()
    return page


def figure(page: Page, name: str) -> str:
    """A figure as it stands on the page, with plain spaces."""
    return (page.locator(f"[data-figure={name}]").text_content() or "").replace("\u00a0", " ")


def per_cent(text: str) -> list[float]:
    """Every percentage in a text."""
    return [float(number) for number in re.findall(r"([\d.]+) %", text)]


def faults(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html']}: {node['failureSummary']}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]


def strangers(requests: Iterable[str], url: str) -> list[str]:
    """The requests that went anywhere but to the dashboard."""
    return [request for request in requests if urlsplit(request).netloc != urlsplit(url).netloc]
