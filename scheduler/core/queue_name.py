"""Which queue a gang waits in: our label says, else Kueue's, Volcano's queue, Koordinator's quota.

Each is looked for on the pods, the oldest first, and then on the group's object, because Kueue
labels the Job and not its pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

from scheduler.core.ways_in.shape import Shape
from slacktide.contract import (
    DEFAULT_QUEUE,
    KOORDINATOR_QUOTA,
    KUEUE_QUEUE,
    LABEL_QUEUE,
    VOLCANO_QUEUE,
    VOLCANO_QUEUE_ANNOTATION,
)
from slacktide.kube.objects import Meta, Pod

_BEFORE_VOLCANO: Final = (LABEL_QUEUE, KUEUE_QUEUE)
_AFTER: Final = (VOLCANO_QUEUE, VOLCANO_QUEUE_ANNOTATION, KOORDINATOR_QUOTA)


def queue_of(pods: Sequence[Pod], shape: Shape) -> str:
    """Its name, which need not be that of a queue that exists."""
    metas = [pod.metadata for pod in pods] + ([shape.group] if shape.group is not None else [])
    named = chain(
        (_said(metas, name) for name in _BEFORE_VOLCANO),
        (shape.queue,),
        (_said(metas, name) for name in _AFTER),
    )
    return next(filter(None, named), DEFAULT_QUEUE)


def _said(metas: Sequence[Meta], name: str) -> str:
    for meta in metas:
        said = (meta.labels or {}).get(name) or (meta.annotations or {}).get(name)
        if said:
            return said
    return ""
