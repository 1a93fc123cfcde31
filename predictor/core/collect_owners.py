"""Whose a pod is: the workload at the top of its owners, from kube-state-metrics.

A pod without an owner is its own workload. A pod of which the server knows nothing has no workload:
a guess from its name would put two owners' histories together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from predictor.core.collect_answers import Answer
from predictor.core.collect_queries import Ask
from predictor.core.collect_settings import CollectSettings

Name = tuple[str, str]  # namespace and name


@dataclass(frozen=True, slots=True)
class Owner:
    """What made a thing."""

    kind: str
    name: str


def owners(answers: Mapping[Ask, Answer], settings: CollectSettings) -> dict[Name, Owner]:
    """By pod; a ReplicaSet's or Job's owner stands for it."""
    s = settings
    labels = {
        Ask.POD_OWNER: s.owner_pod_label,
        Ask.REPLICASET_OWNER: s.replicaset_label,
        Ask.JOB_OWNER: s.job_label,
    }
    pods, sets, jobs = (
        _owners(answers[ask], label, s) if ask in answers else {} for ask, label in labels.items()
    )
    above = {"ReplicaSet": sets, "Job": jobs}
    return {pod: _top(pod, owner, above) for pod, owner in pods.items()}


def _top(pod: Name, owner: Owner, above: Mapping[str, Mapping[Name, Owner]]) -> Owner:
    namespace, name = pod
    if not owner.name:
        return Owner("Pod", name)
    higher = above.get(owner.kind, {}).get((namespace, owner.name))
    return higher if higher is not None and higher.name else owner


def _owners(answer: Answer, label: str, settings: CollectSettings) -> dict[Name, Owner]:
    """By name; kube-state-metrics writes <none> for no owner, and any owner goes before it."""
    found: dict[Name, Owner] = {}
    for labels, _ in answer.last():
        kind, name = (
            labels.get(part, "").replace("<none>", "")
            for part in (settings.owner_kind_label, settings.owner_name_label)
        )
        key = labels.get(settings.owner_namespace_label, ""), labels.get(label, "")
        if key not in found or (name, kind) > (found[key].name, found[key].kind):
            found[key] = Owner(kind, name)
    return found
