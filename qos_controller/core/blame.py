"""Which of many batch pods is the noisy one: whose use rises and falls with online's pressure.

After CPI2 (Zhang et al., "CPI2: CPU performance isolation for shared compute clusters", EuroSys
2013), which correlates each suspect's CPU use with the victim's CPI. Here the level of the breached
resource replaces CPI, and covariances are exponentially weighted, so that seconds suffice.
Always holds: who uses little is never blamed; where nobody stands out the answer is nobody, and
the law then holds all of them back together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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
    seen_s: float = NEVER


@dataclass(frozen=True, slots=True)
class Blame:
    """What is remembered for one resource."""

    suspects: Mapping[str, Suspect] = field(default_factory=dict)
    mean: float = 0.0
    """Of the level, as its variance."""
    variance: float = 0.0
    looks: int = 0
    heard_s: float = NEVER


UNBLAMED: Final = Blame()
_NEWCOMER: Final = Suspect()


def observe(
    before: Blame, uses: Mapping[str, float], level: float, *, now_s: float, settings: BlameSettings
) -> Blame:
    """The memory after a look at some pods. A newcomer used nothing before it came."""
    share = _share(now_s - before.heard_s, before.looks, settings)
    rise = min(level, _HIGHEST) - before.mean
    suspects = dict(before.suspects)
    for uid, use in uses.items():
        old = suspects.get(uid)
        if old is not None or use > 0.0:
            suspects[uid] = _seen(
                old or _NEWCOMER,
                use,
                rise,
                share=_share_of(old, before, now_s, settings),
                now_s=now_s,
            )
    return Blame(
        suspects,
        before.mean + share * rise,
        (1.0 - share) * (before.variance + share * rise * rise),
        before.looks + 1,
        now_s,
    )


def without(before: Blame, gone: Iterable[str]) -> Blame:
    """Those who left are blamed no more."""
    left = {uid: before.suspects[uid] for uid in before.suspects.keys() - set(gone)}
    return replace(before, suspects=left)


def _seen(old: Suspect, use: float, rise: float, *, share: float, now_s: float) -> Suspect:
    step = use - old.mean
    return Suspect(
        use,
        old.mean + share * step,
        (1.0 - share) * (old.variance + share * step * step),
        (1.0 - share) * (old.covariance + share * step * rise),
        now_s,
    )


def _share_of(old: Suspect | None, blame: Blame, now_s: float, settings: BlameSettings) -> float:
    """Pods are read in turn, so each has a time of its own; a newcomer's begins with the last."""
    since_s = blame.heard_s if old is None else old.seen_s
    return _share(now_s - since_s, blame.looks, settings)


def _share(elapsed_s: float, looks: int, settings: BlameSettings) -> float:
    """Weight of a new value; the first few count as in a plain mean."""
    share = 1.0 - math.exp(-max(0.0, elapsed_s) / settings.window_s)
    return max(share, 1.0 / (1.0 + looks)) if looks < settings.looks else share


def blamed(blame: Blame, settings: BlameSettings) -> str:
    """The UID of the one that stands out; empty where none does, or where it is alone anyway."""
    total = sum(suspect.use for suspect in blame.suspects.values())
    if len(blame.suspects) < 2 or not total or blame.looks < settings.looks:
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
