"""Gradient-boosted regression trees as plain arrays: a model to be saved, read and checked.

A tree is its splits and its leaves. Leaves are numbered from left to right; a split that sends a
row to the right rules out the leaves to its left, and the row's leaf is the first that no split
ruled out. So no node points to another: there is nothing to walk, and no cycle to fall into. Always
holds: no split rules out a tree's last leaf, hence every row finds a leaf in every tree, NaN too.

Source: Lucchese et al., SIGIR'15 (QuickScorer): leaves as bits, one AND per feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slacktide.messages import BoolArray, FloatArray, IntArray

MOST_LEAVES = 64  # the bits of a word

LeafBits = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Trees:
    """T trees of K splits in all, with up to L leaves each."""

    tree: IntArray  # [K] 0..T-1
    feature: IntArray  # [K] which column a split looks at
    threshold: FloatArray  # [K] a row goes right where its value is above this
    missing_right: BoolArray  # [K] where NaN goes
    left_leaves: LeafBits  # [K] bit l: leaf l lies left of the split
    leaf: FloatArray  # [T, L] values; 0 beyond a tree's last leaf
    baseline: float


def trees_of(fitted: Any) -> Trees:  # noqa: ANN401  scikit-learn has no types
    """A fitted `HistGradientBoostingRegressor` of numerical features as arrays.

    Raises:
        ValueError: a tree has more than 64 leaves.
    """
    read = [_read(stage[0].nodes) for stage in fitted._predictors]  # noqa: SLF001  the only door
    most = max((len(values) for _, values in read), default=1)
    leaf = np.zeros((len(read), most))
    for row, (_, values) in zip(leaf, read, strict=True):
        row[: len(values)] = values
    splits = [(index, *split) for index, (found, _) in enumerate(read) for split in found]
    return Trees(
        tree=np.array([s[0] for s in splits], dtype=np.int64),
        feature=np.array([s[1] for s in splits], dtype=np.int64),
        threshold=np.array([s[2] for s in splits], dtype=np.float64),
        missing_right=np.array([s[3] for s in splits], dtype=np.bool_),
        left_leaves=np.array([s[4] for s in splits], dtype=np.uint64),
        leaf=leaf,
        baseline=float(fitted._baseline_prediction.item()),  # noqa: SLF001  as above
    )


Split = tuple[int, float, bool, int]  # feature, threshold, NaN goes right, left leaves


def _read(nodes: Any) -> tuple[list[Split], list[float]]:  # noqa: ANN401  a structured array
    """Splits and leaf values of one tree, the leaves from left to right."""
    splits: list[Split] = []
    values: list[float] = []

    def walk(at: int) -> None:
        node = nodes[at]
        if node["is_leaf"]:
            if len(values) == MOST_LEAVES:
                raise ValueError(f"a tree has more than {MOST_LEAVES} leaves")
            values.append(float(node["value"]))
            return
        first = len(values)
        walk(int(node["left"]))
        left = (1 << len(values)) - (1 << first)
        right = not node["missing_go_to_left"]
        splits.append((int(node["feature_idx"]), float(node["num_threshold"]), right, left))
        walk(int(node["right"]))

    walk(0)
    return splits, values


def predict_trees(trees: Trees, features: NDArray[np.floating[Any]]) -> FloatArray:
    """[R] the baseline and each tree's leaf value, of `features` [R, F]."""
    word = np.dtype(f"u{_bytes(trees.leaf.shape[1])}")
    left = np.zeros((len(features), len(trees.leaf)), dtype=word)
    np.invert(left, out=left)
    for column in np.unique(trees.feature).tolist():
        limits, table = _ruled_by(trees, column, word)
        values = features[:, column].astype(np.float64)
        at = np.where(np.isnan(values), len(limits) + 1, np.searchsorted(limits, values))
        left &= table[at]
    first = np.bitwise_count(np.bitwise_and(left - word.type(1), ~left))  # bits below the lowest
    offset = np.arange(len(trees.leaf)) * trees.leaf.shape[1]
    found: FloatArray = trees.leaf.ravel()[offset + first].sum(axis=1) + trees.baseline
    return found


def _bytes(leaves: int) -> int:
    return next(size for size in (1, 2, 4, 8) if leaves <= 8 * size)


def _ruled_by(
    trees: Trees, column: int, word: np.dtype[Any]
) -> tuple[FloatArray, NDArray[np.unsignedinteger[Any]]]:
    """A feature's k thresholds in order, and [k + 2, T] the leaves left by a value above i of them.

    The last row is NaN's.
    """
    rows = np.flatnonzero(trees.feature == column)
    rows = rows[np.argsort(trees.threshold[rows], kind="stable")]
    kept = (~trees.left_leaves[rows]).astype(word)
    table = np.zeros((len(rows) + 2, len(trees.leaf)), dtype=word)
    np.invert(table, out=table)
    table[np.arange(1, len(rows) + 1), trees.tree[rows]] = kept
    np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])
    missing = trees.missing_right[rows]
    np.bitwise_and.at(table[-1], trees.tree[rows][missing], kept[missing])
    return trees.threshold[rows], table


def why_unsound(trees: Trees, features: int) -> str:
    """Why arrays from a file are no trees over so many features; empty where they are.

    Types and finiteness are the reader's; here is what could index or loop out of bounds.
    """
    splits, shape = len(trees.tree), trees.leaf.shape
    columns = (trees.feature, trees.threshold, trees.missing_right, trees.left_leaves)
    if any(column.shape != (splits,) for column in (trees.tree, *columns)):
        return "its splits differ in number"
    if len(shape) != 2 or not 1 <= shape[1] <= MOST_LEAVES:
        return "its leaves are no table"
    if splits and not (0 <= trees.tree.min() <= trees.tree.max() < shape[0]):
        return "a split belongs to no tree"
    if splits and not (0 <= trees.feature.min() <= trees.feature.max() < features):
        return "a split looks at no feature"
    if (trees.left_leaves >> np.uint64(shape[1] - 1)).any():
        return "a split rules out the last leaf"
    finite = np.isfinite(trees.leaf).all() and not np.isnan(trees.threshold).any()
    return "" if finite and np.isfinite(trees.baseline) else "a value is not a number"
