"""Durations as people write them on a command line: 90s, 15m, 24h, 2d."""

from __future__ import annotations

import re
from typing import Any

import click

_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LONGEST_S = 400 * 86_400  # beyond a year nothing here looks ahead or back


def parse_duration_s(text: str) -> int:
    """Whole seconds of a duration such as `90s`, `1.5h` or `2d`.

    Raises:
        ValueError: it is no duration, or not between one second and 400 days.
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhdw]?)", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration (examples: 90s, 15m, 24h, 2d)")
    seconds = round(float(match[1]) * _UNIT_S[match[2]])
    if not 1 <= seconds <= LONGEST_S:
        raise ValueError(f"{text!r} is not between 1s and 400d")
    return seconds


class _Duration(click.ParamType[int]):
    name = "duration"

    def __init__(self, *, whole: str = "1s", most: str = "400d") -> None:
        self.whole, self.most = whole, most

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            seconds = parse_duration_s(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds % parse_duration_s(self.whole) or seconds > parse_duration_s(self.most):
            self.fail(f"{value!r} is no multiple of {self.whole} up to {self.most}", param, ctx)
        return seconds


DURATION = _Duration()
# A forecast looks back over two weeks in hours, and wants to have seen two windows of the length.
HORIZON = _Duration(whole="1h", most="7d")
