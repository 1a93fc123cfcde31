"""The options with which a person bends a right size: who is wanted, floors, autoscalers, prices.

They travel as one value, so that a command takes all of them in a line.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import click

from predictor.core.mindful import Floor, MindfulSettings
from predictor.core.money import Prices
from predictor.core.recommend import SizingSettings
from slacktide.errors import BadInput
from slacktide.quantity import parse_bytes, parse_cpu_cores


@dataclass(frozen=True, slots=True)
class SizingOptions:
    """What was typed, parsed."""

    labels: str
    sizing: SizingSettings
    mindful: MindfulSettings
    prices: Prices | None


_OPTIONS: Final = (
    click.option(
        "-s", "--selector", default="", metavar="LABELS", help="As kubectl's: app=web,tier!=cache."
    ),
    click.option(
        "--cpu-min",
        multiple=True,
        metavar="[CONTAINER=]CPU",
        help="Least CPU request, of all or of one container: 10m, istio-proxy=50m. Repeatable.",
    ),
    click.option(
        "--mem-min",
        multiple=True,
        metavar="[CONTAINER=]SIZE",
        help="Least memory request: 32Mi, istio-proxy=64Mi. Repeatable.",
    ),
    click.option(
        "--memory-limit-ratio",
        type=click.FloatRange(min=1.0, max=100.0),
        default=MindfulSettings().limit_ratio,
        show_default=True,
        help="Memory limit over request.",
    ),
    click.option("--allow-hpa", is_flag=True, help="Size what an autoscaler scales, too."),
    click.option("--cpu-price", type=click.FloatRange(min=0.0), help="Of a core for an hour."),
    click.option("--memory-price", type=click.FloatRange(min=0.0), help="Of a GiB for an hour."),
)


def sizing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options to a command, which takes them as `options`."""

    @functools.wraps(command)
    def collected(
        *,
        selector: str,
        cpu_min: tuple[str, ...],
        mem_min: tuple[str, ...],
        memory_limit_ratio: float,
        allow_hpa: bool,
        cpu_price: float | None,
        memory_price: float | None,
        **rest: Any,  # noqa: ANN401  the command's own options
    ) -> None:
        cpu, memory = (
            _floors("--cpu-min", cpu_min, parse_cpu_cores),
            _floors("--mem-min", mem_min, parse_bytes),
        )
        command(
            options=SizingOptions(
                labels=selector,
                sizing=_sizing(cpu.get(""), memory.get("")),
                mindful=MindfulSettings(
                    allow_hpa=allow_hpa,
                    limit_ratio=_finite("--memory-limit-ratio", memory_limit_ratio),
                    floors={
                        name: Floor(cpu.get(name), memory.get(name))
                        for name in {*cpu, *memory} - {""}
                    },
                ),
                prices=_prices(cpu_price, memory_price),
            ),
            **rest,
        )

    made: Callable[..., None] = collected
    for option in reversed(_OPTIONS):
        made = option(made)
    return made


def _floors(option: str, texts: Sequence[str], parse: Callable[[str], float]) -> dict[str, float]:
    """By container's name; "" is every container's."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, quantity = text.rpartition("=")
        if re.fullmatch(r"[0-9.]+", quantity):
            unit = "m for milli-cores" if option == "--cpu-min" else "Mi for MiB"
            raise BadInput(f"{option} {text}: say the unit: {quantity}{unit}")
        found[name] = parse(quantity)
    return found


def _sizing(cores: float | None, size: float | None) -> SizingSettings:
    settings = SizingSettings()
    if cores is not None:
        settings = replace(settings, least_cpu_cores=cores)
    if size is not None:
        settings = replace(settings, least_memory_bytes=int(size))
    return settings


def _prices(per_core_hour: float | None, per_gib_hour: float | None) -> Prices | None:
    if per_core_hour is None and per_gib_hour is None:
        return None
    return Prices(
        _finite("--cpu-price", per_core_hour or 0.0), _finite("--memory-price", per_gib_hour or 0.0)
    )


def _finite(option: str, value: float) -> float:
    if not math.isfinite(value):
        raise BadInput(f"{option} {value}: a number is wanted, such as 0.03")
    return value
