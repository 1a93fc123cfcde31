"""Gangs out of pods and group objects, whichever way they were told: one internal model.

    order.gang_key(pod)              which gang, from the pod alone: for an index over pods
    gang_of(key, pods, groups)       that gang
    gangs_of(pods, groups)           all of them, and the Jobs that wait without pods

Always holds: a pod is in one gang and in one of its roles; a gang is ready when every role has its
least, nothing is wrong with it and nobody else holds it back; where it is not, `reason` is one
sentence that says what it waits for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from scheduler.core.queue_name import queue_of
from scheduler.core.roles import LEADERS, Role, roles_of
from scheduler.core.ways_in.job import JOB, is_offline, outcome
from scheduler.core.ways_in.order import WAYS, gang_key, rivals
from scheduler.core.ways_in.shape import Groups, Key, Near, Outcome, Shape, annotation
from slacktide.contract import (
    ANNOTATION_DURATION,
    ANNOTATION_SUBMITTED,
    ANNOTATION_TIME_LIMIT,
    KUEUE_GATE,
    KUEUE_ONE_DOMAIN,
    KUEUE_RATHER_ONE_DOMAIN,
)
from slacktide.durations import parse_duration_s
from slacktide.kube.groups import Job
from slacktide.kube.objects import Meta, Pod

SETTLES_S: Final = 5.0  # an operator that makes pods at one go makes the next one sooner


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """Pods that start together."""

    key: Key
    queue: str
    roles: tuple[Role, ...]
    priority: int
    submit_s: float  # since the epoch: what its pods keep of it, else as `made_s`
    made_s: float  # since the epoch: the oldest of its object and the pods that are there
    duration_s: float | None  # as its owner expects it
    limit_s: float | None  # it may run so long
    wait_s: float | None  # placed members may wait so long for the others
    near: Near | None
    suspended: bool
    owned: bool  # somebody makes new pods where some end
    outcome: Outcome | None
    ready: bool
    reason: str  # why not ready, else empty
    ready_at_s: float | None  # by time alone, where only time is missing
    notes: tuple[str, ...]  # what was odd about it, and what was made of that

    @property
    def id(self) -> str:
        """Unique among gangs: the way in, the namespace and the name."""
        return "/".join(self.key)

    @property
    def least(self) -> int:
        """Pods that it needs."""
        return sum(role.least for role in self.roles)

    @property
    def have(self) -> int:
        """Pods that it may count on."""
        return sum(role.have for role in self.roles)

    @property
    def started(self) -> int:
        """Pods that have their place, or are done."""
        return sum(role.started for role in self.roles)

    @property
    def whole(self) -> bool:
        """Whether all that it needs have their place."""
        return self.started > 0 and all(role.needs == 0 for role in self.roles)

    @property
    def failed(self) -> int:
        """Pods that have failed and are still there."""
        return sum(member.phase == "Failed" for role in self.roles for member in role.members)


def gangs_of(pods: Iterable[Pod], groups: Groups, *, now_s: float) -> list[Gang]:
    """All gangs of these pods, and the offline Jobs that have none, the oldest first.

    `now_s` is since the epoch.
    """
    by_key: dict[Key, list[Pod]] = {}
    for pod in pods:
        by_key.setdefault(gang_key(pod), []).append(pod)
    for job in groups.jobs.values():
        if is_offline(job) and outcome(job) is None and not _made_by_another(job):
            by_key.setdefault(Key(JOB.source, job.metadata.namespace, job.metadata.name), [])
    found = [gang_of(key, own, groups, now_s=now_s) for key, own in by_key.items()]
    return sorted(found, key=lambda gang: (gang.submit_s, gang.key))


def gang_of(key: Key, pods: Sequence[Pod], groups: Groups, *, now_s: float) -> Gang:
    """The gang of these pods, which all have this key. Pods that are being deleted do not count."""
    there = sorted(
        (pod for pod in pods if pod.metadata.deletion_timestamp is None),
        key=lambda pod: (created_s(pod.metadata), pod.metadata.name),
    )
    way = WAYS[key.source]
    shape = way.shape(key, there, groups)
    roles = roles_of(there, shape, way)
    metas = [pod.metadata for pod in there] + ([shape.group] if shape.group is not None else [])
    settled_s = max((created_s(meta) for meta in metas), default=now_s) + SETTLES_S
    reason = _why_not(shape, roles)
    only_time = not reason and shape.settles and now_s < settled_s
    duration_s, limit_s, notes = _times(metas, there, shape)
    made_s = min((created_s(meta) for meta in metas), default=now_s)
    return Gang(
        key=key,
        queue=queue_of(there, shape),
        roles=roles,
        priority=_priority(there, shape),
        submit_s=min([made_s, *(kept_age_s(pod.metadata) or made_s for pod in there)]),
        made_s=made_s,
        duration_s=duration_s,
        limit_s=limit_s,
        wait_s=shape.wait_s,
        near=shape.near or _near(metas),
        suspended=shape.suspended,
        owned=any(one.controller for pod in there for one in pod.metadata.owner_references),
        outcome=shape.outcome or _ended(roles, there),
        ready=not reason and not only_time,
        reason="its last pod came a moment ago: more may follow" if only_time else reason,
        ready_at_s=settled_s if only_time else None,
        notes=shape.notes + notes + _conflicts(there, key),
    )


def created_s(meta: Meta) -> float:
    """When an object was created, since the epoch; 0 where it does not say."""
    return _stamp_s(meta.creation_timestamp)


def kept_age_s(meta: Meta) -> float:
    """Since when a pod's task waits, where it is for one that was there before; else 0."""
    return _stamp_s(annotation(meta, ANNOTATION_SUBMITTED))


