"""Trees as arrays: the numbers of scikit-learn's predict, and arrays that cannot lead astray."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor

from predictor.core.outlook import FEATURES
from predictor.core.trees import MOST_LEAVES, Trees, predict_trees, trees_of, why_unsound


def fitted(
    *,
    rows: int = 600,
    columns: int = 5,
    leaves: int = 8,
    missing: float = 0.1,
    seed: int = 0,
    **more: Any,
) -> tuple[HistGradientBoostingRegressor, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, columns)).astype(np.float32)
    target = features.sum(axis=1) + (rng.random(rows) < 0.1) * 4
    features[rng.random(features.shape) < missing] = np.nan
    model = HistGradientBoostingRegressor(
        **{"loss": "quantile", "quantile": 0.97, "max_iter": 20, "early_stopping": False, **more},
        max_leaf_nodes=leaves,
        min_samples_leaf=5,
        random_state=0,
    )
    return model.fit(features, target), features


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 99),
    leaves=st.sampled_from([2, 7, 8, 9, 16, 33, MOST_LEAVES]),
    missing=st.sampled_from([0.0, 0.2, 0.9]),
    columns=st.integers(1, 6),
)
def test_the_arrays_say_what_scikit_learn_says(
    seed: int, leaves: int, missing: float, columns: int
) -> None:
    model, seen = fitted(leaves=leaves, missing=missing, columns=columns, seed=seed)
    trees = trees_of(model)
    edges = np.resize(trees.threshold, (len(trees.threshold) + 1, columns))  # on the thresholds
    above = np.nextafter(edges, np.inf)
    wild = np.array([[np.nan] * columns, [np.inf] * columns, [-np.inf] * columns, [0.0] * columns])
    for rows in (seen.astype(np.float64), edges, above, wild):
        assert np.abs(predict_trees(trees, rows) - model.predict(rows)).max() <= 1e-12


def test_a_constraint_and_another_loss_change_nothing_about_reading() -> None:
    model, seen = fitted(monotonic_cst=[1, 1, 0, -1, 1], loss="squared_error")
    assert np.abs(predict_trees(trees_of(model), seen) - model.predict(seen)).max() <= 1e-12


def test_a_fleet_that_gives_no_split_gives_the_baseline() -> None:
    model, seen = fitted(rows=8)
    trees = trees_of(model)
    assert not len(trees.tree)
    assert why_unsound(trees, 5) == ""
    assert predict_trees(trees, seen) == pytest.approx(model.predict(seen), abs=1e-12)
    assert predict_trees(trees, seen[:0]).shape == (0,)


def test_trees_too_large_for_a_word_are_refused() -> None:
    model, _ = fitted(rows=2_000, leaves=4 * MOST_LEAVES, max_iter=1, loss="squared_error")
    with pytest.raises(ValueError, match="more than 64 leaves"):
        trees_of(model)


@pytest.mark.parametrize("rows", [100, 1_000, 5_000])
def test_reading_arrays_is_no_slower_than_scikit_learn(rows: int) -> None:
    model, seen = fitted(rows=5_000, columns=len(FEATURES), max_iter=100)
    trees, some = trees_of(model), seen[:rows]

    def best(predict: Callable[[], Any]) -> float:
        took = []
        for _ in range(7):
            began = time.perf_counter()
            predict()
            took.append(time.perf_counter() - began)
        return min(took)

    own, theirs = best(lambda: predict_trees(trees, some)), best(lambda: model.predict(some))
    assert own <= 1.5 * theirs + 0.001, f"{1e3 * own:.2f} ms against {1e3 * theirs:.2f} ms"


@pytest.fixture(scope="module")
def sound() -> Trees:
    return trees_of(fitted()[0])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"tree": lambda t: t.tree + 1}, "a split belongs to no tree"),
        ({"tree": lambda t: t.tree - 1}, "a split belongs to no tree"),
        ({"feature": lambda t: t.feature + 5}, "a split looks at no feature"),
        ({"feature": lambda t: t.feature - 5}, "a split looks at no feature"),
        ({"left_leaves": lambda t: ~np.zeros_like(t.left_leaves)}, "a split rules out the last"),
        ({"threshold": lambda t: t.threshold[1:]}, "its splits differ in number"),
        ({"missing_right": lambda t: t.missing_right[None]}, "its splits differ in number"),
        ({"leaf": lambda t: t.leaf.ravel()}, "its leaves are no table"),
        ({"leaf": lambda t: t.leaf[:, :0]}, "its leaves are no table"),
        ({"leaf": lambda t: np.repeat(t.leaf, 9, axis=1)}, "its leaves are no table"),
        ({"leaf": lambda t: t.leaf * np.nan}, "a value is not a number"),
        ({"threshold": lambda t: t.threshold * np.nan}, "a value is not a number"),
        ({"baseline": lambda _: float("inf")}, "a value is not a number"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(
    sound: Trees, wrong: dict[str, Callable[[Trees], Any]], why: str
) -> None:
    assert why_unsound(sound, 5) == ""
    broken = replace(sound, **{name: change(sound) for name, change in wrong.items()})
    assert why_unsound(broken, 5).startswith(why)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_whatever_is_called_sound_is_answered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    splits, leaves = int(rng.integers(0, 30)), int(rng.integers(1, MOST_LEAVES + 1))
    rolled = Trees(
        tree=rng.integers(0, 4, splits),
        feature=rng.integers(0, 3, splits),
        threshold=rng.choice([-np.inf, 0.0, 1.0, np.inf], splits),
        missing_right=rng.random(splits) < 0.5,
        left_leaves=rng.integers(0, 1 << (leaves - 1), splits, dtype=np.uint64),
        leaf=rng.normal(size=(4, leaves)),
        baseline=0.0,
    )
    assert why_unsound(rolled, 3) == ""
    answer = predict_trees(rolled, rng.choice([np.nan, -1.0, 0.5, np.inf], (9, 3)))
    assert np.isfinite(answer).all()
