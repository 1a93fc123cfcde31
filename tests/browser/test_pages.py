"""Every page, in the light and in the dark: its numbers, its manners, its accessibility."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Witness
from tests.browser.looking import PAGES, faults, figure, opened, per_cent, read, strangers

pytestmark = pytest.mark.browser
in_light_and_dark = pytest.mark.parametrize("page", ["light", "dark"], indirect=True)


@in_light_and_dark
@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_without_a_complaint_and_asks_nobody_else(
    page: Page, dashboard_url: str, witness: Witness, path: str
) -> None:
    opened(page, dashboard_url, path)
    expect(page.locator(".connection")).to_have_text("connected")
    assert witness.messages == []
    assert strangers(witness.requests, dashboard_url) == []


@in_light_and_dark
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_grave_accessibility_fault(page: Page, dashboard_url: str, path: str) -> None:
    opened(page, dashboard_url, path)
    assert faults(page) == []
    charts = page.get_by_role("button", name="Show as table")
    while charts.count():
        charts.first.click()
    assert faults(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_narrow_window(page: Page, dashboard_url: str, path: str) -> None:
    page.set_viewport_size({"width": 800, "height": 1000})
    opened(page, dashboard_url, path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 800


def test_the_headline_says_what_the_api_says(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/")
    figures = read(dashboard_url, "/overview")["headline"]
    shares = [figures["utilisation_without"] * 100, figures["utilisation_with"] * 100]
    assert per_cent(figure(page, "utilisation")) == pytest.approx(shares, abs=0.051)
    assert figure(page, "sold") == f"{figures['sold_core_hours']:,.0f} core-hours"
    assert figure(page, "evicted") == f"{figures['evicted_tasks']:,}"
    assert figure(page, "pending") == f"{figures['pending_gangs']:,}"
    assert per_cent(figure(page, "risk")) == pytest.approx(
        [figures["realised_risk"] * 100], abs=0.051
    )


def test_our_row_stands_first_beside_every_baseline(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/")
    report = read(dashboard_url, "/report")
    table = page.get_by_role("table", name="Every policy's figures")
    names = [row["policy"] for row in report["rows"]]
    expect(table.get_by_role("rowheader")).to_have_text(names)
    assert names[0] == report["ours"]
    expect(table.locator("tr.ours")).to_have_count(1)
    ours = table.locator("tr.ours").inner_text()
    assert per_cent(ours.replace("\u00a0", " "))[0] == pytest.approx(
        report["rows"][0]["utilisation"] * 100, abs=0.051
    )


def test_each_chart_is_also_a_table_with_the_same_numbers(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/")
    expect(page.get_by_role("img", name=re.compile("utilisation"))).to_be_visible()
    page.get_by_role("button", name="Show as table").click()
    series = read(dashboard_url, "/overview")["series"]
    rows = page.get_by_role("table", name="Utilisation over time").locator("tbody tr")
    expect(rows).to_have_count(len(series["at_s"]))
    first = (rows.first.text_content() or "").replace("\u00a0", " ")
    assert per_cent(first)[0] == pytest.approx(series["utilisation_without"][0] * 100, abs=0.051)
    page.get_by_role("button", name="Show as chart").click()
    expect(rows).to_have_count(0)


def test_a_node_is_chosen_by_list_by_button_and_by_link(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/nodes")
    names = [row["node"] for row in read(dashboard_url, "/node-names")["nodes"]]
    heading = page.locator("#node")
    expect(heading).to_contain_text(names[0])
    page.get_by_role("combobox", name="Node", exact=True).select_option(names[3])
    expect(heading).to_contain_text(names[3])
    page.get_by_role("button", name="Next node").click()
    expect(heading).to_contain_text(names[4])
    expect(page).to_have_url(re.compile(rf"/nodes\?node={names[4]}$"))
    page.reload()
    expect(heading).to_contain_text(names[4])
    answer = read(dashboard_url, f"/nodes/{names[4]}")
    assert figure(page, "reason") == answer["reason"]
    told = figure(page, "node-risk")
    assert [int(number) for number in re.findall(r"\d+", told)] == [
        answer["exceeded_forecasts"],
        answer["judged_forecasts"],
    ]


def test_a_click_on_the_heat_map_chooses_its_node(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/nodes")
    box = page.locator(".nodes .canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page).to_have_url(re.compile(r"node="))
    chosen = page.url.split("node=")[1]
    expect(page.locator("#node")).to_contain_text(chosen)


def test_a_node_that_does_not_exist_says_so(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url + "/nodes?node=nobody")
    expect(page.get_by_role("heading", name="There is no such node")).to_be_visible()


def test_recommendations_are_sorted_and_filtered(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/right-size")
    table = page.get_by_role("table", name="Recommendations")
    total = read(dashboard_url, "/recommendations")["total"]
    expect(page.locator("[data-figure=matching]")).to_contain_text(f"{total:,} containers")
    page.get_by_role("button", name="Confidence").click()
    head = table.get_by_role("columnheader", name="Confidence")
    expect(head).to_have_attribute("aria-sort", "descending")
    shares = [per_cent(row)[-1] for row in confidences(page)]
    assert shares == sorted(shares, reverse=True)
    word = read(dashboard_url, "/recommendations?limit=1")["rows"][0]["workload"]
    page.get_by_label("Filter").fill(word)
    found = read(dashboard_url, f"/recommendations?q={word}")["total"]
    expect(page.locator("[data-figure=matching]")).to_contain_text(f"{found:,} of")
    expect(page).to_have_url(re.compile(f"q={word}"))


def confidences(page: Page) -> list[str]:
    cells = page.locator("main tbody tr td:nth-child(6)").all_text_contents()
    return [cell.replace("\u00a0", " ") for cell in cells]


def test_queues_and_waiting_gangs_say_what_the_api_says(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/queues")
    queues = read(dashboard_url, "/queues")["rows"]
    tree = page.get_by_role("table", name=re.compile("queue tree"))
    assert tree.get_by_role("rowheader").all_text_contents() == [row["name"] for row in queues]
    gangs = read(dashboard_url, "/gangs?limit=500")
    waiting = page.get_by_role("table", name="Waiting gangs")
    expect(waiting.locator("tbody tr")).to_have_count(len(gangs["rows"]))
    for gang in gangs["rows"][:3]:
        row = waiting.get_by_role("row", name=gang["gang"]).first
        expect(row).to_contain_text(gang["reason"])


def test_the_keyboard_reaches_every_control(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/nodes")
    expect(page.get_by_role("button", name="Show as table")).to_have_count(3)
    reached: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(document.activeElement.labels?.[0] ?? document.activeElement).textContent"
        )
        if name in reached:
            break
        reached.append(name)
    assert reached[:2] == ["Skip to the content", "slacktide"]
    assert [name for name in reached if name in PAGES.values()] == list(PAGES.values())
    for control in ("theme", "Cluster", "Node", "Next node", "Utilisation shown", "Who holds"):
        assert any(control in name for name in reached), control


def test_the_skip_link_leads_to_the_content(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/queues")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_going_to_another_page_names_it_and_back_returns(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/")
    page.get_by_role("link", name="Right-size").click()
    expect(page.locator("h1")).to_be_focused()
    expect(page).to_have_title("Right-size · slacktide")
    expect(page.get_by_role("link", name="Right-size")).to_have_attribute("aria-current", "page")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Overview")


def test_a_chosen_theme_is_remembered(page: Page, dashboard_url: str) -> None:
    opened(page, dashboard_url, "/")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.locator("button.theme").click()
    after = page.evaluate(ground)
    assert after != before
    page.reload()
    assert page.evaluate(ground) == after
