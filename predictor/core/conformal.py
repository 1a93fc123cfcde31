"""The margin that makes a forecast keep its promise, found online from what came.

A score is how far a window's peak came above (or below) what was forecast for it. The margin is the
score that only a share `risk` of past windows exceeded (split conformal), older windows weighing
less (decay). The level moves with the promise kept so far (adaptive conformal), in one direction:
broken promises lower the risk in use until they are paid back, luck never raises it above what was
promised. Labels arrive late and overlap, so nothing here assumes that scores are exchangeable; what
is claimed is coverage in the long run, and the realised share is published beside every promise.

Sources: Vovk et al. (split conformal); Gibbs & Candès 2021 (adaptive conformal inference); Barber
et al. 2023 (weighted, beyond exchangeability); Angelopoulos et al. 2023 (integral control).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from slacktide.messages import FloatArray

MOST_DEBT: Final = 1.0  # in moments at which every node broke its promise; more is forgiven
DEBT_WEIGHT: Final = 0.2  # at most debt the risk in use is exp(-0.2) = 0.82 of the promise
DAY_S: Final = 86_400
# Days of a node counted above every score. Conformal's n + 1 asks for one where each is a single
# observation. A burst breaks several short windows of its day, so nearly one; a window of a day
# meets it once, and a quarter kept the promise on every fleet measured.
UNSEEN_DAYS: Final = 0.8
UNSEEN_DAYS_OF_LONG: Final = 0.25


@dataclass(frozen=True, slots=True)
class PromiseKeeper:
    """The adaptive level of one promise: how far reality has run ahead of it."""

    risk: float  # promised
    debt: float = 0.0  # sum over matured moments of (broken share - risk), within [0, MOST_DEBT]

    def after(self, broken_share: float) -> PromiseKeeper:
        """The keeper once one more moment has matured."""
        debt = self.debt + broken_share - self.risk
        return replace(self, debt=min(max(debt, 0.0), MOST_DEBT))

    @property
    def risk_in_use(self) -> float:
        """The level to calibrate at: the promise, or less while in debt."""
        return self.risk * float(np.exp(-DEBT_WEIGHT * self.debt))


def unseen_rows_of(horizon_s: int, *, every_s: float) -> float:
    """Rows to count above every score, of windows of a horizon begun every `every_s` on a node."""
    days = UNSEEN_DAYS if horizon_s < DAY_S else UNSEEN_DAYS_OF_LONG * horizon_s / DAY_S
    return days * DAY_S / every_s


def margin(
    scores: FloatArray,
    age_s: FloatArray,
    *,
    risk: float,
    half_life_s: float,
    unseen_rows: float = 0.5,
) -> float:
    """The score exceeded by a share `risk` of the weight of past scores.

    `scores` [R > 0], `age_s` [R] since each was forecast, `unseen_rows` how many are counted above
    every score (see `unseen_rows_of`). With few scores the answer is their maximum.
    """
    weight = np.exp2(-age_s / half_life_s)
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(weight[order])
    level = (1.0 - risk) * (below[-1] + unseen_rows)
    return float(scores[order][min(int(np.searchsorted(below, level)), len(scores) - 1)])
