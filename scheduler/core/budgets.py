"""How many pods of a gang its budgets for disruptions allow to be evicted now.

The server judges each eviction again; this only keeps us from choosing whom it would refuse.

Always holds: no more than the smallest allowance of any budget that holds any of the pods; none
where a pod is in two budgets, since the server evicts such a pod for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from scheduler.core.labels import Need, Needs, match
from slacktide.kube.budgets import Budget, LabelSelector

NO_LIMIT: Final = 1 << 40
Labels = frozenset[tuple[str, str]]


class Budgets:
    """Those of a cluster, by namespace."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        """As they are now."""
        self._of: dict[str, list[tuple[Needs, int]]] = {}
        for one in budgets:
            needs = _needs(one.spec.selector)
            if needs is not None:
                allowed = max(one.status.disruptions_allowed, 0)
                self._of.setdefault(one.metadata.namespace, []).append((needs, allowed))

    def may_lose(self, pods: Iterable[tuple[str, Mapping[str, str]]]) -> int:
        """Of pods by namespace and labels, how many together."""
        most = NO_LIMIT
        kinds = {(namespace, frozenset(labels.items())) for namespace, labels in pods}
        for namespace, kind in kinds:
            labels = dict(kind)
            allowances = [n for needs, n in self._of.get(namespace, ()) if match(needs, labels)]
            if len(allowances) > 1:
                return 0
            most = min([most, *allowances])
        return most


def _needs(selector: LabelSelector | None) -> Needs | None:
    if selector is None:
        return None
    equal = [Need(key, "In", (value,)) for key, value in (selector.match_labels or {}).items()]
    others = [Need(one.key, one.operator, one.values) for one in selector.match_expressions]
    return (*equal, *others)
