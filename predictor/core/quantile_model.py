"""A global gradient-boosted quantile of log(peak / reference), learned from matured windows only.

The reference alone is a fair forecast (see `outlook`); the model earns its weight with the
independent windows behind it, so a young or small fleet is not led by what it learned by heart.
Larger peaks behind never mean a smaller forecast: the constraint costs nothing measurable and rules
out the surprises of a tree. Same rows in, same model out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from predictor.core.outlook import FEATURES, UNORDERED, FeatureTable
from predictor.core.trees import Trees, predict_trees, trees_of
from slacktide.messages import FloatArray

QUANTILE = 0.97  # the model's own; calibration adds the rest, and here the data still speak
EVEN_WINDOWS = 100.0  # independent windows at which model and reference weigh the same
LEAST_RATIO = 1e-3  # a fleet that fell silent is not an infinitely good forecast


@dataclass(frozen=True, slots=True)
class QuantileModel:
    """A fitted model of one horizon, with what it may claim."""

    trees: Trees
    weight: float  # 0..1 against the reference


def independent_windows(*, rows: int, horizon_s: int, every_s: int) -> float:
    """How many windows do not overlap, of `rows` windows begun every `every_s`."""
    return rows / max(1.0, horizon_s / every_s)


def fit(features: FeatureTable, ratio: FloatArray, *, windows: float) -> QuantileModel:
    """A model of log(ratio).

    `features` [R, F], `ratio` [R] peak over reference, `windows` the independent ones among R.
    """
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
    return QuantileModel(trees_of(fitted), weight=windows / (windows + EVEN_WINDOWS))


def predict(
    model: QuantileModel | None, features: FeatureTable, reference: FloatArray
) -> FloatArray:
    """[N] peaks: the model's and the reference's geometric mean by the model's weight."""
    if model is None:
        return reference
    return reference * np.exp(model.weight * predict_trees(model.trees, features))
