"""The backtest's page: whole in itself, safe with any name, and it says what the table says."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from simulator.adapters.backtest_page import Page, backtest_page
from simulator.adapters.charts import Axis, Line, bars, columns, line_chart
from simulator.core.families import Family, family_of_kept
from simulator.core.result_cells import cells, percent
from simulator.core.results import Asked, results
from tests.simulator.fleets import held

EVIL = "<script>alert(1)</script>&\"'"


def page(name: str = "trace") -> Page:
    came = np.random.default_rng(1).gamma(2.0, 1.0, (3, 60))
    trial = held(came, np.full(3, 12.0))
    trial = replace(trial, history=replace(trial.history, nodes=(name, "b", "c")))
    ours, theirs = np.full(came.shape, 6.0), np.full(came.shape, 5.0)
    asked = [
        Asked("oracle", "", came),
        Asked("max-of-week", "1.3", theirs),
        Asked("slacktide", "risk 0.01", ours),
    ]
    families = [
        Family("max-of-week", 0.0, 20.0, 1.3, lambda knob: knob / 1.3 * theirs),
        Family("n-sigma", 0.0, 1_000.0, 5.0, lambda _: np.zeros_like(came)),
        family_of_kept("slacktide", ours, trial),
    ]
    found = results(asked, families, trial, targets=[0.01])
    return Page(name, "cpu, 24 h ahead", trial, found, families, promised=0.01, seed=1)


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


def test_the_page_asks_nobody_for_anything_and_runs_nothing() -> None:
    text = backtest_page(page())
    read = _Tags(text)
    assert not read.tags & {"script", "link", "img", "iframe", "object"}
    assert not {name for name, _ in read.attributes} & {"src", "href", "onload", "onclick"}
    assert "default-src 'none'" in text
    urls = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert urls == {"http://www.w3.org/2000/svg"}


def test_a_name_is_text_and_never_markup() -> None:
    text = backtest_page(page(EVIL))
    assert "script" not in _Tags(text).tags
    assert "&lt;script&gt;alert(1)" in text


def test_every_row_of_the_table_is_on_the_page_and_the_promise_is_answered() -> None:
    made = page()
    text = backtest_page(made)
    for row in cells(made.found):
        for cell in row:
            assert cell.partition(" [")[0].replace("<", "&lt;") in text
    ours = next(r for r in made.found if r.policy == "slacktide" and r.matched is None)
    assert ours.score is not None
    told = f"would exceed what it kept. {percent(ours.score.violation)}"
    assert told in re.sub(r"\s+", " ", text)
    assert "cannot: " in text
    for heading in ("Savings over violation", "Violations over time", "By hour", "Definitions"):
        assert f">{heading}<" in text


def test_without_ours_the_page_still_compares_the_peers() -> None:
    made = page()
    peers = [result for result in made.found if result.policy != "slacktide"]
    text = backtest_page(replace(made, found=peers, families=made.families[:1]))
    assert "Savings over violation" in text
    assert "Violations over time" not in text


def numbers(svg: str, attribute: str) -> list[float]:
    return [float(found) for found in re.findall(rf'\b{attribute}="(-?[0-9.]+)"', svg)]


def test_more_savings_are_drawn_higher_and_more_violation_further_right() -> None:
    x = Axis(0.001, 0.5, (0.01,), "violation", log=True)
    y = Axis(0.0, 1.0, (0.5,), "savings")
    svg = line_chart(
        [Line("a", ((0.001, 0.2), (0.01, 0.4), (0.5, 0.9)), "c0")], x, y, alt="a curve"
    )
    points = re.findall(r'<polyline points="([^"]+)"', svg)[0].split()
    across, down = zip(*(map(float, point.split(",")) for point in points), strict=True)
    assert list(across) == sorted(across)
    assert list(down) == sorted(down, reverse=True)


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.02, 0.3], [1.0, 0.5]])
def test_bars_and_columns_stay_inside_their_picture(values: list[float]) -> None:
    named = [(f"row {at}", value, "told") for at, value in enumerate(values)]
    days = list(enumerate(values, start=14))
    for svg in (
        bars(named, level=0.01, level_name="promised", alt="bars"),
        columns(days, level=0.01, level_name="promised", label="day", alt="days"),
    ):
        width, height = map(float, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
        for left, wide in zip(numbers(svg, "x"), numbers(svg, "width"), strict=False):
            assert 0 <= left <= width
            assert wide <= width
        assert all(0 <= y <= height for y in numbers(svg, "y"))
