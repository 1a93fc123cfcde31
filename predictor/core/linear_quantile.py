"""The coming peak as a sum of what was seen: so much of the week's peak, so much of the pods'.

A few shares, none negative, say nearly all that a fleet's history has to say about its next peak,
and a week of evidence is enough to find them; trees need months. Always holds: where all that was
seen is larger, so is the forecast, and a peak of a window shorter than the horizon has no share.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from predictor.core.history import HOUR_S
from predictor.core.outlook import FEATURES, FeatureTable
from slacktide.messages import FloatArray, IntArray

# What a forecast is a sum of: these features, then the reference, then the capacity.
PARTS: Final = (
    *(f"peak_{hours}h" for hours in (1, 4, 12, 24, 48, 168, 336)),
    *("mean_4h", "mean_24h", "sum_24h", "sum_168h", "sum_336h", "largest_336h"),
    *("spread", "second_day", "second_days_sum", "q98", "std"),
)
_COLUMNS: Final = [FEATURES.index(name) for name in PARTS]
_SHORT_HOURS: Final = {"peak_1h": 1, "peak_4h": 4, "peak_12h": 12, "mean_4h": 4}
SMOOTH: Final = 0.006  # of capacity: how far around the quantile a loss is rounded off, to converge
SHRINK: Final = 5e-5  # how dear a large share is, so that twins divide one between them
MOST_STEPS: Final = 200


def parts(features: FeatureTable, reference: FloatArray, scale: FloatArray) -> FloatArray:
    """[R, P] what is summed, as shares of capacity. `features` [R, F], the others [R]."""
    of_capacity = (reference / scale)[:, None]
    seen = np.exp(features[:, _COLUMNS].astype(np.float64)) * of_capacity
    return np.concatenate((seen, of_capacity, np.ones_like(of_capacity)), axis=1)


def allowed(horizon_s: int) -> IntArray:
    """Indices of the parts that may have a share at a horizon."""
    too_short = [_SHORT_HOURS.get(name, np.inf) < horizon_s / HOUR_S for name in PARTS]
    return np.flatnonzero(~np.array([*too_short, False, False]))


def fit_shares(
    summed: FloatArray, peak: FloatArray, *, quantile: float, horizon_s: int
) -> FloatArray:
    """[P] the shares, >= 0, whose sum a share `quantile` of the peaks stays below.

    `summed` [R, P] of `parts`, `peak` [R] as shares of capacity. Minimises the pinball loss with a
    rounded corner and a small ridge; convex, so the start does not matter.

    Sources: Koenker & Bassett 1978 (the loss); Zheng 2011 (rounded off); L-BFGS-B of SciPy.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  slow to load for who never fits

    free = allowed(horizon_s)
    seen, rows = summed[:, free], len(peak)

    def loss(shares: FloatArray) -> tuple[float, FloatArray]:
        above = (peak - seen @ shares) / SMOOTH
        rounded = np.logaddexp(0.0, above)
        slope = np.exp(above - rounded) - (1.0 - quantile)
        value = SMOOTH * float((rounded - (1.0 - quantile) * above).mean())
        gradient: FloatArray = 2 * SHRINK * shares - slope @ seen / rows
        return value + SHRINK * float(shares @ shares), gradient

    found = minimize(
        loss,
        np.full(len(free), 1.0 / len(free)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * len(free),
        options={"maxiter": MOST_STEPS},
    )
    shares = np.zeros(summed.shape[1])
    shares[free] = found.x
    return shares
