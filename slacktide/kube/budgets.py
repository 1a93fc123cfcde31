"""Budgets for disruptions (policy/v1), as far as an eviction needs them."""

from __future__ import annotations

import msgspec

from slacktide.kube.objects import Meta


class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    """As the API server writes it."""


class LabelNeed(_Wire, frozen=True):
    """One requirement on a label: In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(_Wire, frozen=True):
    """All of it holds; an empty one holds for every pod."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[LabelNeed, ...] = ()


class BudgetSpec(_Wire, frozen=True):
    """Which pods; without a selector, none."""

    selector: LabelSelector | None = None


class BudgetStatus(_Wire, frozen=True):
    """As the disruption controller has counted."""

    disruptions_allowed: int = 0


class Budget(_Wire, frozen=True):
    """PodDisruptionBudget."""

    metadata: Meta
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()
