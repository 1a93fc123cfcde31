"""Every policy by the name a user writes, so that commands and replays offer the same ones.

A name may carry its knob: `n-sigma:10`, `max-of-week:1.1`, `koordinator:0.5`, `borg-default:0.8`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from predictor.core.history import History
from simulator.core.policies.interface import HORIZONS_S, SupplyPolicy
from simulator.core.policies.ours import Slacktide
from simulator.core.policies.peers import (
    BorgDefault,
    KoordinatorUsage,
    MaxOfWeek,
    NSigma,
    Oracle,
    RequestsOnly,
    ResourceCentralLike,
)
from slacktide.errors import BadInput

OURS: Final = "slacktide"

_KNOBS: Final[dict[str, Callable[[str, float], SupplyPolicy]]] = {
    "borg-default": lambda name, knob: BorgDefault(name=name, share=knob),
    "n-sigma": lambda name, knob: NSigma(name=name, sigmas=knob),
    "rc-like": lambda name, knob: ResourceCentralLike(name=name, percentile=knob),
    "max-of-week": lambda name, knob: MaxOfWeek(name=name, factor=knob),
    "koordinator": lambda name, knob: KoordinatorUsage(name=name, cpu_margin_share=knob),
    "koordinator-formula": lambda name, knob: KoordinatorUsage(
        name=name, cpu_margin_share=knob, degrade_s=None
    ),
}
_DEFAULT_KNOB: Final = {
    "borg-default": 0.9,
    "n-sigma": 5.0,
    "rc-like": 0.99,
    "max-of-week": 1.3,
    "koordinator": 0.4,
    "koordinator-formula": 0.4,
}
NAMES: Final = (OURS, "requests-only", *_KNOBS, "oracle")

# What a replay puts beside ours: each peer at its default, the two ends, and the truth.
BASELINES: Final = (
    "requests-only",
    "borg-default",
    "n-sigma",
    "rc-like",
    "max-of-week",
    "koordinator",
    "oracle",
)


def make(
    name: str,
    whole: History,
    *,
    cpu_risk: float,
    memory_risk: float,
    horizons_s: tuple[int, ...] = HORIZONS_S,
) -> SupplyPolicy:
    """The policy of a name.

    Args:
        name: as in `NAMES`, with or without its knob.
        whole: the whole history; only the oracle looks at it.
        cpu_risk: promised share of exceeded windows, for ours.
        memory_risk: the same for memory.
        horizons_s: for which to answer.

    Raises:
        BadInput: no policy is called so, or its knob is no number.
    """
    base, _, knob = name.partition(":")
    if base in _KNOBS:
        return _KNOBS[base](name, _number(name, knob) if knob else _DEFAULT_KNOB[base])
    if knob or base not in NAMES:
        raise BadInput(f"no policy is called {name!r}; there are: {', '.join(NAMES)}")
    if base == OURS:
        return Slacktide(cpu_risk=cpu_risk, memory_risk=memory_risk, horizons_s=horizons_s)
    if base == "requests-only":
        return RequestsOnly(name=name)
    return Oracle(whole, horizons_s)


def _number(name: str, knob: str) -> float:
    try:
        value = float(knob)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise BadInput(f"policy {name!r}: {knob!r} is no positive number")
    return value
