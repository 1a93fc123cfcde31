"""slacktide's own annotations: a gang without any object, for pods from anywhere.

slacktide.io/gang-name names it within its namespace, -min-available and -total say how many; one
stands for both. Roles come from the labels of the frameworks, where there are any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.shape import Groups, Key, Membership, Shape, WayIn, annotation, counted
from slacktide.contract import ANNOTATION_GANG_MIN, ANNOTATION_GANG_NAME, ANNOTATION_GANG_TOTAL
from slacktide.kube.objects import Pod


def membership(pod: Pod) -> Membership | None:
    """By annotation."""
    gang = annotation(pod.metadata, ANNOTATION_GANG_NAME)
    return Membership(pod.metadata.namespace, gang) if gang else None


def shape(_key: Key, pods: Sequence[Pod], _groups: Groups) -> Shape:
    """As its pods say."""
    return counted(pods, least_name=ANNOTATION_GANG_MIN, most_name=ANNOTATION_GANG_TOTAL)


OURS: Final = WayIn("slacktide", membership, shape)
