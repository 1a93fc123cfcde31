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
    """On requests and limits."""
    interval_s: int = 300
    """Seconds between samples kept: short enough for a peak, and what the public traces have."""
    burst_s: int = 120
    """Seconds of one rate within the highest of an interval: two scrapes a minute apart."""
    settle_s: int = 300
    """Seconds after an hour's end before it is read: late scrapes and remote writes are there."""
    most_cells: int = 50_000
    """Series x points of one query: some 3 MB of answer, a hundredth of a server's sample limit."""
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
    """For one measure of a piece, all halves counted: beyond it the piece is reported missing."""
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


def _check(name: str, value: object) -> None:
    if isinstance(value, str):
        if name == "cluster_label" and not value:
            return
        shape = _METRIC if name.endswith("_metric") else _LABEL
        if name == "tenant_header":
            shape = re.compile(r"[A-Za-z0-9-]+")
        if not shape.fullmatch(value):
            raise ValueError(f"{name} {value!r} is no name that a server could have")
    elif isinstance(value, int | float) and not 0 < value < 2**40 and name != "settle_s":
        raise ValueError(f"{name} {value}: give a positive number")
