"""Which settings a history is replayed with, and which of the outcomes is worth having.

One setting changes at a time, so that what changes in the outcome is its doing. An outcome is on
the frontier when no other uses at least as much CPU and harms online and batch no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from predictor.core.supply import SupplySettings
from qos_controller.core.settings import Settings as QosSettings
from scheduler.core.plan import PlanSettings
from simulator.core.replay import Choices
from simulator.core.report import ReportRow

AGENT_ABOVE: Final = 0.02  # the agent evicts so far above the watermark, as by default
AGENT_MOST: Final = 0.99
TOLD_SHARE: Final = 0.0005  # of CPU use: less is not worth a word
LOST_LIMIT: Final = 0.001  # of online's core-seconds: the most that a best setting may take
EVICTED_LIMIT: Final = 0.01  # of the tasks started
PROMISE_SLACK: Final = 1.2  # times the promised risk: what a short replay may show by chance

PACKINGS: Final = {
    "lifetime": PlanSettings(),
    "tight": PlanSettings(lifetime_weight=0.0, emptiness_weight=1.0, imbalance_weight=0.25),
    "balanced": PlanSettings(lifetime_weight=0.5, emptiness_weight=0.5, imbalance_weight=1.0),
    "spread": PlanSettings(lifetime_weight=0.0, emptiness_weight=-1.0, imbalance_weight=0.25),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One row to be: what an operator sets."""

    risk: float = 0.01
    watermark: float = SupplySettings().memory_watermark_share
    packing: str = "lifetime"

    @property
    def choices(self) -> Choices:
        """As the rooms take them; the agent's own limit moves with the watermark."""
        limit = min(round(self.watermark + AGENT_ABOVE, 6), AGENT_MOST)
        return Choices(
            supply=SupplySettings(memory_watermark_share=self.watermark),
            planning=PACKINGS[self.packing],
            qos=QosSettings(memory_limit_share=limit),
        )


DEFAULT: Final = Setting()


def settings_of(
    risks: Sequence[float], watermarks: Sequence[float], packings: Sequence[str]
) -> list[Setting]:
    """The default, then each value asked for with everything else at its default; none twice."""
    wanted = [
        DEFAULT,
        *(replace(DEFAULT, risk=risk) for risk in risks),
        *(replace(DEFAULT, watermark=watermark) for watermark in watermarks),
        *(replace(DEFAULT, packing=packing) for packing in packings),
    ]
    return list(dict.fromkeys(wanted))


def name_of(setting: Setting) -> str:
    """What differs from the default."""
    if setting.risk != DEFAULT.risk:
        return f"risk {setting.risk:g}"
    if setting.watermark != DEFAULT.watermark:
        return f"watermark {setting.watermark:g}"
    return f"packing {setting.packing}" if setting.packing != DEFAULT.packing else "default"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A setting, what its replay came to, and its place among the others."""

    setting: Setting
    row: ReportRow
    on_frontier: bool
    best: bool


def outcomes(settings: Sequence[Setting], rows: Sequence[ReportRow]) -> list[Outcome]:
    """The settings in their order, with the frontier and the best among them."""
    best = best_of(settings, rows)
    return [
        Outcome(setting, row, not any(_beats(other, row) for other in rows), at == best)
        for at, (setting, row) in enumerate(zip(settings, rows, strict=True))
    ]


def best_of(settings: Sequence[Setting], rows: Sequence[ReportRow]) -> int:
    """The one that uses most among those that keep their promise and harm little.

    Where none does, the one that takes least from online.
    """
    fair = [at for at in range(len(rows)) if harms_little(settings[at], rows[at])]
    if fair:
        return max(fair, key=lambda at: (rows[at].utilisation, -at))
    return min(range(len(rows)), key=lambda at: (rows[at].online_lost_share, at))


def harms_little(setting: Setting, row: ReportRow) -> bool:
    """Whether online lost little, few were evicted, and the promise, where judged, was kept."""
    broke = row.violation > PROMISE_SLACK * setting.risk
    kept = math.isnan(row.violation) or not broke
    lost, evicted = row.online_lost_share <= LOST_LIMIT, row.evicted_share <= EVICTED_LIMIT
    return kept and lost and evicted


def _beats(one: ReportRow, other: ReportRow) -> bool:
    """Whether one is at least as good in all three, and better in one."""
    better = (
        one.utilisation - other.utilisation,
        other.online_lost_share - one.online_lost_share,
        other.evicted_share - one.evicted_share,
    )
    return min(better) >= 0 and max(better) > 0


def verdict(found: Sequence[Outcome]) -> str:
    """What the default gives up or saves against the best, in a sentence."""
    default = found[0]
    best = next(outcome for outcome in found if outcome.best)
    if best is default:
        most = max(found, key=lambda outcome: outcome.row.utilisation)
        if most.row.utilisation - default.row.utilisation < TOLD_SHARE:
            return "The default is the best of these: none uses more CPU."
        other, told = name_of(most.setting), _against(most, default)
        return f"The default is the best of these: against {other} it {told}; {_harm(most)}."
    told = _against(best, default)
    return f"The best of these is {name_of(best.setting)}: against it the default {told}."


def _harm(outcome: Outcome) -> str:
    """Why an outcome that uses more is not the best."""
    row, promised = outcome.row, outcome.setting.risk
    broke = row.violation > PROMISE_SLACK * promised
    return f"{name_of(outcome.setting)} " + " and ".join(
        words
        for bad, words in (
            (broke, f"exceeded {100 * row.violation:.3g} % where {100 * promised:g} % is promised"),
            (
                row.online_lost_share > LOST_LIMIT,
                f"took {100 * row.online_lost_share:.2g} % of online's CPU",
            ),
            (
                row.evicted_share > EVICTED_LIMIT,
                f"evicted {100 * row.evicted_share:.2g} % of its tasks",
            ),
        )
        if bad
    )


def _against(other: Outcome, default: Outcome) -> str:
    gain = 100 * (other.row.utilisation - default.row.utilisation)
    lost = 100 * (other.row.online_lost_share - default.row.online_lost_share)
    evicted = other.row.evicted_tasks - default.row.evicted_tasks
    gives = f"gives up {gain:.1f}" if gain >= 0 else f"gains {-gain:.1f}"
    saves = f"saves online {lost:.3f}" if lost >= 0 else f"costs online {-lost:.3f}"
    tasks = f"{evicted:,} fewer" if evicted >= 0 else f"{-evicted:,} more"
    return f"{gives} points of CPU use, {saves} % of its CPU, and evicts {tasks} tasks"
