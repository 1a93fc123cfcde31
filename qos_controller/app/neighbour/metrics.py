"""The agent's numbers as Prometheus reads them, written by hand: prometheus-client costs 3 MB.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4). Always holds: a
name has one type and one help; what is not known (NaN) is left out; label values are escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

KIND: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "slacktide_agent_"
_ESCAPED: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(slots=True)
class Page:
    """One answer, filled family by family."""

    lines: list[str] = field(default_factory=list)

    def gauge(self, name: str, told: str, value: float) -> None:
        """One number that goes up and down."""
        self.family(name, told, {"": value}, label="", kind="gauge")

    def counter(self, name: str, told: str, value: float) -> None:
        """One number that only grows."""
        self.family(name, told, {"": value}, label="", kind="counter")

    def family(
        self,
        name: str,
        told: str,
        values: Mapping[str, float],
        *,
        label: str,
        kind: Literal["gauge", "counter"],
    ) -> None:
        """Numbers that differ in one label."""
        known = {one: value for one, value in values.items() if not math.isnan(value)}
        if not known:
            return
        full = PREFIX + name
        self.lines += [f"# HELP {full} {told}", f"# TYPE {full} {kind}"]
        for one, value in known.items():
            which = f'{{{label}="{one.translate(_ESCAPED)}"}}' if label else ""
            self.lines.append(f"{full}{which} {_number(value)}")

    def text(self) -> bytes:
        """All of it."""
        return "\n".join([*self.lines, ""]).encode()


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def named(names: Iterable[str], values: Iterable[float]) -> dict[str, float]:
    """Label values and their numbers."""
    return dict(zip(names, values, strict=True))
