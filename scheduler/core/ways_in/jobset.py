"""JobSets: all replicated jobs start together, each a role.

Source: jobset api/v1alpha2. Pods carry the names of their JobSet and replicated job as labels; how
many there are says the JobSet (replicas x the pods that a Job runs at once). Where jobs start in
order (startupPolicy InOrder, or dependsOn), the later ones have no pods before the earlier ones
run: then a role is needed only once it has pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.job import at_once
from scheduler.core.ways_in.shape import (
    Groups,
    Key,
    Membership,
    Shape,
    Wanted,
    WayIn,
    absent,
    label,
    suspended,
)
from slacktide.contract import JOBSET, JOBSET_ROLE
from slacktide.kube.groups import JobSetSpec, ReplicatedJob
from slacktide.kube.objects import Pod


def membership(pod: Pod) -> Membership | None:
    """By label."""
    gang = label(pod, JOBSET)
    return Membership(pod.metadata.namespace, gang, label(pod, JOBSET_ROLE)) if gang else None


def shape(key: Key, pods: Sequence[Pod], groups: Groups) -> Shape:
    """As the JobSet says."""
    found = groups.jobsets.get((key.namespace, key.name))
    if found is None:
        return absent("JobSet", key)
    there = {label(pod, JOBSET_ROLE) for pod in pods}
    wanted = tuple(_wanted(job, found.spec, there) for job in found.spec.replicated_jobs)
    return Shape(
        least=max(sum(role.least for role in wanted), 1),
        wanted=wanted,
        group=found.metadata,
        suspended=found.spec.suspend,
        problem=suspended("JobSet", key) if found.spec.suspend else "",
    )


def _wanted(job: ReplicatedJob, spec: JobSetSpec, there: set[str]) -> Wanted:
    count = max(job.replicas, 0) * at_once(job.template.spec)
    policy = spec.startup_policy
    in_order = policy is not None and policy.startup_policy_order == "InOrder"
    comes_later = (in_order or bool(job.depends_on)) and job.name not in there
    return Wanted(job.name, 0 if comes_later else count, count)


JOBSET_WAY: Final = WayIn("jobset", membership, shape)
