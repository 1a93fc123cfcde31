"""The pages over a live cluster: what a team asks, on a page that stays open while it changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard.app.cluster_api import create_cluster_app
from dashboard.app.cluster_book import ClusterBook
from dashboard.app.runbook import RunBook
from dashboard.app.server import create_app
from slacktide.serving.http_server import HttpServer
from tests.browser.conftest import Witness
from tests.browser.looking import faults, strangers
from tests.dashboard.pictures import picture

pytestmark = pytest.mark.browser

SIZES = ((1280, 900), (390, 800))
TRAIN = "/cluster/gangs?gang=slacktide/team/train"


@pytest.fixture
def followed(pages: Path) -> Iterator[tuple[ClusterBook, str]]:
    """A book that a test writes while its page is open, and the page's address."""
    book = ClusterBook()
    with HttpServer(create_cluster_app(book, pages=pages)) as server:
        yield book, server.url


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_the_pages_are_whole_and_for_everybody(
    page: Page, followed: tuple[ClusterBook, str], witness: Witness, size: tuple[int, int]
) -> None:
    book, url = followed
    book.write(picture())
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for path in ("/", TRAIN):
        page.goto(url + path)
        expect(page.locator("main table").first).to_be_visible()
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert witness.messages == []
    assert strangers(witness.requests, url) == []


def test_a_gang_is_found_from_its_queue_and_told(
    page: Page, followed: tuple[ClusterBook, str]
) -> None:
    book, url = followed
    book.write(picture())
    page.goto(url)
    expect(page.locator("h1")).to_have_text("Queues")
    expect(page.locator("[data-figure=used]")).to_have_text("8")
    expect(page.locator("[data-figure=planner]")).to_have_text("No planner seen")
    page.get_by_role("link", name="night").click()
    expect(page.locator("h1")).to_have_text("Gangs")
    expect(page.locator("[data-figure=shown]")).to_have_text("3 match")
    page.get_by_role("button", name="train").click()
    told = page.locator(".told")
    expect(told).to_contain_text("It is number 1 of 2 in its queue")
    expect(told).to_contain_text("What blocks it is NO_ROOM_NOW: other batch tasks hold the room")
    expect(told).to_contain_text("It is predicted to start in about")
    assert page.url == f"{url}/cluster/gangs?queue=night&gang=slacktide%2Fteam%2Ftrain"
    page.get_by_role("button", name="Close").click()
    expect(told).to_have_count(0)
    page.get_by_label("State").select_option("running")
    expect(page.locator("tbody th")).to_contain_text(["sort"])


def test_an_open_page_follows_the_cluster(page: Page, followed: tuple[ClusterBook, str]) -> None:
    book, url = followed
    page.goto(url + TRAIN)
    expect(page.get_by_role("heading", name="Connecting")).to_be_visible()
    book.write(picture())
    badge = page.locator("section[aria-labelledby=told] .badge")
    expect(badge).to_have_text("queued")
    book.write(picture(done=True))
    expect(badge).to_have_text("running")
    expect(page.locator(".told")).to_contain_text("It runs on batch-0")
    page.get_by_role("link", name="Queues").click()
    expect(page.locator("[data-figure=used]")).to_have_text("6")


def test_a_gang_that_has_gone_is_said_to_be(page: Page, followed: tuple[ClusterBook, str]) -> None:
    book, url = followed
    book.write(picture())
    page.goto(f"{url}/cluster/gangs?gang=slacktide/team/gone")
    expect(page.get_by_text("There is no such gang now")).to_be_visible()
    expect(page.get_by_role("table")).to_be_visible()


def test_what_may_not_be_read_is_said_above_everything(
    page: Page, followed: tuple[ClusterBook, str]
) -> None:
    book, url = followed
    book.write(replace(picture(), unseen=("nodes may not be listed",)))
    page.goto(url)
    expect(page.get_by_text("Not seen: nodes may not be listed")).to_be_visible()


@pytest.mark.parametrize("path", ["/nodes", "/right-size", "/queues"])
def test_pages_of_a_replay_say_how_to_have_one(
    page: Page, followed: tuple[ClusterBook, str], path: str
) -> None:
    book, url = followed
    book.write(picture())
    page.goto(url + path)
    expect(page.get_by_role("heading", name="No replay here")).to_be_visible()
    expect(page.locator("code")).to_have_text("slacktide up")


def test_a_replays_server_says_how_to_follow_a_cluster(page: Page, pages: Path) -> None:
    with HttpServer(create_app(RunBook(), pages=pages)) as server:
        page.goto(f"{server.url}/cluster")
        expect(page.get_by_role("heading", name="No cluster here")).to_be_visible()
        expect(page.locator("code")).to_contain_text("slacktide serve dashboard")
