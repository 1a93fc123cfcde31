"""PodGroups of the coscheduling plugin: the label scheduling.x-k8s.io/pod-group names one.

Source: scheduler-plugins apis/scheduling/v1alpha1 (minMember, scheduleTimeoutSeconds). Koordinator
reads the same object under its elder group, whose label is pod-group.scheduling.sigs.k8s.io, and
takes the total from its own annotation on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.shape import (
    Groups,
    Key,
    Membership,
    Shape,
    WayIn,
    absent,
    annotation,
    bounded,
    label,
    whole_number,
)
from slacktide.contract import KOORDINATOR_TOTAL, LABEL_POD_GROUP, LABEL_POD_GROUP_OLD
from slacktide.errors import BadInput
from slacktide.kube.objects import Pod


def membership(pod: Pod) -> Membership | None:
    """By label, the newer spelling first."""
    gang = label(pod, LABEL_POD_GROUP) or label(pod, LABEL_POD_GROUP_OLD)
    return Membership(pod.metadata.namespace, gang) if gang else None


def shape(key: Key, _pods: Sequence[Pod], groups: Groups) -> Shape:
    """As the object says; without a minMember, one pod is enough."""
    found = groups.coscheduling.get((key.namespace, key.name))
    if found is None:
        return absent("PodGroup (scheduling.x-k8s.io)", key)
    total, waits_s = (
        annotation(found.metadata, KOORDINATOR_TOTAL),
        found.spec.schedule_timeout_seconds,
    )
    try:
        most = whole_number(total, where=KOORDINATOR_TOTAL) if total else None
    except BadInput as why:
        return Shape(group=found.metadata, problem=str(why))
    return bounded(
        Shape(
            least=max(found.spec.min_member, 1),
            most=most,
            group=found.metadata,
            wait_s=None if waits_s is None else float(waits_s),
        )
    )


COSCHEDULING: Final = WayIn("coscheduling", membership, shape)
