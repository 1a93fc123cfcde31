"""Which of many batch pods is the noisy one: whose use rises and falls with online's pressure.

After CPI2 (Zhang et al., "CPI2: CPU performance isolation for shared compute clusters", EuroSys
2013), which correlates each suspect's CPU use with the victim's CPI. Here the level of the breached
resource replaces CPI, and covariances are exponentially weighted, so that seconds suffice.
Always holds: who uses little is never blamed; where nobody stands out the answer is nobody, and
the law then holds all of them back together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from qos_controller.core.node_settings import BlameSettings
from qos_controller.core.state import NEVER

# A level far beyond its limit says no more about who caused it than a clear breach does.
_HIGHEST: Final = 4.0


@dataclass(frozen=True, slots=True)
class Suspect:
    """One pod's use of one resource and how it goes with the pressure."""

    use: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    covariance: float = 0.0


@dataclass(frozen=True, slots=True)
class Blame:
    """What is remembered for one resource."""

    suspects: Mapping[str, Suspect] = field(default_factory=dict)
    mean: float = 0.0
    variance: float = 0.0
    samples: float = 0.0
    heard_s: float = NEVER


UNBLAMED: Final = Blame()


def observe(
    before: Blame, uses: Mapping[str, float], level: float, *, now_s: float, settings: BlameSettings
) -> Blame:
    """The memory after one look at all pods. A newcomer used nothing before it came."""
    share = 1.0 - math.exp(-max(0.0, now_s - before.heard_s) / settings.window_s)
    share = max(share, 1.0 / (1.0 + before.samples)) if before.samples < settings.samples else share
    keep = 1.0 - share
    rise = min(level, _HIGHEST) - before.mean
    suspects = {}
    for uid, use in uses.items():
        old = before.suspects.get(uid)
        if use == 0.0 and old is None:
            continue
        mean, variance, covariance = (
            (0.0, 0.0, 0.0) if old is None else (old.mean, old.variance, old.covariance)
        )
        step = use - mean
        suspects[uid] = Suspect(
            use,
            mean + share * step,
            keep * (variance + share * step * step),
            keep * (covariance + share * step * rise),
        )
    return Blame(
        suspects,
        before.mean + share * rise,
        keep * (before.variance + share * rise * rise),
        before.samples + 1.0,
        now_s,
    )


def blamed(blame: Blame, settings: BlameSettings) -> str:
    """The UID of the one that stands out; empty where none does, or where it is alone anyway."""
    total = sum(suspect.use for suspect in blame.suspects.values())
    if len(blame.suspects) < 2 or not total or blame.samples < settings.samples:
        return ""
    ranked = sorted(
        ((max(0.0, correlation(s, blame)) * s.use, uid) for uid, s in blame.suspects.items()),
        reverse=True,
    )
    score, uid = ranked[0]
    suspect = blame.suspects[uid]
    if correlation(suspect, blame) < settings.correlation:
        return ""
    if suspect.use < settings.use_share * total or score < settings.lead * ranked[1][0]:
        return ""
    return uid


def correlation(suspect: Suspect, blame: Blame) -> float:
    """-1..1; 0 where either never changed."""
    scale = math.sqrt(suspect.variance * blame.variance)
    return suspect.covariance / scale if scale > 0.0 else 0.0
