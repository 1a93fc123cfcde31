"""Koordinator's gangs by annotation, and its two labels for a gang without an object.

Source: koordinator apis/extension/coscheduling.go. min-available is needed, total-number is the
same where it is missing; waiting-time is a duration as Go writes it. `groups` bundles gangs that
start together, over namespaces: such a bundle is one gang here, and each gang in it a role with its
own numbers. `mode` tells Koordinator what to release when a member does not fit; here nothing is
held before all fit, so both modes are the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import msgspec

from scheduler.core.ways_in.shape import (
    LONGEST_NAME,
    Groups,
    Key,
    Membership,
    Shape,
    Wanted,
    WayIn,
    annotation,
    counted,
    labelled,
)
from slacktide.contract import (
    KOORDINATOR_GANG,
    KOORDINATOR_GROUPS,
    KOORDINATOR_MIN,
    KOORDINATOR_TOTAL,
    KOORDINATOR_WAIT,
    LABEL_LIGHT_GROUP,
    LABEL_LIGHT_GROUP_MIN,
)
from slacktide.kube.objects import Pod

BETWEEN: Final = "+"  # of the names in a bundle; in no name of Kubernetes
MOST_BUNDLED: Final = 32  # gangs in one bundle
_UNIT_S: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h)")


def membership(pod: Pod) -> Membership | None:
    """By annotation; in a bundle the gang is the bundle, and the pod's own gang its role."""
    namespace = pod.metadata.namespace
    gang = annotation(pod.metadata, KOORDINATOR_GANG)
    if not gang:
        return None
    own = f"{namespace}/{gang}"
    bundle = _bundle(annotation(pod.metadata, KOORDINATOR_GROUPS))
    if len(bundle) < 2 or own not in bundle:
        return Membership(namespace, gang)
    return Membership("", BETWEEN.join(bundle), own)


def shape(key: Key, pods: Sequence[Pod], _groups: Groups) -> Shape:
    """As its pods say, gang by gang of a bundle."""
    found = _single(pods) if key.namespace else _bundled(key.name.split(BETWEEN), pods)
    waits = {annotation(pod.metadata, KOORDINATOR_WAIT) for pod in pods} - {""}
    seconds = [_seconds(text) for text in waits]
    known = [wait_s for wait_s in seconds if wait_s is not None]
    notes = () if len(known) == len(seconds) else (f"a {KOORDINATOR_WAIT} is no duration",)
    return replace(found, wait_s=max(known, default=None), notes=found.notes + notes)


def _single(pods: Sequence[Pod]) -> Shape:
    return counted(pods, least_name=KOORDINATOR_MIN, most_name=KOORDINATOR_TOTAL)


def _bundled(gangs: Sequence[str], pods: Sequence[Pod]) -> Shape:
    wanted: list[Wanted] = []
    for gang in gangs:
        own = [pod for pod in pods if _own_gang(pod) == gang]
        if not own:
            return Shape(problem=f"it starts together with {gang}, which has no pods yet")
        found = _single(own)
        if found.problem:
            return found
        wanted.append(Wanted(gang, found.least, found.most or max(found.least, len(own))))
    return Shape(least=sum(role.least for role in wanted), wanted=tuple(wanted))


def _own_gang(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{annotation(pod.metadata, KOORDINATOR_GANG)}"


@lru_cache(maxsize=10_000)
def _bundle(text: str) -> tuple[str, ...]:
    """The gangs that start together, sorted; none where the annotation is no such list."""
    if not text or len(text) > MOST_BUNDLED * 2 * LONGEST_NAME:
        return ()
    try:
        gangs = msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.DecodeError:
        return ()
    named = tuple(sorted(set(gangs)))
    return named if len(named) <= MOST_BUNDLED and BETWEEN not in "".join(named) else ()


def _seconds(text: str) -> float | None:
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


KOORDINATOR: Final = WayIn("koordinator", membership, shape)


def light_shape(_key: Key, pods: Sequence[Pod], _groups: Groups) -> Shape:
    """As the labels of its pods say."""
    return counted(pods, least_name=LABEL_LIGHT_GROUP_MIN, most_name="")


LIGHT: Final = WayIn("light", labelled(LABEL_LIGHT_GROUP), light_shape)
