"""The expressions that read a stretch of a cluster.

Usage is asked for series by series, as it was scraped: summing over labels costs a server five
times what finding and rating costs it (measured), and is done here in no time. Short rates come
once, for mean, p95 and highest alike. `rate` accounts for counters that began anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from predictor.core.collect_settings import HOUR_S, CollectSettings
from predictor.core.collect_windows import ENDINGS, Window


class Ask(Enum):
    """What one query is about."""

    NAMESPACES = "namespaces"
    CPU = "CPU"
    MEMORY = "memory"
    THROTTLED = "throttling"
    OOM_EVENTS = "OOM kills"
    OOM_RESTARTS = "restarts after OOM kills"
    POD_OWNER = "owners of pods"
    POD_INFO = "nodes of pods"
    REPLICASET_OWNER = "owners of ReplicaSets"
    JOB_OWNER = "owners of Jobs"
    REQUESTS = "requests"
    LIMITS = "limits"
    IMAGE = "images"
    LABELS = "labels"
    HPA_TARGET = "targets of autoscalers"
    HPA_INFO = "what autoscalers scale"
    JVM_HEAP = "heaps"
    JVM_OLD_HEAP = "heaps by their old name"
    ALLOCATABLE = "allocatable of nodes"
    CAPACITY = "capacity of nodes"


MEASURES: Final = (Ask.CPU, Ask.MEMORY, Ask.THROTTLED, Ask.OOM_EVENTS, Ask.OOM_RESTARTS)
FACTS: Final = tuple(ask for ask in Ask if ask not in {*MEASURES, Ask.NAMESPACES})


@dataclass(frozen=True, slots=True)
class Query:
    """A path under /api/v1 and its parameters."""

    path: str
    params: dict[str, str]


def every_s(ask: Ask, settings: CollectSettings) -> int:
    """Seconds between the points of an answer."""
    if ask is Ask.NAMESPACES:
        return HOUR_S
    return settings.burst_every_s if ask is Ask.CPU else settings.interval_s


def least_s(ask: Ask, window: Window, settings: CollectSettings) -> int:
    """What a window cannot be cut below: less time makes a fact's answer no smaller."""
    return window.to_s - window.from_s if ask in FACTS else settings.interval_s


def first_s(ask: Ask, window: Window, settings: CollectSettings) -> int:
    """The first stamp of an answer: short rates begin within the interval before the window."""
    if ask is Ask.CPU:
        return window.from_s - settings.interval_s + settings.burst_every_s
    if ask is Ask.NAMESPACES:
        return min(window.from_s + HOUR_S, window.to_s) - settings.interval_s
    return window.from_s


def query(ask: Ask, window: Window, settings: CollectSettings) -> Query:
    """The request that answers one question about a window."""
    last_s = window.to_s - settings.interval_s
    params = {"query": promql(ask, window, settings), "timeout": f"{settings.query_timeout_s}s"}
    if ask in FACTS:
        return Query("query", params | {"time": str(last_s)})
    stretch = {
        "start": str(first_s(ask, window, settings)),
        "end": str(last_s),
        "step": f"{every_s(ask, settings)}s",
    }
    return Query("query_range", params | stretch)


def needs(ask: Ask, settings: CollectSettings) -> frozenset[str]:
    """The metrics without which a question has no answer and is not asked."""
    s = settings
    found = {
        Ask.NAMESPACES: {s.cpu_metric},
        Ask.CPU: {s.cpu_metric},
        Ask.MEMORY: {s.memory_metric},
        Ask.THROTTLED: {s.throttled_metric, s.periods_metric},
        Ask.OOM_EVENTS: {s.oom_metric},
        Ask.OOM_RESTARTS: {s.terminated_metric, s.restarts_metric},
    }
    return frozenset(found[ask] if ask in found else {_facts(s)[ask][0]})


def metrics_query(settings: CollectSettings, window: Window) -> Query:
    """Which of all the metrics there were in a window; answered from the index alone."""
    names = sorted({name for ask in Ask for name in needs(ask, settings)})
    of_kills = f'{settings.reason_label}=~"|OOMKilled"'  # without one, restarts are of no interest
    chosen = [f'__name__=~"{"|".join(names)}"', of_kills, *_of_cluster(window, settings)]
    reach_s = window.from_s - settings.interval_s
    stretch = {"start": str(reach_s), "end": str(window.to_s)}
    return Query("label/__name__/values", {"match[]": f"{{{', '.join(chosen)}}}"} | stretch)


def clusters_query(settings: CollectSettings, *, from_s: int, to_s: int) -> Query:
    """The clusters that had containers at any time between, gone ones too: the index knows."""
    stretch = {"start": str(from_s), "end": str(to_s)}
    return Query(
        f"label/{settings.cluster_label}/values", {"match[]": settings.cpu_metric} | stretch
    )


