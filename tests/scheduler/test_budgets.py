"""How many pods budgets for disruptions allow to go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scheduler.core.budgets import NO_LIMIT, Budgets
from slacktide.kube.budgets import Budget

IN_APP: dict[str, Any] = {"matchLabels": {"app": "a"}}
NOT_DEV: dict[str, Any] = {
    "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["dev"]}]
}


def budget(selector: dict[str, Any] | None, allowed: int | None, namespace: str = "team") -> Budget:
    body: dict[str, Any] = {"metadata": {"name": "b", "namespace": namespace}, "spec": {}}
    if selector is not None:
        body["spec"]["selector"] = selector
    if allowed is not None:
        body["status"] = {"disruptionsAllowed": allowed}
    return msgspec.convert(body, Budget)


A, B = ("team", {"app": "a"}), ("team", {"app": "b"})


@pytest.mark.parametrize(
    ("budgets", "pods", "expected"),
    [
        ([], [A], NO_LIMIT),
        ([budget(IN_APP, 2)], [A, A], 2),
        ([budget(IN_APP, 2)], [A, B], 2),
        ([budget(IN_APP, 2)], [B], NO_LIMIT),
        ([budget(IN_APP, 2, "other")], [A], NO_LIMIT),
        ([budget(IN_APP, None)], [A], 0),
        ([budget(IN_APP, -1)], [A], 0),
        ([budget(None, 0)], [A], NO_LIMIT),
        ([budget({}, 3)], [A, B], 3),
        ([budget(IN_APP, 5), budget(NOT_DEV, 5)], [A], 0),
        ([budget(IN_APP, 5), budget({"matchLabels": {"app": "b"}}, 1)], [A, B], 1),
        ([budget(NOT_DEV, 1)], [("team", {"tier": "dev"})], NO_LIMIT),
    ],
)
def test_the_smallest_allowance_counts(
    budgets: list[Budget], pods: list[tuple[str, dict[str, str]]], expected: int
) -> None:
    assert Budgets(budgets).may_lose(pods) == expected
