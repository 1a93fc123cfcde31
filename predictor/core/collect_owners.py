"""Whose a container is: workload, kind, node, requests and limits, from kube-state-metrics.

A pod without an owner is its own workload. A pod of which the server knows nothing has no workload:
a guess from its name would put two owners' histories together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from predictor.core.collect_answers import Series
from predictor.core.collect_queries import Ask
from predictor.core.collect_settings import CollectSettings

Name = tuple[str, str]  # namespace and name


@dataclass(frozen=True, slots=True)
class Owner:
    """What made a thing."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an hour's pods."""

    owner: Mapping[Name, Owner] = field(default_factory=dict)
    node: Mapping[Name, str] = field(default_factory=dict)
    sizes: Mapping[tuple[Name, str, str, Ask], float] = field(default_factory=dict)
    """By pod, container, resource, and whether request or limit."""

    def size(self, pod: Name, container: str, resource: str, ask: Ask) -> float:
        """A request or limit; NaN where none is declared."""
        return self.sizes.get((pod, container, resource, ask), float("nan"))


def facts(answers: Mapping[Ask, Sequence[Series]], settings: CollectSettings) -> Facts:
    """Puts the answers together; a ReplicaSet's or Job's owner stands for it."""
    s = settings
    pods = _owners(answers[Ask.POD_OWNER], s.owner_pod_label, s)
    above = {
        "ReplicaSet": _owners(answers[Ask.REPLICASET_OWNER], s.replicaset_label, s),
        "Job": _owners(answers[Ask.JOB_OWNER], s.job_label, s),
    }
    return Facts(
        owner={pod: _top(pod, owner, above) for pod, owner in pods.items()},
        node={
            _name(series, s.owner_pod_label, s): series.labels.get(s.owner_node_label, "")
            for series in answers[Ask.POD_INFO]
        },
        sizes=dict(_sizes(answers, s)),
    )


def _top(pod: Name, owner: Owner, above: Mapping[str, Mapping[Name, Owner]]) -> Owner:
    namespace, name = pod
    if not owner.name:
        return Owner("Pod", name)
    higher = above.get(owner.kind, {}).get((namespace, owner.name))
    return higher if higher is not None and higher.name else owner


def _owners(answer: Sequence[Series], label: str, settings: CollectSettings) -> dict[Name, Owner]:
    """By name; kube-state-metrics writes <none> for no owner, and any owner goes before it."""
    found: dict[Name, Owner] = {}
    for series in answer:
        kind, name = (
            series.labels.get(part, "").replace("<none>", "")
            for part in (settings.owner_kind_label, settings.owner_name_label)
        )
        key = _name(series, label, settings)
        if key not in found or (name, kind) > (found[key].name, found[key].kind):
            found[key] = Owner(kind, name)
    return found


def _sizes(
    answers: Mapping[Ask, Sequence[Series]], settings: CollectSettings
) -> Iterable[tuple[tuple[Name, str, str, Ask], float]]:
    for ask in (Ask.REQUESTS, Ask.LIMITS):
        for series in answers[ask]:
            value = float(series.values[-1]) if series.values.size else float("nan")
            if np.isfinite(value) and value >= 0:
                pod = _name(series, settings.owner_pod_label, settings)
                container = series.labels.get(settings.owner_container_label, "")
                resource = series.labels.get(settings.resource_label, "")
                yield (pod, container, resource, ask), value


def _name(series: Series, label: str, settings: CollectSettings) -> Name:
    return series.labels.get(settings.owner_namespace_label, ""), series.labels.get(label, "")
