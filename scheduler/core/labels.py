"""What Kubernetes asks of labels, in one place: the same rule matches nodes and pods.

Source: apimachinery `labels.Requirement.Matches` and the node selector of
k8s.io/component-helpers/scheduling. `NotIn` and `DoesNotExist` hold where the label is missing;
`Gt` and `Lt` compare whole numbers and hold for nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

NODE_NAME: Final = "field:metadata.name"  # a field of a node; no label's key has a colon
EVERYWHERE: Final = ("*",)  # namespaces: all of them


class Need(NamedTuple):
    """One requirement on one label."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As a person writes it: `zone in (a, b)`."""
        of = f" ({', '.join(self.values)})" if self.values else ""
        return f"{self.key.removeprefix('field:')} {self.operator}{of}"


Needs = tuple[Need, ...]  # all of them hold; an empty one holds always


class PodGroup(NamedTuple):
    """Pods by label: those of some namespaces that match; `needs` None matches none."""

    namespaces: tuple[str, ...]
    needs: Needs | None


def holds(need: Need, value: str | None) -> bool:
    """Whether a label's value (None: there is no such label) is as asked."""
    if need.operator == "In":
        return value in need.values
    if need.operator == "NotIn":
        return value not in need.values
    if need.operator == "Exists":
        return value is not None
    if need.operator == "DoesNotExist":
        return value is None
    return _compares(need, value)


def match(needs: Needs, labels: Mapping[str, str]) -> bool:
    """Whether all needs hold."""
    return all(holds(need, labels.get(need.key)) for need in needs)


def _compares(need: Need, value: str | None) -> bool:
    try:
        number, bound = int(value or ""), int(need.values[0])
    except (ValueError, IndexError):
        return False
    return {"Gt": number > bound, "Lt": number < bound}.get(need.operator, False)


class LabelIndex:
    """Sets of labels, found by what a group of pods asks without asking each of them."""

    def __init__(self, pods: Sequence[tuple[str, tuple[tuple[str, str], ...]]]) -> None:
        """Of the namespace and labels of each kind of pod."""
        self._namespace = [namespace for namespace, _ in pods]
        self._labels = [dict(labels) for _, labels in pods]
        self._having: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index, (_, labels) in enumerate(pods):
            for pair in labels:
                self._having[pair].append(index)

    def matching(self, group: PodGroup) -> list[int]:
        """Indexes of those in the group, ascending."""
        needs = group.needs
        if needs is None:
            return []
        anywhere = group.namespaces == EVERYWHERE
        return [
            index
            for index in self._candidates(needs)
            if (anywhere or self._namespace[index] in group.namespaces)
            and match(needs, self._labels[index])
        ]

    def _candidates(self, needs: Needs) -> Iterable[int]:
        for need in needs:
            if need.operator == "In":
                pairs = [(need.key, value) for value in need.values]
                return sorted({pod for pair in pairs for pod in self._having.get(pair, ())})
        return range(len(self._labels))
