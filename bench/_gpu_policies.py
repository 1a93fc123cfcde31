"""Where published policies put a pod that shares GPUs, and where ours does.

Source of the baselines: Weng et al., USENIX ATC 2023, section 6.1, as its authors' simulator
(hkust-adsl/kubernetes-scheduler-simulator) computes them: their form, our words. A device is the
fullest that fits for all of them but FGD, which takes the one that its own score likes best.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bench._gpu_cluster import Cluster, Trace, milli_of
from scheduler.core.gpu_seen import SeenTasks
from scheduler.core.gpu_usable import Expected, Looked, TaskClass
from slacktide.messages import BoolArray, FloatArray, IntArray

EQUALS = 1e-3  # what is left of a node decides between those that lose about as much
MOST_CORES, MOST_MILLI = 128.0, 8000.0  # of one node, which amounts are held to
FREQUENT = 0.95  # typical pods are the commonest that make up so many


def best_fit(cluster: Cluster, pod: TaskClass, fits: BoolArray) -> int:
    """The node with the least left."""
    return _least(_left(cluster, pod), fits)


def dot_product(cluster: Cluster, pod: TaskClass, fits: BoolArray) -> int:
    """The node whose free amounts are the least in the direction of what the pod takes."""
    cores = cluster.cores / MOST_CORES * pod.cpu_cores / MOST_CORES
    return _least(cores + cluster.free_milli() / MOST_MILLI * milli_of(pod) / MOST_MILLI, fits)


def packing(cluster: Cluster, pod: TaskClass, fits: BoolArray) -> int:
    """Devices in use first, then idle devices of nodes in use, then idle nodes."""
    if not milli_of(pod):
        return best_fit(cluster, pod, fits)
    columns = cluster.room.columns
    milli = cluster.room.milli
    idle = (milli == 1000).sum(axis=1)
    is_idle = idle == (columns.size_bytes > 0).sum(axis=1)
    shared = np.where((milli < 1000) & (milli >= pod.share_milli), milli, MOST_MILLI).min(axis=1)
    opens = (pod.share_milli == 1000) | (shared == MOST_MILLI)
    cost = np.where(opens, 1e4 + pod.devices, shared) + np.where(is_idle, 2e4 + idle, 0)
    return _least(_spread(cost, columns.node, len(fits)), fits)


@dataclass
class Clustering:
    """Pods of one GPU request together."""

    hosts: dict[int, Counter[int]] = field(default_factory=dict)  # node -> requests there

    def __call__(self, cluster: Cluster, pod: TaskClass, fits: BoolArray) -> int:
        """The node with only the same request, else one that has it, an idle one, any."""
        if not milli_of(pod):
            return best_fit(cluster, pod, fits)
        tag = pod.devices if pod.share_milli == 1000 else 0
        rank = np.full(len(fits), 2.0)
        for node, there in self.hosts.items():
            rank[node] = (0.0 if len(there) == 1 else 1.0) if tag in there else 3.0
        node = _least(rank + cluster.free_milli() / (2 * MOST_MILLI), fits)
        self.hosts.setdefault(node, Counter())[tag] += 1
        return node


class AtRandom:
    """Any node that fits."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def __call__(self, cluster: Cluster, pod: TaskClass, fits: BoolArray) -> int:
        """Whichever."""
        del cluster, pod
        return int(self._random.choice(np.flatnonzero(fits)))


class _Seen(NamedTuple):
    costs: FloatArray
    upto: int  # of the nodes touched


class Gradient:
    """Usable GPUs lost on each node, looked at again where something changed."""

    def __init__(self) -> None:
        self._seen: dict[TaskClass, _Seen] = {}

    def forget(self) -> None:
        """What is expected has changed."""
        self._seen.clear()

    def lost(self, cluster: Cluster, pod: TaskClass) -> FloatArray:
        """[N]."""
        known = self._seen.get(pod)
        if known is None:
            nodes = np.arange(len(cluster.cores))
            costs = np.zeros(len(nodes))
        else:
            nodes = np.unique(np.array(cluster.touched[known.upto :], np.int64))
            costs = known.costs
        if len(nodes):
            costs[nodes] = cluster.room.lost(cluster.ask(pod), nodes, cluster.left(pod, nodes))
        self._seen[pod] = _Seen(costs, len(cluster.touched))
        return costs


class OneTask(Looked):
    """Usable as published: where one task fits, with no regard to what the next ones find."""

    def most_milli(self, tasks: FloatArray) -> FloatArray:
        """As much as there is."""
        return np.full_like(tasks, np.inf)


class Published:
    """FGD as published: whole scores of 0 to 100, the whole trace's pods as the target workload."""

    def __init__(self, trace: Trace) -> None:
        self._typical = typical(trace.pods)
        self._gradient = Gradient()

    def __call__(self, cluster: Cluster, pod: TaskClass, fits: BoolArray) -> int:
        """The first by name of the nodes of the best score, as their simulator chooses."""
        if not len(cluster.room.columns.expected):
            cluster.room.look = OneTask
            cluster.expect(self._typical)
        grown = self._gradient.lost(cluster, pod) - milli_of(pod) / 1000
        score = np.floor(100 / (1 + np.exp(np.where(fits, grown, np.inf))))
        return _least(-score, fits)


class Ours:
    """The planner's own score: online, weighed by demand over supply, anew every so many pods."""

    def __init__(self, *, every: int = 200) -> None:
        self._gradient = Gradient()
        self._seen = SeenTasks()
        self._every, self._came = every, 0

    def __call__(self, cluster: Cluster, pod: TaskClass, fits: BoolArray) -> int:
        """Where the fewest usable GPUs are lost; among equals the node with the least left."""
        if self._came % self._every == 0:
            cluster.expect(self._seen.expected())
            cluster.room.weigh(cluster.cores, cluster.memory_bytes)
            self._gradient.forget()
        self._came += 1
        if milli_of(pod):
            self._seen.add(pod)
        lost = self._gradient.lost(cluster, pod)
        return _least(lost + EQUALS * _left(cluster, pod), fits)


def typical(pods: Iterable[TaskClass]) -> Expected:
    """The commonest GPU pods by cores and GPUs, as the paper's authors choose them."""
    counted = Counter(pod._replace(memory_bytes=0.0) for pod in pods if milli_of(pod))
    wanted, often = FREQUENT * counted.total(), {}
    for pod, many in counted.most_common():
        if wanted <= 0:
            break
        often[pod], wanted = float(many), wanted - many
    return Expected.of(often)


def _left(cluster: Cluster, pod: TaskClass) -> FloatArray:
    cores = (cluster.cores - pod.cpu_cores) / MOST_CORES
    left: FloatArray = 0.5 * (cores + (cluster.free_milli() - milli_of(pod)) / MOST_MILLI)
    return left


def _spread(values: FloatArray, nodes: IntArray, many: int) -> FloatArray:
    found = np.full(many, np.inf)
    found[nodes] = values
    return found


def _least(cost: FloatArray, fits: BoolArray) -> int:
    return int(np.argmin(np.where(fits, cost, np.inf)))
