"""A page that stays open while a run begins, replays and ends."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from dashboard.app.runbook import RunBook
from dashboard.app.server import create_app
from slacktide.serving.http_server import HttpServer
from tests.browser.conftest import Witness
from tests.browser.synthetic import frames, report, run_info

pytestmark = pytest.mark.browser


def test_a_page_says_that_there_is_nothing_and_fills_as_the_run_goes_on(
    page: Page, live: tuple[RunBook, str], witness: Witness
) -> None:
    book, url = live
    page.goto(url)
    expect(page.get_by_role("heading", name="No data yet")).to_be_visible()
    info = run_info()
    book.begin(info)
    expect(page.locator(".state")).to_have_text("Learning")
    replay = frames(info)
    for _, one in zip(range(300), replay, strict=False):
        book.add_frame(one)
    book.say("replaying", "Replaying the rest.")
    expect(page.locator(".state")).to_have_text("Replaying")
    expect(page.locator("[data-figure=clock]")).to_have_text("day 15 01:00")
    expect(page.locator("[data-figure=progress]")).to_contain_text("14.9")
    expect(page.locator("[data-figure=utilisation]")).to_contain_text(re.compile(r"\d\d\.\d"))
    expect(page.get_by_text("The report is made when the replay is over.")).to_be_visible()
    for one in replay:
        book.add_frame(one)
    book.set_report(report(), ours="slacktide")
    book.say("finished", "The run is over.")
    expect(page.locator(".state")).to_have_text("Finished")
    expect(page.get_by_role("table", name="Every policy's figures")).to_be_visible()
    expect(page.locator("[aria-live=polite]")).to_have_text("Finished, 100 per cent replayed.")
    assert witness.messages == []


def test_points_told_live_are_those_of_the_whole_run(page: Page, live: tuple[RunBook, str]) -> None:
    book, url = live
    info = run_info()
    book.begin(info)
    replay = frames(info)
    page.goto(url)
    for number, one in enumerate(replay, start=1):
        book.add_frame(one)
        if number % 250 == 0:
            told = re.compile(rf"^{100 * number / 2016:.1f}")
            expect(page.locator("[data-figure=progress]")).to_have_text(told)
        if number == 1_000:
            break
    page.get_by_role("button", name="Show as table").click()
    as_told = page.locator(".chart tbody").text_content()
    page.reload()
    page.get_by_role("button", name="Show as table").click()
    assert page.locator(".chart tbody").text_content() == as_told


def test_a_server_that_ends_is_noticed(page: Page) -> None:
    server = HttpServer(create_app(RunBook()))
    page.goto(server.start())
    expect(page.locator(".connection")).to_have_text("connected")
    server.stop()
    expect(page.locator(".connection")).to_have_text("the server has stopped")
