"""Jobs: all pods that run at one time start together.

Source: batch/v1. That a Job is admitted whole is Kueue's rule too; its annotation
kueue.x-k8s.io/job-min-parallelism, or our slacktide.io/gang-min-available on the Job, lets it start
with fewer. Indexed or not makes no difference. A Job that is suspended has no pods, and waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.shape import (
    Groups,
    Key,
    Membership,
    Outcome,
    Shape,
    WayIn,
    absent,
    annotation,
    suspended,
    whole_number,
)
from slacktide.contract import (
    ANNOTATION_GANG_MIN,
    KUEUE_MIN_PARALLELISM,
    LABEL_QOS_CLASS,
    QOS_BE,
    SCHEDULER_OFFLINE,
)
from slacktide.errors import BadInput
from slacktide.kube.groups import Job, JobSpec
from slacktide.kube.objects import Pod

_ENDED: Final = {"Complete": "is complete", "Failed": "has failed"}


def membership(pod: Pod) -> Membership | None:
    """By owner."""
    for owner in pod.metadata.owner_references:
        if owner.controller and owner.kind == "Job" and owner.api_version.startswith("batch/"):
            return Membership(pod.metadata.namespace, owner.name)
    return None


def shape(key: Key, _pods: Sequence[Pod], groups: Groups) -> Shape:
    """As the Job says; what has succeeded is needed no more."""
    job = groups.jobs.get((key.namespace, key.name))
    if job is None:
        return absent("Job", key)
    deadline_s = job.spec.active_deadline_seconds
    most = at_once(job.spec, succeeded=job.status.succeeded)
    try:
        least = min(_least(job) or most, most)
    except BadInput as why:
        return Shape(group=job.metadata, problem=str(why))
    return Shape(
        least=least,
        most=most,
        group=job.metadata,
        limit_s=None if deadline_s is None else float(deadline_s),
        suspended=job.spec.suspend,
        outcome=outcome(job),
        problem=suspended("Job", key) if job.spec.suspend else "",
    )


def at_once(spec: JobSpec, *, succeeded: int = 0) -> int:
    """How many of its pods run at one time."""
    parallelism = 1 if spec.parallelism is None else spec.parallelism
    if spec.completions is None:
        return max(parallelism, 1)
    return max(min(parallelism, spec.completions - succeeded), 1)


def outcome(job: Job) -> Outcome | None:
    """How it ended, if it did."""
    for one in job.status.conditions:
        if one.status == "True" and one.type in {"Complete", "Failed"}:
            said = f"Job {job.metadata.namespace}/{job.metadata.name} {_ENDED[one.type]}"
            return Outcome(one.type == "Complete", f"{said}: {one.reason}" if one.reason else said)
    return None


def is_offline(job: Job) -> bool:
    """Whether its pods will be ours."""
    template = job.spec.template
    marked = (template.metadata.labels or {}).get(LABEL_QOS_CLASS) == QOS_BE
    return marked or template.spec.scheduler_name == SCHEDULER_OFFLINE


def _least(job: Job) -> int | None:
    for name in (ANNOTATION_GANG_MIN, KUEUE_MIN_PARALLELISM):
        text = annotation(job.metadata, name)
        if text:
            where = f"{name} of Job {job.metadata.namespace}/{job.metadata.name}"
            return whole_number(text, where=where)
    return None


JOB: Final = WayIn("job", membership, shape)
