"""The fewest groups to read for all pods of one kind.

A parent that holds pods of one kind alone is read in their stead: one file for fifty pods. A parent
that holds both kinds tells nothing of either (its `full` stall ends as soon as a batch pod in it
runs), so then each pod is read for itself.
"""

from __future__ import annotations

from collections.abc import Iterable


def whole_subtrees(root: str, wanted: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Groups at or below `root` that together hold all `wanted` and none of the `others`.

    Args:
        root: The group that all pods live in, `kubepods`.
        wanted: Groups of the pods to be read, each below `root`.
        others: Groups of all other pods.
    """
    mixed = {parent for other in others for parent in _from_root(root, other)}
    chosen = (
        next((parent for parent in _from_root(root, path) if parent not in mixed), None)
        for path in wanted
    )
    return tuple(sorted({path for path in chosen if path is not None}))


def _from_root(root: str, path: str) -> Iterable[str]:
    """`root`, then each group on the way down to `path`, itself the last."""
    if path != root and not path.startswith(root + "/"):
        yield path
        return
    yield root
    at = len(root)
    while at < len(path):
        at = path.find("/", at + 1)
        at = len(path) if at < 0 else at
        yield path[:at]
