"""Every policy by the name a user writes, so that commands and replays offer the same ones.

A name may carry its knob: `n-sigma:10`, `max-of-week:1.1`, `koordinator:0.5`, `slacktide:0.05`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from predictor.core.history import History
from simulator.core.policies.interface import HORIZONS_S, SupplyPolicy
from simulator.core.policies.of_nodes import (
    BorgDefault,
    HourlySigma,
    KoordinatorUsage,
    MaxOfWindow,
    NSigma,
    NSigmaOfSamples,
    Persistence,
    RequestsOnly,
    SeasonalMaximum,
)
from simulator.core.policies.of_pods import (
    KoordinatorPeaks,
    ResourceCentralLike,
    autopilot_sum,
    vpa_sum,
)
from simulator.core.policies.oracle import Oracle
from simulator.core.policies.ours import Slacktide
from simulator.core.policies.rules import Rule, RulePolicy
from slacktide.errors import BadInput

OURS: Final = "slacktide"
HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer's rule with its published default."""

    rule: Callable[[bool], Rule]  # for memory, or for CPU
    knob: float
    formula: str  # with {} where the knob stands
    most: float = 100.0  # no knob above it says anything new
    memory_knob: float | None = None  # where the default for memory is another
    every_s: int = HOUR_S  # how often a replay asks

    def default(self, *, memory: bool) -> float:
        """The published knob of a resource."""
        return self.knob if self.memory_knob is None or not memory else self.memory_knob


PEERS: Final = {
    "borg-default": Peer(lambda _: BorgDefault(), 0.9, "{} x the node, whatever is used", most=1.0),
    "n-sigma": Peer(lambda _: NSigma(), 5.0, "mean + {} standard deviations of 10 h", most=1_000.0),
    "n-sigma-samples": Peer(
        lambda _: NSigmaOfSamples(),
        5.0,
        "mean + {} standard deviations of the last 120 samples",
        most=1_000.0,
    ),
    "hourly-sigma": Peer(
        lambda _: HourlySigma(),
        3.0,
        "mean + {} standard deviations of the highest hour of the day ahead",
        most=1_000.0,
    ),
    "rc-like": Peer(
        lambda _: ResourceCentralLike(),
        0.99,
        "the sum of its pods' weekly percentiles at {}",
        every_s=4 * HOUR_S,  # a week of every pod is sorted each time
    ),
    "max-of-week": Peer(lambda _: MaxOfWindow(), 1.3, "{} x the peak of seven days"),
    "persistence": Peer(lambda _: Persistence(), 1.0, "{} x the peak of the last such window"),
    "koordinator": Peer(
        lambda _: KoordinatorUsage(),
        0.4,
        "{} x the node + used now; all of it without metrics",
        most=1.0,
        memory_knob=0.35,
        every_s=300,
    ),
    "koordinator-formula": Peer(
        lambda _: KoordinatorUsage(degrade_s=None),
        0.4,
        "{} x the node + used now",
        most=1.0,
        memory_knob=0.35,
        every_s=300,
    ),
    "koordinator-peaks": Peer(
        lambda memory: KoordinatorPeaks.of(memory=memory),
        1.1,
        "{} x the larger of its pods' own p95 and its whole p95",
    ),
    "crane": Peer(
        lambda _: SeasonalMaximum(), 1.15, "{} x the peak at these hours in 15 days, or used now"
    ),
    "vpa-sum": Peer(
        lambda memory: vpa_sum(memory=memory), 1.15, "{} x the sum of its pods' p90, half-life 24 h"
    ),
    "autopilot-like": Peer(
        lambda memory: autopilot_sum(memory=memory),
        1.15,
        "{} x the sum of its pods' load-adjusted p95, half-life 12 h",
    ),
}
NAMES: Final = (OURS, "requests-only", *PEERS, "oracle")

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
        BadInput: no policy is called so, or its knob is no number it can take.
    """
    base, knob = parsed(name)
    if base == OURS:
        if knob is not None:
            cpu_risk = memory_risk = knob
        return Slacktide(
            cpu_risk=cpu_risk, memory_risk=memory_risk, horizons_s=horizons_s, name=name
        )
    if base == "oracle":
        return Oracle(whole, horizons_s)
    if base == "requests-only":
        requests, all_of_it = RequestsOnly(), "{} x what its pods requested"
        return RulePolicy(
            name, HOUR_S, requests, requests, 1.0, 1.0, all_of_it, horizons_s, promised_risk=0.0
        )
    peer = PEERS[base]
    return RulePolicy(
        name=name,
        every_s=peer.every_s,
        cpu=peer.rule(False),
        memory=peer.rule(True),
        cpu_knob=knob or peer.default(memory=False),
        memory_knob=knob or peer.default(memory=True),
        formula=peer.formula,
        horizons_s=horizons_s,
    )


def parsed(name: str) -> tuple[str, float | None]:
    """A policy's base name, and its knob where one is given.

    Raises:
        BadInput: no policy is called so, or its knob is no number it can take.
    """
    base, colon, text = name.partition(":")
    takes = base in PEERS or base == OURS
    if base not in NAMES or (colon and not takes):
        raise BadInput(f"no policy is called {name!r}; there are: {', '.join(NAMES)}")
    if not colon:
        return base, None
    try:
        knob = float(text)
    except ValueError:
        knob = math.nan
    if not (math.isfinite(knob) and knob > 0):
        raise BadInput(f"policy {name!r}: {text!r} is no positive number")
    if base == OURS and knob >= 1:
        raise BadInput(f"policy {name!r}: its knob is the risk, a share below 1")
    return base, knob
