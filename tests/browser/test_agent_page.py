"""The page of a node's agent: a diary that grows while the page is open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard.app.agent_api import create_agent_app
from dashboard.app.cluster_api import create_cluster_app
from dashboard.app.cluster_book import ClusterBook
from dashboard.app.node_agents import places
from slacktide.serving.http_server import HttpServer
from tests.browser.conftest import Witness
from tests.browser.looking import faults, figure, strangers
from tests.qos_controller.diaries import write_run_dir

pytestmark = pytest.mark.browser

SIZES = ((1280, 900), (390, 800))


@contextmanager
def shown(pages: Path, *run_dirs: Path) -> Iterator[str]:
    """The address of a dashboard of these agents."""
    diaries = places([str(one) for one in run_dirs])
    with HttpServer(create_agent_app(diaries, pages=pages)) as server:
        yield server.url


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_the_page_is_whole_and_for_everybody(
    page: Page, pages: Path, tmp_path: Path, witness: Witness, size: tuple[int, int]
) -> None:
    write_run_dir(tmp_path, now_s=time.monotonic(), count=2_000)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    with shown(pages, tmp_path) as url:
        page.goto(url)
        expect(page.locator("h1")).to_have_text("Node agent")
        expect(page.locator("main canvas")).to_be_visible()
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert witness.messages == []
    assert strangers(witness.requests, url) == []


def test_a_storm_is_seen_in_figures_sentences_and_the_table(
    page: Page, pages: Path, tmp_path: Path
) -> None:
    # A heartbeat from ahead stays young however slow the machine is.
    write_run_dir(tmp_path, now_s=time.monotonic() + 600, count=2_000)
    with shown(pages, tmp_path) as url:
        page.goto(url)
        expect(page.locator("[data-figure=agent]")).to_have_text("alive")
        expect(page.locator("[data-figure=stage]")).to_have_text("calm")
        expect(page.locator("[data-figure=evictions]")).to_have_text("1")
        assert figure(page, "latency") == "12 ms"
        expect(page.locator("section[aria-labelledby=told]")).to_contain_text("team/train-0 goes")
        page.get_by_role("button", name="Show as table").click()
        expect(page.locator("figure table")).to_contain_text("2 / 1 / 0 / 0")


def test_an_open_page_sees_the_agent_fall_silent_and_begin_anew(
    page: Page, pages: Path, tmp_path: Path
) -> None:
    write_run_dir(tmp_path, now_s=time.monotonic() - 60)
    with shown(pages, tmp_path) as url:
        page.goto(url)
        expect(page.locator("[data-figure=agent]")).to_have_text("silent")
        write_run_dir(tmp_path, now_s=time.monotonic() + 600)
        expect(page.locator("[data-figure=agent]")).to_have_text("alive")


def test_an_agent_that_cannot_be_read_is_said_with_what_to_do(
    page: Page, pages: Path, tmp_path: Path
) -> None:
    with shown(pages, tmp_path) as url:
        page.goto(url)
        expect(page.get_by_role("heading", name="No news from the agent")).to_be_visible()
        expect(page.locator("main code")).to_have_text("slacktide doctor node")


def test_a_clusters_dashboard_without_agents_says_how_to_name_one(page: Page, pages: Path) -> None:
    with HttpServer(create_cluster_app(ClusterBook(), pages=pages)) as server:
        page.goto(f"{server.url}/agent")
        expect(page.get_by_role("heading", name="No node agent was named")).to_be_visible()


def test_other_pages_say_how_to_have_them(page: Page, pages: Path, tmp_path: Path) -> None:
    with shown(pages, tmp_path) as url:
        page.goto(f"{url}/nodes")
        expect(page.get_by_role("heading", name="No replay here")).to_be_visible()
        page.goto(f"{url}/cluster")
        expect(page.get_by_role("heading", name="No cluster here")).to_be_visible()
