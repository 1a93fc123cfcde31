"""A high quantile of a node's next peak: a sum of what was seen, and trees as evidence grows.

The reference alone is a fair forecast (see `outlook`). The sum (`linear_quantile`) earns its weight
against it in a few days, the gradient-boosted trees theirs against the sum in months: each with
the independent windows behind it, so a young or small fleet is not led by what was learned by
heart. Larger peaks behind never mean a smaller forecast: the constraint costs nothing measurable
and rules out the surprises of a tree. Same rows in, same model out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.core.linear_quantile import PARTS, fit_shares, parts
from predictor.core.outlook import FEATURES, UNORDERED, FeatureTable
from predictor.core.trees import Trees, predict_trees, trees_of, why_unsound
from slacktide.messages import FloatArray

QUANTILE = 0.97  # the model's own; calibration adds the rest, and here the data still speak
EVEN_WINDOWS = 100.0  # independent windows at which what is learned weighs as the reference does
TREE_WINDOWS = 2000.0  # at which the trees weigh as the sum does
LEAST_RATIO = 1e-3  # a fleet that fell silent is not an infinitely good forecast


@dataclass(frozen=True, slots=True)
class QuantileModel:
    """A fitted model of one horizon, with what it may claim."""

    shares: FloatArray  # [P] of the parts of the sum, >= 0
    trees: Trees  # of log(peak / reference)
    weight: float  # 0..1 of what was learned against the reference
    tree_weight: float  # 0..1 of the trees against the sum


def independent_windows(*, rows: int, horizon_s: int, every_s: int) -> float:
    """How many windows do not overlap, of `rows` windows begun every `every_s`."""
    return rows / max(1.0, horizon_s / every_s)


def fit(
    features: FeatureTable,
    reference: FloatArray,
    scale: FloatArray,
    peak: FloatArray,
    *,
    horizon_s: int,
    windows: float,
) -> QuantileModel:
    """A model of one horizon from R rows.

    `features` [R, F], `reference`, `scale` (the capacity) and `peak` [R] in one unit, `windows` the
    independent ones among the rows and those they stand for.
    """
    summed = parts(features, reference, scale)
    shares = fit_shares(summed, peak / scale, quantile=QUANTILE, horizon_s=horizon_s)
    return QuantileModel(
        shares=shares,
        trees=_fit_trees(features, peak / reference),
        weight=windows / (windows + EVEN_WINDOWS),
        tree_weight=windows / (windows + TREE_WINDOWS),
    )


def _fit_trees(features: FeatureTable, ratio: FloatArray) -> Trees:
    # Here and not above: it takes longer to load than most commands that never fit anything.
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415

    fitted = HistGradientBoostingRegressor(
        loss="quantile",
        quantile=QUANTILE,
        max_iter=100,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=60,
        l2_regularization=1.0,
        max_bins=63,
        monotonic_cst=[0 if name in UNORDERED else 1 for name in FEATURES],
        early_stopping=False,
        random_state=0,
    )
    fitted.fit(features, np.log(np.maximum(ratio, LEAST_RATIO)))
    return trees_of(fitted)


def predict(
    model: QuantileModel | None, features: FeatureTable, reference: FloatArray, scale: FloatArray
) -> FloatArray:
    """[N] peaks: the sum and the trees, each blended with the reference by the model's weight."""
    if model is None:
        return reference
    summed = parts(features, reference, scale) @ model.shares * scale
    of_sum = model.weight * summed + (1 - model.weight) * reference
    of_trees = reference * np.exp(model.weight * predict_trees(model.trees, features))
    blended: FloatArray = (1 - model.tree_weight) * of_sum + model.tree_weight * of_trees
    return blended


def why_no_model(model: QuantileModel) -> str:
    """Why what a file holds cannot forecast; empty where it can."""
    shares = model.shares
    if shares.shape != (len(PARTS) + 2,) or not (shares >= 0).all() or np.isinf(shares).any():
        return "the shares are none"
    return why_unsound(model.trees, len(FEATURES))
