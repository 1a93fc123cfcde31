"""What is asked of a Prometheus-compatible server: names of metrics and labels, and limits.

Names differ between installations (relabelling, agents, `honor_labels`), so none is fixed
elsewhere. Every name is checked here, because it becomes a part of a query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Final

MIB: Final = 2**20
HOUR_S: Final = 3_600

_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """The defaults are what kubelet's cAdvisor and kube-state-metrics 2 export."""

    cpu_metric: str = "container_cpu_usage_seconds_total"
    """A counter of CPU seconds: cAdvisor's name, the same in every kubelet."""
    memory_metric: str = "container_memory_working_set_bytes"
    """A gauge: the working set is what the kernel and kubelet hold against the limit."""
    cluster_label: str = ""
    """Empty: the server sees one cluster. Thanos and Mimir users set the external label's name."""
    namespace_label: str = "namespace"
    """On the usage metrics."""
    pod_label: str = "pod"
    """On the usage metrics; `pod_name` before Kubernetes 1.16."""
    container_label: str = "container"
    """On the usage metrics; empty is the pod's own group and `POD` its pause container."""
    instance_label: str = "id"
    """Tells a restarted container from the one before; two of one id are a pair of servers."""
    pod_owner_metric: str = "kube_pod_owner"
    """Who made a pod."""
    pod_info_metric: str = "kube_pod_info"
    """Where a pod runs."""
    replicaset_owner_metric: str = "kube_replicaset_owner"
    """The Deployment or Rollout behind a ReplicaSet."""
    job_owner_metric: str = "kube_job_owner"
    """The CronJob behind a Job."""
    requests_metric: str = "kube_pod_container_resource_requests"
    """What containers ask for, CPU in cores and memory in bytes."""
    limits_metric: str = "kube_pod_container_resource_limits"
    """What containers may use at most."""
    owner_namespace_label: str = "namespace"
    """On the metrics above; `exported_namespace` where the scrape does not honour labels."""
    owner_pod_label: str = "pod"
    """On the metrics above; `exported_pod` where the scrape does not honour labels."""
    owner_container_label: str = "container"
    """On the metrics above; `exported_container` where the scrape does not honour labels."""
    owner_node_label: str = "node"
    """On the pod info; `exported_node` where a relabelling took the name."""
    owner_kind_label: str = "owner_kind"
    """On the owner metrics."""
    owner_name_label: str = "owner_name"
    """On the owner metrics."""
    replicaset_label: str = "replicaset"
    """On the ReplicaSets' owners."""
    job_label: str = "job_name"
    """On the Jobs' owners."""
    resource_label: str = "resource"
    """On requests and limits, and on what nodes have."""
    throttled_metric: str = "container_cpu_cfs_throttled_periods_total"
    """A counter of scheduler periods that were cut short: there for containers with a CPU limit."""
    periods_metric: str = "container_cpu_cfs_periods_total"
    """A counter of all scheduler periods, which the throttled ones are a share of."""
    oom_metric: str = "container_oom_events_total"
    """A counter of OOM kills in a container's cgroup, which is gone when its first process died."""
    terminated_metric: str = "kube_pod_container_status_last_terminated_reason"
    """Says OOMKilled after the kills that the counter above dies of."""
    restarts_metric: str = "kube_pod_container_status_restarts_total"
    """A counter: a restart whose last reason is OOMKilled is a kill."""
    reason_label: str = "reason"
    """On the last termination."""
    image_metric: str = "kube_pod_container_info"
    """Which image a container runs: containers of one image are alike."""
    image_label: str = "image"
    """On the metric above; `image_spec` is the name as the pod wrote it."""
    labels_metric: str = "kube_pod_labels"
    """A pod's labels; kube-state-metrics shows those of its --metric-labels-allowlist."""
    hpa_target_metric: str = "kube_horizontalpodautoscaler_spec_target_metric"
    """What an autoscaler holds its pods at: requests that move would move its replicas."""
    hpa_info_metric: str = "kube_horizontalpodautoscaler_info"
    """What an autoscaler scales."""
    hpa_label: str = "horizontalpodautoscaler"
    """On the autoscalers' metrics."""
    hpa_metric_label: str = "metric_name"
    """On the targets: cpu, memory, or a metric of the user's own, which is left alone."""
    hpa_type_label: str = "metric_target_type"
    """On the targets: utilization (percent of the request) or average (an amount per pod)."""
    hpa_kind_label: str = "scaletargetref_kind"
    """On the autoscalers' info."""
    hpa_name_label: str = "scaletargetref_name"
    """On the autoscalers' info."""
    jvm_heap_metric: str = "jvm_memory_max_bytes"
    """The largest a heap pool may grow: Micrometer's name, and client_java's since 1.0."""
    jvm_old_heap_metric: str = "jvm_memory_bytes_max"
    """The same of client_java before 1.0, asked for where the first is not there."""
    jvm_area_label: str = "area"
    """On the heap metrics: heap, or nonheap, which is not counted."""
    jvm_pool_label: str = "id"
    """On the heap metrics, a pool of the heap; pools without a bound say -1 and are not counted."""
    allocatable_metric: str = "kube_node_status_allocatable"
    """What pods may use of a node."""
    capacity_metric: str = "kube_node_status_capacity"
    """What a node has, for where the metric above is not kept."""
    interval_s: int = 300
    """Seconds between samples kept: short enough for a peak, and what the public traces have."""
    burst_s: int = 120
    """Seconds of one short rate, of which mean, p95 and highest are made: two scrapes or more."""
    burst_every_s: int = 60
    """Seconds from one short rate to the next: each costs an answer of 35 bytes a container."""
    settle_s: int = 300
    """Seconds after an hour's end before it is read: late scrapes and remote writes are there."""
    most_cells: int = 25_000
    """Series x points of one query: 1 MB of answer; larger ones cost memory and save little."""
    most_in_flight: int = 4
    """Queries at once: half of a small server's query slots stay free for people."""
    most_bytes: int = 64 * MIB
    """Of one answer, unpacked, before it is parsed: twenty times what most_cells needs."""
    query_timeout_s: int = 60
    """Seconds for one query, told to the server too: half of its default of two minutes."""
    most_tries: int = 5
    """Of one query: with the back-off half a minute in all, a server's restart."""
    first_backoff_s: float = 1.0
    """Seconds before a second try; doubled each time, or what the server asks for."""
    longest_backoff_s: float = 30.0
    """Seconds between tries at most, whatever the server asks for."""
    most_requests: int = 200
    """For one question, all its halves counted: beyond it its namespaces are reported missing."""
    accept_encoding: str = "identity"
    """Packing an answer costs the server more than finding it; `gzip` over a line one pays for."""
    tenant_header: str = "X-Scope-OrgID"
    """Mimir's, Cortex's and Loki's; Thanos' receivers use THANOS-TENANT."""

    def __post_init__(self) -> None:
        """Raises ValueError for a name that would change a query's meaning, or a limit of none."""
        for field in fields(self):
            _check(field.name, getattr(self, field.name))
        if HOUR_S % self.interval_s or self.interval_s % 60:
            raise ValueError(f"interval_s {self.interval_s}: give whole minutes dividing an hour")
        if not 0 < self.burst_s <= self.interval_s:
            raise ValueError(f"burst_s {self.burst_s}: give 1 to interval_s {self.interval_s}")
        if self.interval_s % self.burst_every_s:
            raise ValueError(f"burst_every_s {self.burst_every_s}: give a part of interval_s")


def _check(name: str, value: object) -> None:
    if isinstance(value, str):
        if name == "cluster_label" and not value:
            return
        shape = _METRIC if name.endswith("_metric") else _LABEL
        if name in {"tenant_header", "accept_encoding"}:
            shape = re.compile(r"[A-Za-z0-9-]+")
        if not shape.fullmatch(value):
            raise ValueError(f"{name} {value!r} is no name that a server could have")
    elif isinstance(value, int | float) and not 0 < value < 2**40 and name != "settle_s":
        raise ValueError(f"{name} {value}: give a positive number")
