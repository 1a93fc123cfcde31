"""Which class a pod is: LSE, LSR, LS (online) or BE (offline), and who says so.

Votes come from the QoS label, its aliases and the priority band; only where nobody votes does the
namespace's default count, read from the *cached* namespace: what stands in the pod is the tenant's.
Always holds: the class is at least as careful as every vote; a word nobody knows counts as LS.
Source of classes and bands: Koordinator's QoS and priority documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from admission.core.pod import Pod
from slacktide import contract

_CAREFUL = {name: rank for rank, name in enumerate(contract.QOS_CLASSES)}
_KOORDINATOR = {name: name for name in contract.QOS_CLASSES}
_SPELLINGS = (
    (contract.LABEL_QOS_CLASS, _KOORDINATOR),
    (contract.LABEL_QOS_KATALYST, contract.KATALYST_LEVELS),
    (contract.LABEL_QOS_VOLCANO, contract.VOLCANO_LEVELS),
)


@dataclass(frozen=True, slots=True)
class Vote:
    """One statement about the pod: the classes it allows, the first one being meant."""

    said_by: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Classified:
    """The class, whether anybody named it, and what to tell the owner."""

    pod_class: str
    is_said: bool
    conflict: str
    """The statements that cannot all be true; empty where they can."""
    warnings: tuple[str, ...]
    reason: str


def classify(
    pod: Pod, *, namespace_labels: Mapping[str, str], batch_priority_class: str
) -> Classified:
    """The class of a pod."""
    label_votes, warnings = _label_votes(pod)
    votes = label_votes + _priority_votes(pod, batch_priority_class)
    if not votes:
        return _by_namespace(namespace_labels, warnings)
    named = " and ".join(vote.said_by for vote in votes)
    agreed = [name for name in votes[0].classes if all(name in vote.classes for vote in votes)]
    if agreed:
        return Classified(agreed[0], True, "", warnings, f"{agreed[0]} by {named}")
    careful = min((vote.classes[0] for vote in votes), key=_CAREFUL.__getitem__)
    reason = f"{careful}, the most careful: {named} disagree"
    return Classified(careful, True, f"{named} disagree", (*warnings, reason), reason)


def _label_votes(pod: Pod) -> tuple[tuple[Vote, ...], tuple[str, ...]]:
    votes: list[Vote] = []
    warnings: list[str] = []
    for key, known in _SPELLINGS:
        for kind, values in (("label", pod.labels), ("annotation", pod.annotations)):
            value = values.get(key)
            if not value:
                continue
            said_by = f"{kind} {key}={_shown(value)}"
            if value not in known:
                warnings.append(f"{said_by} is not known and counts as LS")
            votes.append(Vote(said_by, (known.get(value, contract.QOS_LS),)))
    return tuple(votes), tuple(warnings)


def _priority_votes(pod: Pod, batch_priority_class: str) -> tuple[Vote, ...]:
    if pod.priority_class == batch_priority_class:
        return (Vote(f"priority class {batch_priority_class}", (contract.QOS_BE,)),)
    if pod.priority is None:
        return ()
    said_by = f"priority {pod.priority}"
    if pod.priority >= contract.PRIORITY_PROD[0]:
        return (Vote(said_by, (contract.QOS_LS, contract.QOS_LSR, contract.QOS_LSE)),)
    if _is_in(pod.priority, contract.PRIORITY_MID):
        return (Vote(said_by, (contract.QOS_LS, contract.QOS_BE)),)
    if _is_in(pod.priority, contract.PRIORITY_BATCH, contract.PRIORITY_FREE):
        return (Vote(said_by, (contract.QOS_BE,)),)
    return ()


def may_be_offline(priority: int | None) -> bool:
    """Whether a priority is in a band that offline pods may have."""
    bands = (contract.PRIORITY_MID, contract.PRIORITY_BATCH, contract.PRIORITY_FREE)
    return priority is not None and _is_in(priority, *bands)


def _is_in(priority: int, *bands: tuple[int, int]) -> bool:
    return any(low <= priority <= high for low, high in bands)


def _by_namespace(namespace_labels: Mapping[str, str], warnings: tuple[str, ...]) -> Classified:
    value = namespace_labels.get(contract.LABEL_QOS_CLASS, "")
    if value in _CAREFUL:
        return Classified(value, True, "", warnings, f"{value} by its namespace's default")
    if value:
        said = f"the namespace's {contract.LABEL_QOS_CLASS}={_shown(value)} is not known"
        warnings = (*warnings, said)
    return Classified(contract.QOS_LS, False, "", warnings, "LS, as nobody says otherwise")


def _shown(value: str) -> str:
    """A tenant's text, short and without control characters."""
    return repr(value[:40])
