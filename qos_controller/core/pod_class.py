"""Which class a running pod has: LSE, LSR or LS (online), or BE (batch), and who says so.

A label or annotation counts first, then the priority's band, then what it asks for, and last its
class with Kubernetes. Always holds: where two disagree the more careful wins; a word that nobody
knows counts as LS, and so does a pod of which nobody says anything: online is the default. A pod
of the system is batch only by name, since kube-proxy and the like ask for nothing either.
Source of classes and bands: Koordinator's QoS and priority documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from slacktide import contract

SYSTEM: Final = "kube-system"
_CAREFUL: Final = {name: rank for rank, name in enumerate(contract.QOS_CLASSES)}
_KOORDINATOR: Final = {name: name for name in contract.QOS_CLASSES}
_SPELLINGS: Final = (
    (contract.LABEL_QOS_CLASS, _KOORDINATOR),
    (contract.LABEL_QOS_KATALYST, contract.KATALYST_LEVELS),
    (contract.LABEL_QOS_VOLCANO, contract.VOLCANO_LEVELS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """All that is said of a pod which decides its class."""

    namespace: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    priority: int
    priority_class: str = ""
    static: bool = False
    """kubelet runs it from a file of the node."""
    asks_for_batch: bool = False
    """It asks for an oversold resource."""
    kube_class: str = ""
    """Guaranteed, Burstable or BestEffort."""


class Classed(NamedTuple):
    """The class, and by whose word."""

    name: str
    said_by: str

    @property
    def batch(self) -> bool:
        """Whether it is offline."""
        return self.name == contract.QOS_BE


def class_of(pod: Statements) -> Classed:
    """The class of a pod."""
    named = [
        Classed(known.get(value, contract.QOS_LS), f"{key}={value[:40]!r}")
        for key, known in _SPELLINGS
        for told in (pod.labels, pod.annotations)
        if (value := told.get(key))
    ]
    if named:
        return min(named, key=lambda one: _CAREFUL[one.name])
    if pod.static or pod.namespace == SYSTEM or pod.priority >= contract.PRIORITY_PROD[0]:
        return Classed(contract.QOS_LS, "a pod of the system, or of a productive priority")
    if pod.asks_for_batch:
        return Classed(contract.QOS_BE, "it asks for batch resources")
    if pod.priority_class == contract.PRIORITY_CLASS_BATCH or _is_offline(pod.priority):
        return Classed(contract.QOS_BE, f"priority {pod.priority}")
    if pod.kube_class == "BestEffort":
        return Classed(contract.QOS_BE, "it asks for nothing: BestEffort")
    return Classed(contract.QOS_LS, "nobody says otherwise")


def _is_offline(priority: int) -> bool:
    bands = (contract.PRIORITY_BATCH, contract.PRIORITY_FREE)
    return any(low <= priority <= high for low, high in bands)
