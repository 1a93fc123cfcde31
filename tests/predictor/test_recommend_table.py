"""The table on terminals wide and narrow."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from predictor.app.findings import Filters, findings_at
from predictor.app.recommend_table import WIDE, side_table
from predictor.core.ranking import Finding, Side
from predictor.core.recommend import SizingSettings
from predictor.core.report import Report
from tests.predictor.sized import DAY_S, Pod, trace_of

HOSTILE = "[red]a[/]"


@pytest.fixture(scope="module")
def over() -> list[Finding]:
    pods = [Pod("cart", 0.25), Pod("cart", 0.25), Pod(HOSTILE, 0.5)]
    past = trace_of(pods, days=3)
    found = findings_at(past, 3 * DAY_S - 1_800, Filters(), SizingSettings())
    assert {one.side for one in found} == {Side.OVER}
    return list(found)


def shown(group: list[Finding], *, width: int, colours: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colours, color_system="standard" if colours else None
    )
    console.print(side_table(Side.OVER, group, Report(group, "t"), narrow=width < WIDE))
    return out.getvalue()


@pytest.mark.parametrize("width", [100, 200])
def test_nothing_is_cut_at_either_width(over: list[Finding], width: int) -> None:
    text = shown(over, width=width)
    for whole in ("(-1750m) 2 -> 250m", "4 -> unset", "(-3512Mi) 4096Mi -> 584Mi", "CRITICAL"):
        assert whole in text
    assert HOSTILE in text
    assert max(map(len, text.splitlines())) <= width


def test_a_narrow_terminal_gets_two_lines_a_container(over: list[Finding]) -> None:
    lines = [line for line in shown(over, width=100).splitlines() if line.startswith("│")]
    assert len(lines) == 2 * len(over)
    assert "shop/cart" in lines[0]
    assert "Deployment app x2" in lines[1]


def test_colours_are_the_severity_and_never_a_name(over: list[Finding]) -> None:
    text = shown(over, width=200, colours=True)
    assert "\x1b[31m(-1750m) 2 -> 250m" in text
    assert HOSTILE in text
