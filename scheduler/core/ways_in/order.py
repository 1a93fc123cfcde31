"""Which way in counts where a pod is named by several: the first of these.

What somebody wrote to name a gang comes before what follows from who owns the pod, our own words
before the peers', and a field that Kubernetes checks before labels that nobody does. Among owners
the outermost counts: a JobSet before the Jobs that it made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.coscheduling import COSCHEDULING
from scheduler.core.ways_in.job import JOB
from scheduler.core.ways_in.jobset import JOBSET_WAY
from scheduler.core.ways_in.koordinator import KOORDINATOR, LIGHT
from scheduler.core.ways_in.kueue import KUEUE
from scheduler.core.ways_in.native import NATIVE
from scheduler.core.ways_in.ours import OURS
from scheduler.core.ways_in.ray import RAY
from scheduler.core.ways_in.shape import LONGEST_NAME, Groups, Key, Membership, Shape, WayIn
from scheduler.core.ways_in.spark import SPARK
from scheduler.core.ways_in.training import TRAINING
from scheduler.core.ways_in.volcano import VOLCANO
from slacktide.kube.objects import Pod


def _alone(pod: Pod) -> Membership:
    return Membership(pod.metadata.namespace, pod.metadata.name)


def _one(_key: Key, _pods: Sequence[Pod], _groups: Groups) -> Shape:
    return Shape(least=1, most=1)


NAMED: Final = (OURS, NATIVE, COSCHEDULING, KOORDINATOR, LIGHT, KUEUE, VOLCANO)
OWNED: Final = (JOBSET_WAY, RAY, SPARK, TRAINING, JOB)
BARE: Final = WayIn("pod", _alone, _one)
WAYS: Final = {way.source: way for way in (*NAMED, *OWNED, BARE)}


def gang_key(pod: Pod) -> Key:
    """Which gang a pod belongs to; fit for an index over pods.

    A name that is longer than any object's is none. (A bundle over namespaces has many in one.)
    """
    for way in (*NAMED, *OWNED):
        found = way.membership(pod)
        if found is not None and (len(found.gang) <= LONGEST_NAME or not found.namespace):
            return Key(way.source, found.namespace, found.gang)
    return Key(BARE.source, pod.metadata.namespace, pod.metadata.name)


def rivals(pod: Pod, key: Key) -> tuple[str, ...]:
    """The ways that name another gang for the pod than the one that counts."""
    named = [(way.source, way.membership(pod)) for way in NAMED if way.source != key.source]
    return tuple(
        f"{source} says {found.gang}"
        for source, found in named
        if found is not None and found.gang != key.name
    )
