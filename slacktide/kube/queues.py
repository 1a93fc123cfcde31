"""The Queue object, slacktide.io/v1alpha1.

The chart's definitions/queues.yaml says what each field means and which values the server takes.
"""

from __future__ import annotations

import msgspec

from slacktide.kube.objects import Meta


class Amounts(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Quantities of a resource."""

    cpu: str | int | float | None = None


class QueueSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What its owner wrote."""

    parent: str = ""
    guaranteed: Amounts = Amounts()
    max: Amounts = Amounts()
    weight: int = 1
    lendable_percent: int = 100


class QueueCondition(msgspec.Struct, frozen=True, rename="camel"):
    """Whether it counts as it is written."""

    type: str
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""


class QueueState(msgspec.Struct, frozen=True, rename="camel"):
    """What the scheduler wrote."""

    used: Amounts = Amounts()
    pending_gangs: int = 0
    running_gangs: int = 0
    message: str = ""
    conditions: tuple[QueueCondition, ...] = ()


class Queue(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """slacktide.io/v1alpha1, cluster-scoped."""

    metadata: Meta
    spec: QueueSpec = QueueSpec()
    status: QueueState = QueueState()
