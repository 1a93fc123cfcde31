"""Ray clusters of KubeRay: the head and every worker group start together.

Source: kuberay ray-operator apis/ray/v1 and controllers/ray/utils/constant.go. With autoscaling the
minReplicas of a group are needed and the rest may come; without, its replicas are. One replica may
be several hosts (numOfHosts).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.shape import (
    MOST_MEMBERS,
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
from slacktide.contract import RAY_CLUSTER, RAY_NODE_TYPE, RAY_WORKER_GROUP
from slacktide.kube.groups import RayClusterSpec, WorkerGroup
from slacktide.kube.objects import Pod

HEAD: Final = "head"


def membership(pod: Pod) -> Membership | None:
    """By label; the pod that cleans up after a cluster is none of its members."""
    gang, kind = label(pod, RAY_CLUSTER), label(pod, RAY_NODE_TYPE)
    if not gang or kind not in {HEAD, "worker"}:
        return None
    role = HEAD if kind == HEAD else label(pod, RAY_WORKER_GROUP) or kind
    return Membership(pod.metadata.namespace, gang, role)


def shape(key: Key, _pods: Sequence[Pod], groups: Groups) -> Shape:
    """As the RayCluster says."""
    found = groups.ray_clusters.get((key.namespace, key.name))
    if found is None:
        return absent("RayCluster", key)
    workers = [_wanted(group, found.spec) for group in found.spec.worker_group_specs]
    wanted = (Wanted(HEAD, 1, 1), *workers)
    return Shape(
        least=sum(role.least for role in wanted),
        wanted=wanted,
        group=found.metadata,
        suspended=found.spec.suspend,
        problem=suspended("RayCluster", key) if found.spec.suspend else "",
    )


def _wanted(group: WorkerGroup, spec: RayClusterSpec) -> Wanted:
    hosts, floor = max(group.num_of_hosts, 1), group.min_replicas or 0
    replicas = floor if group.replicas is None else group.replicas
    if group.suspend:
        return Wanted(group.group_name, 0, 0)
    if not spec.enable_in_tree_autoscaling:
        return Wanted(group.group_name, replicas * hosts, replicas * hosts)
    ceiling = MOST_MEMBERS if group.max_replicas is None else group.max_replicas
    return Wanted(group.group_name, floor * hosts, max(ceiling, floor) * hosts)


RAY: Final = WayIn("ray", membership, shape)
