"""What each way in says of a gang, in one vocabulary.

A way in answers from the pod alone which gang it belongs to, so that pods can be indexed by their
gang as they come; what the gang needs is asked once a gang, with the group's object at hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from slacktide.errors import BadInput
from slacktide.kube.groups import (
    CoschedulingPodGroup,
    Job,
    JobSet,
    NativePodGroup,
    RayCluster,
    VolcanoPodGroup,
)
from slacktide.kube.objects import Meta, Pod

Named = tuple[str, str]  # an object's namespace and name
LONGEST_NAME: Final = 253  # of anything in Kubernetes
MOST_MEMBERS: Final = 1_000_000


class Key(NamedTuple):
    """Which gang; the namespace is empty where a gang spans several."""

    source: str
    namespace: str
    name: str


class Membership(NamedTuple):
    """What one pod is in its gang."""

    namespace: str
    gang: str
    role: str = ""


class Near(NamedTuple):
    """The whole gang in one domain, which is one value of a node's label; or else a wish for it."""

    topology_key: str
    required: bool


class Outcome(NamedTuple):
    """How a gang ended."""

    done: bool  # else it has failed
    reason: str


class Wanted(NamedTuple):
    """Pods of one role: at least so many or the gang does not start, and at most so many."""

    role: str
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Groups:
    """The group objects that are known, by namespace and name."""

    native: Mapping[Named, NativePodGroup] = field(default_factory=dict)
    coscheduling: Mapping[Named, CoschedulingPodGroup] = field(default_factory=dict)
    volcano: Mapping[Named, VolcanoPodGroup] = field(default_factory=dict)
    jobs: Mapping[Named, Job] = field(default_factory=dict)
    jobsets: Mapping[Named, JobSet] = field(default_factory=dict)
    ray_clusters: Mapping[Named, RayCluster] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a gang needs.

    `least` and `most` count pods of any role; `wanted` says more where roles have their own
    numbers. A `problem` keeps the gang from starting, a note does not.
    """

    least: int = 1
    most: int | None = None  # nobody said: as many as there are
    wanted: tuple[Wanted, ...] = ()
    group: Meta | None = None  # the object's, for its labels, annotations and age
    queue: str = ""
    priority: int | None = None
    wait_s: float | None = None  # how long placed members may wait for the others
    limit_s: float | None = None  # how long it may run
    near: Near | None = None
    settles: bool = False  # nobody says how many: what is there a moment after the last one came
    suspended: bool = False  # by its owner: its pods are gone until it is resumed
    outcome: Outcome | None = None  # as its owner says
    problem: str = ""
    notes: tuple[str, ...] = ()


class WayIn(NamedTuple):
    """One of them."""

    source: str
    membership: Callable[[Pod], Membership | None]
    shape: Callable[[Key, Sequence[Pod], Groups], Shape]


def label(pod: Pod, name: str) -> str:
    """The value of a pod's label, empty where it has none."""
    return (pod.metadata.labels or {}).get(name, "")


def annotation(meta: Meta | None, name: str) -> str:
    """The value of an object's annotation, empty where it has none."""
    return (meta.annotations or {}).get(name, "") if meta is not None else ""


def labelled(name: str) -> Callable[[Pod], Membership | None]:
    """Membership by a label that names the gang."""

    def membership(pod: Pod) -> Membership | None:
        gang = label(pod, name)
        return Membership(pod.metadata.namespace, gang) if gang else None

    return membership


def whole_number(text: str, *, where: str) -> int:
    """How many. Raises `BadInput`, which names the place."""
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= MOST_MEMBERS:
        shown = text if len(text) <= 40 else text[:40] + "..."
        raise BadInput(f"{where} is {shown!r}: write a whole number from 1 to {MOST_MEMBERS}")
    return int(text)


def stated(pods: Sequence[Pod], name: str) -> tuple[int | None, str]:
    """The number that the pods state in an annotation or label, and a note if they differ.

    The largest holds, so that nobody starts too small while pods of two versions are there.

    Raises:
        BadInput: one of them states no number.
    """
    texts = {
        text: pod for pod in pods if (text := annotation(pod.metadata, name) or label(pod, name))
    }
    numbers = {
        whole_number(text, where=f"{name} of pod {pod.metadata.namespace}/{pod.metadata.name}")
        for text, pod in texts.items()
    }
    if not numbers:
        return None, ""
    note = f"its pods differ in {name}: the largest holds" if len(numbers) > 1 else ""
    return max(numbers), note


def counted(pods: Sequence[Pod], *, least_name: str, most_name: str) -> Shape:
    """A shape from what the pods state: each number stands for the other where it is missing."""
    try:
        least, least_note = stated(pods, least_name)
        most, most_note = stated(pods, most_name) if most_name else (None, "")
    except BadInput as why:
        return Shape(problem=str(why))
    if least is None and most is None:
        return Shape(problem=f"its pods state no {least_name}")
    notes = tuple(note for note in (least_note, most_note) if note)
    return bounded(Shape(least=least or most or 1, most=most, notes=notes))


def bounded(shape: Shape) -> Shape:
    """The shape, or the one that says that it can never be met."""
    if shape.most is not None and shape.least > shape.most:
        problem = f"it needs {shape.least} pods but says that it has {shape.most} in all"
        return Shape(group=shape.group, queue=shape.queue, problem=problem, notes=shape.notes)
    return shape


def suspended(kind: str, key: Key) -> str:
    """Why such a gang waits."""
    return f"{kind} {key.namespace}/{key.name} is suspended"


def absent(kind: str, key: Key) -> Shape:
    """The shape of a gang whose object is not known."""
    return Shape(problem=f"there is no {kind} {key.namespace}/{key.name}")
