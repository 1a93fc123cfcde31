"""Which queries read an hour of a cluster, and how one that was too much is halved.

A window is a stretch of stamps of one namespace (or of all), perhaps of those names alone that end
in certain letters. Halving cuts the time first, then the letters: names in Kubernetes end in a
letter or digit, so the halves are disjoint and complete without any list of names.

A sample stamped t speaks of the `interval_s` seconds up to t. An hour owns the stamps within it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from predictor.core.collect_settings import HOUR_S, CollectSettings

ENDINGS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"  # of RFC 1123 names


class Ask(Enum):
    """What one query is about."""

    NAMESPACES = "namespaces"
    CPU = "cpu_cores"
    CPU_MAX = "cpu_max_cores"
    MEMORY = "memory_bytes"
    POD_OWNER = "owners of pods"
    POD_INFO = "nodes of pods"
    REPLICASET_OWNER = "owners of ReplicaSets"
    JOB_OWNER = "owners of Jobs"
    REQUESTS = "requests"
    LIMITS = "limits"


MEASURES: Final = (Ask.CPU, Ask.CPU_MAX, Ask.MEMORY)
FACTS: Final = (
    Ask.POD_OWNER,
    Ask.POD_INFO,
    Ask.REPLICASET_OWNER,
    Ask.JOB_OWNER,
    Ask.REQUESTS,
    Ask.LIMITS,
)


@dataclass(frozen=True, slots=True)
class Window:
    """Stamps `from_s <= t < to_s`, both multiples of the interval."""

    cluster: str
    namespace: str | None  # None: all
    from_s: int
    to_s: int
    endings: str = ENDINGS  # last letters of the names that are asked for


@dataclass(frozen=True, slots=True)
class Query:
    """A path under /api/v1 and its parameters."""

    path: str
    params: dict[str, str]


def hour(cluster: str, namespace: str | None, hour_s: int) -> Window:
    """The whole hour that begins at `hour_s`."""
    return Window(cluster, namespace, hour_s, hour_s + HOUR_S)


def planned(window: Window, *, series: int, most_cells: int, interval_s: int) -> list[Window]:
    """The window cut so that each part has at most `most_cells` series x points, if it can be."""
    points = (window.to_s - window.from_s) // interval_s
    expected = series * points * len(window.endings) / len(ENDINGS)
    parts = () if expected <= most_cells else halved(window, interval_s=interval_s)
    if not parts:
        return [window]
    return [
        part
        for half in parts
        for part in planned(half, series=series, most_cells=most_cells, interval_s=interval_s)
    ]


def halved(window: Window, *, interval_s: int) -> tuple[Window, ...]:
    """Two windows that hold what one held; none where it cannot be cut further."""
    points = (window.to_s - window.from_s) // interval_s
    if points > 1:
        middle_s = window.from_s + points // 2 * interval_s
        return replace(window, to_s=middle_s), replace(window, from_s=middle_s)
    letters = window.endings
    if len(letters) > 1:
        half = len(letters) // 2
        return replace(window, endings=letters[:half]), replace(window, endings=letters[half:])
    return ()


def query(ask: Ask, window: Window, settings: CollectSettings) -> Query:
    """The request that answers one question about a window."""
    last_s = window.to_s - settings.interval_s
    params = {"query": promql(ask, window, settings), "timeout": f"{settings.query_timeout_s}s"}
    if ask in FACTS:
        return Query("query", params | {"time": str(last_s)})
    stretch = {"start": str(window.from_s), "end": str(last_s), "step": f"{settings.interval_s}s"}
    return Query("query_range", params | stretch)


def promql(ask: Ask, window: Window, settings: CollectSettings) -> str:
    """The expression of one question.

    The mean sums a restarted container's instances, each of which ran for a part of the interval,
    after taking one of several copies of each. Highest values are of any instance. `rate` accounts
    for counters that began anew.
    """
    s = settings
    if ask in FACTS:
        return _fact(ask, window, s)
    cpu, names = f"{s.cpu_metric}{_usage(window, s)}", f"{s.pod_label}, {s.container_label}"
    if ask is Ask.NAMESPACES:
        by = ", ".join(filter(None, (s.cluster_label, s.namespace_label)))
        return f"count by ({by}) (count_over_time({cpu}[{s.interval_s}s]))"
    if ask is Ask.CPU:
        rate = f"rate({cpu}[{s.interval_s}s])"
        return f"sum by ({names}) (max by ({names}, {s.instance_label}) ({rate}))"
    if ask is Ask.CPU_MAX:
        # A second more than the distance of the first and last rate: servers differ in whether the
        # early end of a range belongs to it.
        reach_s = s.interval_s - s.burst_s + 1
        return f"max by ({names}) (max_over_time(rate({cpu}[{s.burst_s}s])[{reach_s}s:60s]))"
    memory = f"{s.memory_metric}{_usage(window, s)}"
    return f"max by ({names}) (max_over_time({memory}[{s.interval_s}s]))"


def clusters_query(settings: CollectSettings, *, from_s: int, to_s: int) -> Query:
    """The clusters that had containers at any time between, gone ones too: the index knows."""
    stretch = {"start": str(from_s), "end": str(to_s)}
    return Query(
        f"label/{settings.cluster_label}/values", {"match[]": settings.cpu_metric} | stretch
    )


def _fact(ask: Ask, window: Window, settings: CollectSettings) -> str:
    s = settings
    owner = (s.owner_kind_label, s.owner_name_label)
    size = (s.owner_pod_label, s.owner_container_label, s.resource_label)
    metric, labels = {
        Ask.POD_OWNER: (s.pod_owner_metric, (s.owner_pod_label, *owner)),
        Ask.POD_INFO: (s.pod_info_metric, (s.owner_pod_label, s.owner_node_label)),
        Ask.REPLICASET_OWNER: (s.replicaset_owner_metric, (s.replicaset_label, *owner)),
        Ask.JOB_OWNER: (s.job_owner_metric, (s.job_label, *owner)),
        Ask.REQUESTS: (s.requests_metric, size),
        Ask.LIMITS: (s.limits_metric, size),
    }[ask]
    chosen = _matchers(window, s, namespace=s.owner_namespace_label, split_by=labels[0])
    range_s = window.to_s - window.from_s
    by = ", ".join((s.owner_namespace_label, *labels))
    return f"max by ({by}) (last_over_time({metric}{{{', '.join(chosen)}}}[{range_s}s]))"


def _usage(window: Window, settings: CollectSettings) -> str:
    s = settings
    real = [f'{s.container_label}!=""', f'{s.container_label}!="POD"']
    chosen = _matchers(window, s, namespace=s.namespace_label, split_by=s.pod_label)
    return f"{{{', '.join(real + chosen)}}}"


def _matchers(
    window: Window, settings: CollectSettings, *, namespace: str, split_by: str
) -> list[str]:
    found = []
    if settings.cluster_label:
        found.append(f"{settings.cluster_label}={quoted(window.cluster)}")
    if window.namespace is not None:
        found.append(f"{namespace}={quoted(window.namespace)}")
    if window.endings != ENDINGS:
        found.append(f'{split_by}=~".*[{window.endings}]"')
    return found


def quoted(value: str) -> str:
    """A value as a string of PromQL: names come from servers and command lines."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
