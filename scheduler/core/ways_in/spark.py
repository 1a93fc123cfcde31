"""Spark on Kubernetes: the driver starts first, its executors join it as they come.

Source: Spark's own labels spark-app-selector and spark-role (spark-operator pkg/common). A driver
creates its executors only once it runs, so by labels alone no number of them can be waited for; who
wants driver and executors to start together gives a gang by annotation.
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
    label,
)
from slacktide.contract import SPARK_APPLICATION, SPARK_ROLE
from slacktide.kube.objects import Pod

DRIVER: Final = "driver"
EXECUTOR: Final = "executor"


def membership(pod: Pod) -> Membership | None:
    """By label."""
    gang, role = label(pod, SPARK_APPLICATION), label(pod, SPARK_ROLE)
    if not gang or role not in {DRIVER, EXECUTOR}:
        return None
    return Membership(pod.metadata.namespace, gang, role)


def shape(_key: Key, pods: Sequence[Pod], _groups: Groups) -> Shape:
    """A driver, if it runs in the cluster at all, and any number of executors."""
    roles = {label(pod, SPARK_ROLE) for pod in pods}
    driver = (Wanted(DRIVER, 1, 1),) if DRIVER in roles else ()
    return Shape(least=1, wanted=(*driver, Wanted(EXECUTOR, 0, MOST_MEMBERS)))


SPARK: Final = WayIn("spark", membership, shape)
