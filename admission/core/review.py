"""The review of one new pod: what it is, what changes, and why.

Always holds: no pod makes it fail (what cannot be read is left untouched, with a warning: the API
server judges shapes, not we); reviewing the patched pod again gives an empty patch; an unrelated
pod is not touched at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from admission.core.batch import as_batch
from admission.core.classify import Classified, classify
from admission.core.patch import Operation, difference, with_value
from admission.core.pod import Pod, read_pod
from admission.core.policy import Policy
from admission.core.rightsize import right_sized
from slacktide import contract
from slacktide.errors import BadInput
from slacktide.messages import Recommendation

# The API server cuts a warning at 256 characters.
_WARNING_CHARACTERS = 256
_REASON_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Review:
    """The answer to one AdmissionReview."""

    allowed: bool
    pod_class: str
    """One of `contract.QOS_CLASSES`; empty where the pod could not be read."""
    patch: tuple[Operation, ...]
    warnings: tuple[str, ...]
    reason: str


def review(
    pod: object,
    *,
    policy: Policy,
    namespace_labels: Mapping[str, str],
    recommendations: Iterable[Recommendation] = (),
    scaled_on: frozenset[str] = frozenset(),
    by_planner: bool = False,
) -> Review:
    """What to do with a new pod.

    Args:
        pod: the AdmissionReview's object, as parsed from JSON.
        policy: the operator's settings.
        namespace_labels: the namespace's labels from the cache, never from the request.
        recommendations: of the pod's workload, one a container; none where there are none.
        scaled_on: resources that an autoscaler of the workload steers by.
        by_planner: whether the request is of the planner's account: its copy of a pod keeps what
            it says of it; nobody else's new pod says anything in the planner's name.
    """
    try:
        read = read_pod(pod)
    except BadInput as error:
        return _untouched("", f"left untouched, {error}", warn=True)
    if contract.ANNOTATION_MIRROR_POD in read.annotations:
        return _untouched("", "left untouched, a static pod is the kubelet's own", warn=False)
    classified = classify(
        read, namespace_labels=namespace_labels, batch_priority_class=policy.batch_priority_class
    )
    if classified.conflict and policy.reject_conflicts:
        reason = f"refused: {classified.conflict}"
        return Review(False, classified.pod_class, (), _shortened(classified.warnings), reason)
    own = read if by_planner else _in_its_own_name(read)
    return _rewritten(
        own, classified, policy, tuple(recommendations), scaled_on, before=read.document
    )


def _rewritten(
    pod: Pod,
    classified: Classified,
    policy: Policy,
    recommendations: tuple[Recommendation, ...],
    scaled_on: frozenset[str],
    *,
    before: object,
) -> Review:
    warnings = classified.warnings
    reasons: tuple[str, ...] = (classified.reason,)
    document: object = pod.document
    if classified.pod_class == contract.QOS_BE:
        document, more = as_batch(pod, policy)
        warnings += more
    elif classified.pod_class == contract.QOS_LS:
        document, more = right_sized(pod, recommendations, scaled_on=scaled_on, policy=policy)
        reasons += more
    reason = "; ".join(reasons)
    patch = difference(before, _labelled(document, pod, classified, reason))
    return Review(True, classified.pod_class, patch, _shortened(warnings), reason)


def _in_its_own_name(pod: Pod) -> Pod:
    """Without what only the planner may say of a pod."""
    own = {
        name: said for name, said in pod.annotations.items() if name not in contract.PLANNERS_OWN
    }
    if len(own) == len(pod.annotations):
        return pod
    document = with_value(pod.document, ("metadata", "annotations"), own)
    return replace(pod, document=cast("Mapping[str, object]", document), annotations=own)


def _labelled(document: object, pod: Pod, classified: Classified, reason: str) -> object:
    """The class where the other rooms read it, and the reason beside what changed.

    A word of somebody else's in the label stays: we do not know what it means to them.
    """
    said = pod.labels.get(contract.LABEL_QOS_CLASS)
    is_ours = not said or said in contract.QOS_CLASSES
    if classified.is_said and is_ours and said != classified.pod_class:
        path = ("metadata", "labels", contract.LABEL_QOS_CLASS)
        document = with_value(document, path, classified.pod_class)
    if document is pod.document:
        return document
    path = ("metadata", "annotations", contract.ANNOTATION_REASON)
    return with_value(document, path, reason[:_REASON_CHARACTERS])


def _untouched(pod_class: str, reason: str, *, warn: bool) -> Review:
    return Review(True, pod_class, (), _shortened((reason,)) if warn else (), reason)


def _shortened(warnings: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(warning[:_WARNING_CHARACTERS] for warning in warnings)