def promql(ask: Ask, window: Window, settings: CollectSettings) -> str:
    """The expression of one question."""
    s, usage = settings, _usage(window, settings)
    if ask in FACTS:
        return _fact(ask, window, s)
    if ask is Ask.NAMESPACES:
        by = ", ".join(filter(None, (s.cluster_label, s.namespace_label)))
        range_s = min(HOUR_S, window.to_s - window.from_s)
        return f"count by ({by}) (count_over_time({s.cpu_metric}{usage}[{range_s}s]))"
    if ask is Ask.OOM_RESTARTS:
        return _oom_restarts(window, s)
    of = f"{usage}[{s.interval_s}s]"
    cut, whole = (f"increase({name}{of})" for name in (s.throttled_metric, s.periods_metric))
    return {
        Ask.CPU: f"rate({s.cpu_metric}{usage}[{s.burst_s}s])",
        Ask.MEMORY: f"max_over_time({s.memory_metric}{of})",
        Ask.THROTTLED: f"{cut} / ({whole} > 0)",
        Ask.OOM_EVENTS: f"increase({s.oom_metric}{of}) > 0",
    }[ask]


def _oom_restarts(window: Window, settings: CollectSettings) -> str:
    """Restarts whose last reason was an OOM kill; `changes` counts whole ones."""
    s = settings
    names = (s.owner_namespace_label, s.owner_pod_label, s.owner_container_label)
    chosen = ", ".join(
        _matchers(window, s, namespace=s.owner_namespace_label, split_by=s.owner_pod_label)
    )
    of_kills = ", ".join(filter(None, (chosen, f'{s.reason_label}="OOMKilled"')))
    by = f"by ({', '.join(names)})"
    restarts = f"changes({s.restarts_metric}{{{chosen}}}[{s.interval_s}s]) > 0"
    return f"max {by} ({restarts}) and max {by} ({s.terminated_metric}{{{of_kills}}} > 0)"


def _facts(settings: CollectSettings) -> dict[Ask, tuple[str, tuple[str, ...]]]:
    """Each fact's metric, and the labels that are read of it, the one to halve by first."""
    s = settings
    owner, size = (
        (s.owner_kind_label, s.owner_name_label),
        (s.owner_namespace_label, s.owner_pod_label, s.owner_container_label, s.resource_label),
    )
    place, node = s.owner_namespace_label, (s.owner_node_label, s.resource_label)
    heap = (s.namespace_label, s.pod_label, s.container_label, s.jvm_pool_label)
    return {
        Ask.POD_OWNER: (s.pod_owner_metric, (place, s.owner_pod_label, *owner)),
        Ask.POD_INFO: (s.pod_info_metric, (place, s.owner_pod_label, s.owner_node_label)),
        Ask.REPLICASET_OWNER: (s.replicaset_owner_metric, (place, s.replicaset_label, *owner)),
        Ask.JOB_OWNER: (s.job_owner_metric, (place, s.job_label, *owner)),
        Ask.REQUESTS: (s.requests_metric, size),
        Ask.LIMITS: (s.limits_metric, size),
        Ask.IMAGE: (s.image_metric, (*size[:3], s.image_label)),
        Ask.LABELS: (s.labels_metric, ()),
        Ask.HPA_TARGET: (
            s.hpa_target_metric,
            (place, s.hpa_label, s.hpa_metric_label, s.hpa_type_label),
        ),
        Ask.HPA_INFO: (s.hpa_info_metric, (place, s.hpa_label, s.hpa_kind_label, s.hpa_name_label)),
        Ask.JVM_HEAP: (s.jvm_heap_metric, heap),
        Ask.JVM_OLD_HEAP: (s.jvm_old_heap_metric, heap),
        Ask.ALLOCATABLE: (s.allocatable_metric, node),
        Ask.CAPACITY: (s.capacity_metric, node),
    }


def _fact(ask: Ask, window: Window, settings: CollectSettings) -> str:
    """Each thing's last word in the window; a pod's labels whole, since their names are its own."""
    s = settings
    metric, labels = _facts(s)[ask]
    on_node = ask in {Ask.ALLOCATABLE, Ask.CAPACITY}
    split_by = s.owner_pod_label if ask is Ask.LABELS else labels[0 if on_node else 1]
    of_heap = ask in {Ask.JVM_HEAP, Ask.JVM_OLD_HEAP}
    chosen = _matchers(window, s, namespace=labels[0] if labels else "", split_by=split_by)
    chosen += [f'{s.jvm_area_label}="heap"'] if of_heap else []
    last = f"last_over_time({metric}{{{', '.join(chosen)}}}[{window.to_s - window.from_s}s])"
    return f"max by ({', '.join(labels)}) ({last})" if labels else last


def _usage(window: Window, settings: CollectSettings) -> str:
    s = settings
    real = [f'{s.container_label}!=""', f'{s.container_label}!="POD"']
    chosen = _matchers(window, s, namespace=s.namespace_label, split_by=s.pod_label)
    return f"{{{', '.join(real + chosen)}}}"


def _of_cluster(window: Window, settings: CollectSettings) -> list[str]:
    label = settings.cluster_label
    return [f"{label}={quoted(window.cluster)}"] if label else []


def _matchers(
    window: Window, settings: CollectSettings, *, namespace: str, split_by: str
) -> list[str]:
    found = _of_cluster(window, settings)
    names = window.namespaces
    if names is not None and len(names) == 1:
        found.append(f"{namespace}={quoted(names[0])}")
    elif names is not None:
        found.append(f"{namespace}=~{quoted('|'.join(map(re.escape, names)))}")
    if window.endings != ENDINGS:
        found.append(f'{split_by}=~".*[{window.endings}]"')
    return found


def quoted(value: str) -> str:
    """A value as a string of PromQL: names come from servers and command lines."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
