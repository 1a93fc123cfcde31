"""Kubernetes' own PodGroup: spec.schedulingGroup.podGroupName of a pod names it.

Source: scheduling.k8s.io/v1alpha2 (Kubernetes 1.36, behind GenericWorkload and GangScheduling). A
group with the `basic` policy is no gang: its pods start one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.shape import (
    Groups,
    Key,
    Membership,
    Near,
    Shape,
    WayIn,
    absent,
    whole_number,
)
from slacktide.errors import BadInput
from slacktide.kube.objects import Pod


def membership(pod: Pod) -> Membership | None:
    """By the field that only Kubernetes itself checks."""
    group = pod.spec.scheduling_group
    if group is None or not group.pod_group_name:
        return None
    return Membership(pod.metadata.namespace, group.pod_group_name)


def shape(key: Key, _pods: Sequence[Pod], groups: Groups) -> Shape:
    """As the object says."""
    found = groups.native.get((key.namespace, key.name))
    if found is None:
        return absent("PodGroup (scheduling.k8s.io)", key)
    gang, wishes = found.spec.scheduling_policy.gang, found.spec.scheduling_constraints
    try:
        least = 1 if gang is None else whole_number(str(gang.min_count), where="minCount")
    except BadInput as why:
        return Shape(group=found.metadata, problem=str(why))
    keys = wishes.topology if wishes is not None else ()
    return Shape(
        least=least,
        group=found.metadata,
        priority=found.spec.priority,
        near=Near(keys[0].key, required=True) if keys else None,
    )


NATIVE: Final = WayIn("native", membership, shape)
