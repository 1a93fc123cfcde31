"""Kueue's plain pod groups: a label names one, an annotation says how many pods it has.

Source: kueue, "Run plain Pods" (pod-group-name, pod-group-total-count). All of them start, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.shape import Groups, Key, Shape, WayIn, counted, labelled
from slacktide.contract import KUEUE_GROUP, KUEUE_GROUP_TOTAL
from slacktide.kube.objects import Pod


def shape(_key: Key, pods: Sequence[Pod], _groups: Groups) -> Shape:
    """As its pods say."""
    return counted(pods, least_name=KUEUE_GROUP_TOTAL, most_name=KUEUE_GROUP_TOTAL)


KUEUE: Final = WayIn("kueue", labelled(KUEUE_GROUP), shape)
