"""The right-sizing page, opened as a file: it sorts, it finds, and it complains about nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Witness
from tests.predictor.sized import Pod, written
from tests.simulator.commanding import slacktide

pytestmark = pytest.mark.browser
PODS = (
    Pod("cart", 0.2),
    Pod("search", 3.0),
    Pod("idle", 0.1, cpu_request_cores=8.0, namespace="back"),
    Pod("tiny", 0.1, cpu_request_cores=1.0),
    Pod("newborn", 0.1, start_day=14.75),
)


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_the_page_sorts_and_finds_and_asks_nobody(
    page: Page, witness: Witness, tmp_path: Path
) -> None:
    out = tmp_path / "sizes.html"
    trace = written(tmp_path / "trace", PODS)
    prices = ("--cpu-price", "0.03", "--memory-price", "0.004")
    slacktide("recommend", "--trace", trace, *prices, "-o", "html", "--fileoutput", out)
    page.goto(out.as_uri())
    over = page.locator("table", has_text="Hand back")
    names = over.locator("tbody tr .name b")
    assert names.all_inner_texts() == ["idle", "cart", "tiny"]
    over.get_by_role("button", name="CPU request").click()
    assert names.all_inner_texts() == ["idle", "cart", "tiny"]
    over.get_by_role("button", name="CPU request").click()
    assert names.all_inner_texts() == ["tiny", "cart", "idle"]
    assert page.locator("svg").count() >= 2 * 4
    page.get_by_label("Find").fill("cart")
    assert names.filter(visible=True).all_inner_texts() == ["cart"]
    assert witness.messages == []
    assert witness.requests == [out.as_uri()]
