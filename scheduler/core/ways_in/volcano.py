"""Volcano's PodGroup: an annotation of the pod names it, the task-spec is the pod's role.

Source: volcano apis scheduling/v1beta1 (minMember, minTaskMember, queue, networkTopology) and
batch/v1alpha1 (labels of a vcjob's pods). Topology in tiers of HyperNodes is not read: these are
Volcano's own objects, and the note says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.shape import (
    MOST_MEMBERS,
    Groups,
    Key,
    Membership,
    Shape,
    Wanted,
    WayIn,
    absent,
    annotation,
)
from slacktide.contract import VOLCANO_GROUP, VOLCANO_GROUP_NEW
from slacktide.kube.objects import Pod


def membership(pod: Pod) -> Membership | None:
    """By annotation, the newer spelling first."""
    meta = pod.metadata
    gang = annotation(meta, VOLCANO_GROUP_NEW) or annotation(meta, VOLCANO_GROUP)
    return Membership(meta.namespace, gang) if gang else None


def shape(key: Key, _pods: Sequence[Pod], groups: Groups) -> Shape:
    """As the object says."""
    found = groups.volcano.get((key.namespace, key.name))
    if found is None:
        return absent("PodGroup (scheduling.volcano.sh)", key)
    spec = found.spec
    tasks = sorted((spec.min_task_member or {}).items())
    wanted = tuple(Wanted(task, least, MOST_MEMBERS) for task, least in tasks if least > 0)
    tiers = "its networkTopology counts tiers of HyperNodes, which are not read here"
    return Shape(
        least=max(spec.min_member, sum(role.least for role in wanted), 1),
        wanted=wanted,
        group=found.metadata,
        queue=spec.queue,
        notes=(tiers,) if spec.network_topology is not None else (),
    )


VOLCANO: Final = WayIn("volcano", membership, shape)
