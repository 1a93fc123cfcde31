"""A backtest's rows as a person reads them, the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simulator.core.bootstrap import Interval
from simulator.core.results import Result, as_rows

HEADINGS: Final = (
    "policy", "set to", "violation", "savings", "of the oracle", "ours saves, points", "worst node",
)  # fmt: skip
WORDS: Final = 2  # headings of text; the others are of numbers


def cells(found: Sequence[Result]) -> list[list[str]]:
    """The cells of each row under the headings."""
    return [
        [result.policy, result.setting, *_numbers(result, row["ours_saves_more"])]
        for result, row in zip(found, as_rows(found), strict=True)
    ]


def _numbers(result: Result, more: float | None) -> list[str]:
    if result.score is None or result.sure is None:
        return ["-"] * (len(HEADINGS) - WORDS)
    score, sure = result.score, result.sure
    points = "-"
    if more and sure.ours_more is not None:
        points = f"{100 * more:+.1f} [{ends(sure.ours_more)}]"
    low, high = sure.of_oracle.low, sure.of_oracle.high
    return [
        sure_percent(score.violation, sure.violation),
        sure_percent(score.savings, sure.savings),
        f"{score.of_oracle:.3f} [{low:.3f}, {high:.3f}]",
        points,
        percent(score.worst_node),
    ]


def percent(share: float) -> str:
    """As 0.92 %, with three digits at most."""
    return f"{100 * share:.3g} %" if share >= 0.0001 or share == 0 else f"{100 * share:.1g} %"


def sure_percent(share: float, interval: Interval) -> str:
    """As 0.92 % [0.71, 1.2]."""
    return f"{percent(share)} [{ends(interval)}]"


def ends(interval: Interval) -> str:
    """Both ends in percent."""
    return f"{100 * interval.low:.3g}, {100 * interval.high:.3g}"
