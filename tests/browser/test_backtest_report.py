"""The backtest's page in a real browser, light and dark: whole, readable, and asking nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from simulator.adapters.backtest_page import backtest_page
from tests.browser.conftest import Witness
from tests.browser.looking import faults
from tests.simulator.test_backtest_page import page as made

pytestmark = pytest.mark.browser
in_light_and_dark = pytest.mark.parametrize("page", ["light", "dark"], indirect=True)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reports") / "backtest.html"
    path.write_text(backtest_page(made()), encoding="utf-8")
    return path


@in_light_and_dark
def test_it_opens_from_a_file_without_a_complaint(
    page: Page, witness: Witness, report: Path
) -> None:
    page.goto(report.as_uri())
    expect(page.locator("svg").first).to_be_visible()
    assert witness.messages == []
    assert all(url.startswith("file://") for url in witness.requests)
    assert faults(page) == []


@in_light_and_dark
def test_the_pointer_on_a_name_brings_its_curve_forward(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    line = page.locator("svg .line", has_text="max-of-week").first
    curve = line.locator("polyline").first

    def width() -> str:
        return str(curve.evaluate("found => getComputedStyle(found).strokeWidth"))

    before = width()
    line.locator(".name").hover()
    assert float(width().removesuffix("px")) > float(before.removesuffix("px"))


def test_it_is_no_wider_than_a_narrow_window(page: Page, report: Path) -> None:
    page.set_viewport_size({"width": 480, "height": 800})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
