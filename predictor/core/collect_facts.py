"""What is known of containers and nodes beside their use.

What a server does not say is unknown, never 0. Of two values for one thing the larger is kept: two
servers that see one cluster differ by a scrape.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from predictor.core.collect_answers import Answer
from predictor.core.collect_owners import Name, Owner, owners
from predictor.core.collect_queries import Ask
from predictor.core.collect_settings import CollectSettings

PREFIX: Final = "label_"  # kube-state-metrics' own, before each label of a pod
PERCENT: Final = 100.0

Key = tuple[str, ...]  # namespace, pod, perhaps container
Labels = Mapping[str, str]
Resources = Mapping[tuple[str, ...], float]  # by (..., resource), in cores or bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a stretch's pods and nodes."""

    owner: Mapping[Name, Owner] = field(default_factory=dict)
    node: Mapping[Key, str] = field(default_factory=dict)
    image: Mapping[Key, str] = field(default_factory=dict)
    labels: Mapping[Key, str] = field(default_factory=dict)
    requests: Resources = field(default_factory=dict)
    pod_requests: Resources = field(default_factory=dict)
    limits: Resources = field(default_factory=dict)
    heap_bytes: Mapping[Key, float] = field(default_factory=dict)
    targets: Mapping[tuple[str, Owner, str], tuple[str, float]] = field(default_factory=dict)
    """By namespace, what is scaled, and resource: the kind of target, and its value."""
    nodes: Resources = field(default_factory=dict)

    def container(self, name: Key) -> dict[str, object]:
        """The columns of `CONTAINERS` that are known of a container; the others are null."""
        pod = name[0], name[1]
        owner = self.owner.get(pod)
        return {
            "workload": owner and owner.name,
            "kind": owner and owner.kind,
            "node": self.node.get(pod),
            "image": self.image.get(name),
            "labels": self.labels.get(pod),
            "cpu_request_cores": self.requests.get((*name, "cpu")),
            "cpu_limit_cores": self.limits.get((*name, "cpu")),
            "memory_request_bytes": self.requests.get((*name, "memory")),
            "memory_limit_bytes": self.limits.get((*name, "memory")),
            "hpa_cpu_target_share": self._target(pod, owner, "cpu"),
            "hpa_memory_target_share": self._target(pod, owner, "memory"),
            "jvm_heap_bytes": self.heap_bytes.get(name),
        }

    def _target(self, pod: Name, owner: Owner | None, resource: str) -> float | None:
        """A share of the request; an amount per pod is one of what the pod requests."""
        if owner is None:
            return None
        kind, value = self.targets.get((pod[0], owner, resource), ("", 0.0))
        if kind == "utilization":
            return value / PERCENT
        asked = self.pod_requests.get((*pod, resource), 0.0) if kind == "average" else 0.0
        return value / asked if asked > 0 else None


def facts(answers: Mapping[Ask, Answer], settings: CollectSettings) -> Facts:
    """Puts the answers together; a question that was not asked leaves its facts unknown."""
    s = settings

    def of(ask: Ask) -> Iterable[tuple[Labels, float]]:
        return answers[ask].last() if ask in answers else ()

    pod = _reads(s.owner_namespace_label, s.owner_pod_label)
    container = _reads(s.owner_namespace_label, s.owner_pod_label, s.owner_container_label)
    size = _reads(
        s.owner_namespace_label, s.owner_pod_label, s.owner_container_label, s.resource_label
    )
    node = _reads(s.owner_node_label, s.resource_label)
    requests = _largest(of(Ask.REQUESTS), size)
    return Facts(
        owner=owners(answers, s),
        node=_words(of(Ask.POD_INFO), pod, s.owner_node_label),
        image=_words(of(Ask.IMAGE), container, s.image_label),
        labels=dict(_labels(of(Ask.LABELS), pod)),
        requests=requests,
        pod_requests=_of_pods(requests),
        limits=_largest(of(Ask.LIMITS), size),
        heap_bytes=_heaps(of(Ask.JVM_OLD_HEAP), s) | _heaps(of(Ask.JVM_HEAP), s),
        targets=_targets(of(Ask.HPA_TARGET), of(Ask.HPA_INFO), s),
        nodes=_largest(of(Ask.CAPACITY), node) | _largest(of(Ask.ALLOCATABLE), node),
    )


def _reads(*labels: str) -> Callable[[Labels], Key]:
    return lambda found: tuple(found.get(label, "") for label in labels)


def _words(
    lines: Iterable[tuple[Labels, float]], key: Callable[[Labels], Key], label: str
) -> dict[Key, str]:
    """A label by key; of several the last in order, and none for an empty one."""
    found: dict[Key, str] = {}
    for labels, _ in lines:
        word = labels.get(label, "")
        if word:
            found[key(labels)] = max(word, found.get(key(labels), ""))
    return found


def _largest(
    lines: Iterable[tuple[Labels, float]], key: Callable[[Labels], Key]
) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for labels, value in lines:
        if np.isfinite(value) and value >= 0:
            found[key(labels)] = max(value, found.get(key(labels), 0.0))
    return found


def _of_pods(requests: Resources) -> dict[Key, float]:
    """What the containers of a pod ask for together."""
    found: dict[Key, float] = {}
    for (namespace, pod, _, resource), size in requests.items():
        found[namespace, pod, resource] = found.get((namespace, pod, resource), 0.0) + size
    return found


def _labels(
    lines: Iterable[tuple[Labels, float]], key: Callable[[Labels], Key]
) -> Iterable[tuple[Key, str]]:
    for labels, _ in lines:
        own = {k.removeprefix(PREFIX): v for k, v in labels.items() if k.startswith(PREFIX)}
        if own:
            yield key(labels), json.dumps(own, sort_keys=True, ensure_ascii=False)


def _heaps(lines: Iterable[tuple[Labels, float]], settings: CollectSettings) -> dict[Key, float]:
    """The pools of a heap added up: where one holds all, the others are without bound (-1)."""
    s = settings
    pools = _largest(
        lines, _reads(s.namespace_label, s.pod_label, s.container_label, s.jvm_pool_label)
    )
    found: dict[Key, float] = {}
    for (namespace, pod, container, _), size in pools.items():
        name = (namespace, pod, container)
        found[name] = found.get(name, 0.0) + size
    return {name: size for name, size in found.items() if size > 0}


def _targets(
    targets: Iterable[tuple[Labels, float]],
    infos: Iterable[tuple[Labels, float]],
    settings: CollectSettings,
) -> dict[tuple[str, Owner, str], tuple[str, float]]:
    s = settings
    place = _reads(s.owner_namespace_label, s.hpa_label)
    scaled = {
        place(labels): Owner(labels.get(s.hpa_kind_label, ""), labels.get(s.hpa_name_label, ""))
        for labels, _ in infos
    }
    sizes = _largest(
        targets,
        _reads(s.owner_namespace_label, s.hpa_label, s.hpa_metric_label, s.hpa_type_label),
    )
    return {
        (namespace, scaled[namespace, name], metric): (kind, value)
        for (namespace, name, metric, kind), value in sorted(sizes.items())
        if (namespace, name) in scaled and metric in {"cpu", "memory"}
    }
