"""Whom an action for "all batch pods" reaches: one group where it can, one by one where it must.

kubelet puts batch pods that ask for `batch-cpu` alone below besteffort, and one write there reaches
all of them, those not yet born too. It is only used while nobody else lives there.
Always holds: no group is returned that holds a pod which is online, or one that is not managed; a
pod that the book does not know counts as online, once the book had time to learn of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from qos_controller.adapters.cgroups.pods_in_tree import PodGroup
from qos_controller.core.pods import Pod


@dataclass(frozen=True, slots=True)
class Targets:
    """Where all batch pods are."""

    root: str = ""
    """The group that holds batch pods alone; empty where there is none such."""
    inside: tuple[PodGroup, ...] = ()
    """The batch pods in it."""
    strays: tuple[PodGroup, ...] = ()
    """Batch pods elsewhere, each for itself."""

    @property
    def pods(self) -> tuple[PodGroup, ...]:
        """All batch pods that may be written."""
        return self.inside + self.strays

    @property
    def groups(self) -> tuple[str, ...]:
        """The fewest groups that hold exactly the batch pods."""
        root = (self.root,) if self.root else ()
        return root + tuple(pod.path for pod in self.strays)


def find_targets(
    root: str,
    groups: Iterable[PodGroup],
    book: Mapping[str, Pod],
    *,
    newcomers: Collection[str],
) -> Targets:
    """`root` is besteffort's group; `newcomers` are UIDs too young for the book to know."""
    inside: list[PodGroup] = []
    strays: list[PodGroup] = []
    root_is_ours = True
    for group in groups:
        pod = book.get(group.uid)
        below = group.qos == "besteffort"
        if pod is None:
            root_is_ours &= not below or group.uid in newcomers
        elif not pod.batch or not pod.managed:
            root_is_ours &= not below
        else:
            (inside if below else strays).append(group)
    if root_is_ours:
        return Targets(root, tuple(inside), tuple(strays))
    return Targets("", (), (*inside, *strays))


def split(total: float, weights: Mapping[str, float]) -> dict[str, float]:
    """Shares of a total in proportion to weights; equal where all are zero."""
    whole = sum(weights.values())
    if whole <= 0.0:
        return dict.fromkeys(weights, total / len(weights)) if weights else {}
    return {name: total * (weight / whole) for name, weight in weights.items()}