@lru_cache(maxsize=10_000)  # many objects are created in one second
def _stamp_s(text: str | None) -> float:
    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _why_not(shape: Shape, roles: Sequence[Role]) -> str:
    if shape.problem:
        return shape.problem
    short = [role for role in roles if role.have < role.least]
    if not short:
        return ""
    gates = Counter(gate for role in roles for one in role.members for gate in one.held)
    if gates:
        gate, held = gates.most_common(1)[0]
        who = "Kueue" if gate == KUEUE_GATE else f"whoever set the gate {gate}"
        return f"waits for {who} to let {held} of its pods go"
    have = sum(min(role.have, role.least) for role in roles)
    least = sum(role.least for role in roles)
    if len(roles) == 1 or not short[0].name:
        return f"has {have} of {least} pods"
    one = short[0]
    return f"has {one.have} of {one.least} pods of role {one.name}, {have} of {least} in all"


def _ended(roles: Sequence[Role], pods: Sequence[Pod]) -> Outcome | None:
    """What its pods say: done with its leader, or when all are done; failed if nobody makes new."""
    for role in roles:
        if role.name in LEADERS and {one.phase for one in role.members} == {"Succeeded"}:
            return Outcome(True, f"its {role.name} is done")
    phases = {pod.status.phase for pod in pods}
    if phases == {"Succeeded"} and len(pods) >= sum(role.least for role in roles):
        return Outcome(True, "all its pods are done")
    owned = any(one.controller for pod in pods for one in pod.metadata.owner_references)
    if "Failed" in phases and phases <= {"Succeeded", "Failed"} and not owned:
        failed = next(pod for pod in pods if pod.status.phase == "Failed")
        return Outcome(False, f"pod {failed.metadata.name} has failed")
    return None


def _priority(pods: Sequence[Pod], shape: Shape) -> int:
    """The group's; else the highest of its pods', so that no driver waits for its workers."""
    if shape.priority is not None:
        return shape.priority
    return max((pod.spec.priority for pod in pods), default=0)


def _times(
    metas: Sequence[Meta], pods: Sequence[Pod], shape: Shape
) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Expected duration, the tightest of all time limits, and what could not be read."""
    duration_s, first = _stated_s(metas, ANNOTATION_DURATION)
    own_s, second = _stated_s(metas, ANNOTATION_TIME_LIMIT)
    limits = [shape.limit_s, own_s, *(pod.spec.active_deadline_seconds for pod in pods)]
    tightest = min((float(limit) for limit in limits if limit is not None), default=None)
    return duration_s, tightest, first + second


def _stated_s(metas: Sequence[Meta], name: str) -> tuple[float | None, tuple[str, ...]]:
    """The longest that is stated."""
    found: list[float] = []
    notes: list[str] = []
    for text in {annotation(meta, name) for meta in metas} - {""}:
        try:
            found.append(float(parse_duration_s(text)))
        except ValueError as why:
            notes.append(f"{name} is ignored: {str(why)[:120]}")
    return max(found, default=None), tuple(notes)


def _near(metas: Sequence[Meta]) -> Near | None:
    """One domain, as Kueue's annotations of pods or their group ask for it."""
    for name, required in ((KUEUE_ONE_DOMAIN, True), (KUEUE_RATHER_ONE_DOMAIN, False)):
        for meta in metas:
            if annotation(meta, name):
                return Near(annotation(meta, name), required)
    return None


def _conflicts(pods: Sequence[Pod], key: Key) -> tuple[str, ...]:
    others = dict.fromkeys(said for pod in pods[:1] for said in rivals(pod, key))
    return tuple(f"named twice: {said}, but {key.source} counts" for said in others)


def _made_by_another(job: Job) -> bool:
    """Whether an owner with a way in of its own made the Job; CronJobs have none."""
    return any(
        owner.controller and owner.kind != "CronJob" for owner in job.metadata.owner_references
    )
