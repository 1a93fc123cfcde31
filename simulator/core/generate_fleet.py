"""Makes the bodies of a generated fleet: clusters, nodes, workloads, their pods and names.

A *place* is where one replica of a workload runs for good; a deployment puts a new pod into each
place of its workload, so a place is a succession of pods. Places are put on nodes at random among
those with room, as a scheduler that spreads would.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np

from simulator.core.generate_shape import OnlineShape
from simulator.core.generate_usage import DAY_S, Places, Time
from slacktide.contract import QOS_LS
from slacktide.messages import BoolArray, FloatArray, IntArray
from slacktide.trace import NEVER, Nodes, Pods

NODE_CORES = (32.0, 64.0)  # every other node
NODE_BYTES_PER_CORE = 4 * 2**30
OVERBOOKED = 1.02  # requests drawn / cores: enough that every node fills up

NAMESPACES = {
    "shop": ("cart", "checkout", "catalog", "pricing", "orders", "returns"),
    "payments": ("ledger", "invoice", "payout", "fraud", "wallet", "refund"),
    "search": ("query", "suggest", "ranking", "index", "synonym", "crawl"),
    "identity": ("login", "session", "profile", "consent", "token", "directory"),
    "media": ("image", "video", "thumbnail", "upload", "caption", "player"),
    "messaging": ("mail", "push", "chat", "digest", "template", "inbox"),
    "logistics": ("route", "parcel", "depot", "carrier", "tracking", "customs"),
    "platform": ("gateway", "config", "audit", "metrics", "feature", "report"),
}
STEADY_ROLES = ("api", "web", "cache", "db", "gateway", "sync", "admin", "edge", "proxy", "store")
INTERMITTENT_ROLES = ("worker", "indexer", "encoder", "trainer", "importer", "builder")
STATEFUL_ROLES = ("cache", "db", "store")
POD_LETTERS = np.array(list("bcdfghjklmnpqrstvwxz2456789"))  # Kubernetes' alphabet for suffixes


@dataclass(frozen=True, slots=True)
class Workloads:
    """W workloads, drawn but not yet placed; each lives in one cluster."""

    name: tuple[str, ...]
    namespace: tuple[str, ...]
    stateful: BoolArray  # [W] its pods keep their names and are not re-created
    intermittent: BoolArray  # [W]
    cluster: IntArray  # [W] row of the clusters
    replicas: IntArray  # [W]
    cpu_request_cores: FloatArray  # [W] a replica's
    memory_request_bytes: FloatArray  # [W] a replica's


@dataclass(frozen=True, slots=True)
class Lives:
    """P pods: which place each fills [P], in which columns, and what it is called."""

    place: IntArray
    first: IntArray  # [P] first column
    end: IntArray  # [P] the column after its last; T = still running
    name: tuple[str, ...]


def make_nodes(clusters: tuple[str, ...], nodes_per_cluster: int) -> Nodes:
    """Nodes of two sizes, every other one large, named after their cluster."""
    where = [(cluster, i) for cluster in clusters for i in range(nodes_per_cluster)]
    cores = np.array([NODE_CORES[i % 2] for _, i in where])
    return Nodes(
        node=tuple(f"{cluster}-{'ml'[i % 2]}{i:02d}" for cluster, i in where),
        cluster=tuple(cluster for cluster, _ in where),
        cpu_cores=cores,
        memory_bytes=cores * NODE_BYTES_PER_CORE,
    )


def draw_workloads(shape: OnlineShape, nodes: Nodes, generator: np.random.Generator) -> Workloads:
    """Workloads whose requests fill every cluster, a fixed part of them intermittent."""
    cluster_of_node = np.unique(nodes.cluster, return_inverse=True)[1]
    parts: list[tuple[BoolArray, IntArray, IntArray, FloatArray]] = []
    for cluster, room_cores in enumerate(np.bincount(cluster_of_node, nodes.cpu_cores)):
        for switches, share in ((True, shape.intermittent_request_share), (False, 1.0)):
            taken = sum(float(part[2] @ part[3]) for part in parts if part[1][0] == cluster)
            wanted = room_cores * (share if switches else OVERBOOKED) - taken
            parts.append(_some_workloads(shape, generator, cluster, wanted, switches=switches))
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    intermittent, cluster_of, replicas, cores = columns
    per_core = shape.memory_bytes_per_core.draw(generator, len(cores))
    name, namespace, stateful = _names(intermittent, generator)
    return Workloads(
        name=name,
        namespace=namespace,
        stateful=stateful,
        intermittent=intermittent,
        cluster=cluster_of,
        replicas=replicas,
        cpu_request_cores=cores,
        memory_request_bytes=np.rint(per_core * cores / 2**20) * 2**20,
    )


def _some_workloads(
    shape: OnlineShape,
    generator: np.random.Generator,
    cluster: int,
    wanted_cores: float,
    *,
    switches: bool,
) -> tuple[BoolArray, IntArray, IntArray, FloatArray]:
    """Flag, cluster, replicas and cores a replica of workloads that ask for so many cores."""
    some = 1 + max(0, int(wanted_cores))  # a workload asks for a core at least
    replicas = (shape.intermittent_replicas if switches else shape.replicas).draw(generator, some)
    requests = shape.intermittent_request_cores if switches else shape.steady_request_cores
    cores = requests.draw(generator, some)
    enough = 1 + int(np.argmin(np.abs(np.cumsum(replicas * cores) - wanted_cores)))
    flags, where = np.full(enough, switches), np.full(enough, cluster)
    return flags, where, replicas[:enough].astype(np.int64), cores[:enough]


def place_replicas(
    shape: OnlineShape, workloads: Workloads, nodes: Nodes, generator: np.random.Generator
) -> tuple[Places, IntArray]:
    """Each replica on a random node with room [R]; those that fit nowhere are left out.

    Large replicas choose first, so that small ones fill what is left.
    """
    workload = np.repeat(np.arange(len(workloads.name)), workloads.replicas)
    workload = generator.permutation(workload)
    workload = workload[np.argsort(-workloads.cpu_request_cores[workload], kind="stable")]
    room_cores = shape.requested_share_of_node * nodes.cpu_cores
    room_bytes = shape.requested_share_of_node * nodes.memory_bytes
    cluster_of_node = np.unique(nodes.cluster, return_inverse=True)[1]
    node = np.full(len(workload), -1)
    cores, size = workloads.cpu_request_cores, workloads.memory_request_bytes
    for row, w in enumerate(workload):
        fits = (cluster_of_node == workloads.cluster[w]) & (room_cores >= cores[w])
        candidates = np.flatnonzero(fits & (room_bytes >= size[w]))
        if candidates.size:
            node[row] = chosen = generator.choice(candidates)
            room_cores[chosen] -= cores[w]
            room_bytes[chosen] -= size[w]
    placed = np.flatnonzero(node >= 0)
    placed = placed[np.argsort(workload[placed], kind="stable")]
    of = workload[placed]
    places = Places(of, workloads.intermittent[of], cores[of], size[of])
    return places, node[placed]


def draw_lives(
    shape: OnlineShape,
    workloads: Workloads,
    workload: IntArray,
    generator: np.random.Generator,
    time: Time,
) -> Lives:
    """The pods that fill each place one after the other.

    A deployment re-creates the replicas one an interval; a few places are filled late or left
    early, as by a change of the number of replicas. The first pods were there before the trace.
    """
    first, end = _first_and_end(shape, len(workload), generator, time.columns)
    ordinal = _ordinals(workload)
    rate = np.where(
        workloads.stateful, 0.0, shape.deploys_per_day * time.columns * time.interval_s / DAY_S
    )
    deploys = [np.sort(generator.integers(1, time.columns, n)) for n in generator.poisson(rate)]
    revision = _suffixes(generator, sum(map(len, deploys)) + len(deploys), 10)
    first_revision = np.cumsum([0] + [len(d) + 1 for d in deploys])
    lives: list[tuple[int, int, int, str]] = []
    for place, w in enumerate(workload):
        cuts = deploys[w] + ordinal[place]
        inside = (cuts > first[place]) & (cuts < end[place])
        edges = [first[place], *np.unique(cuts[inside]), end[place]]
        passed = int(np.count_nonzero(cuts <= first[place]))
        for life, (begin, until) in enumerate(itertools.pairwise(edges)):
            stem = revision[first_revision[w] + passed + life]
            lives.append((place, int(begin), int(until), f"{workloads.name[w]}-{stem}"))
    suffix = _suffixes(generator, len(lives), 5)
    names = (
        f"{workloads.name[workload[place]]}-{ordinal[place]}"
        if workloads.stateful[workload[place]]
        else f"{stem}-{own}"
        for (place, _, _, stem), own in zip(lives, suffix, strict=True)
    )
    place_of, begins, ends = (np.array([life[i] for life in lives]) for i in range(3))
    return Lives(place_of, begins, ends, tuple(names))


def pods_of(workloads: Workloads, places: Places, node: IntArray, lives: Lives, time: Time) -> Pods:
    """The pods as a trace lists them; limits are twice the CPU request and the memory request."""
    workload = places.workload[lives.place]
    cores, size = places.cpu_request_cores[lives.place], places.memory_request_bytes[lives.place]
    return Pods(
        pod=lives.name,
        namespace=tuple(workloads.namespace[w] for w in workload),
        workload=tuple(workloads.name[w] for w in workload),
        kind=tuple("StatefulSet" if workloads.stateful[w] else "Deployment" for w in workload),
        qos=(QOS_LS,) * len(workload),
        node=node[lives.place],
        cpu_request_cores=cores,
        cpu_limit_cores=2 * cores,
        memory_request_bytes=size,
        memory_limit_bytes=size.copy(),
        start_s=lives.first * time.interval_s,
        end_s=np.where(lives.end == time.columns, NEVER, lives.end * time.interval_s),
    )


def _names(
    intermittent: BoolArray, generator: np.random.Generator
) -> tuple[tuple[str, ...], tuple[str, ...], BoolArray]:
    """Names, each once; their namespaces; and whether they keep state."""
    services = [(space, service) for space, names in NAMESPACES.items() for service in names]
    taken: Counter[str] = Counter()
    names, spaces, stateful = [], [], []
    for switches in intermittent:
        space, service = services[generator.integers(len(services))]
        roles = INTERMITTENT_ROLES if switches else STEADY_ROLES
        role = roles[generator.integers(len(roles))]
        name = f"{service}-{role}"
        taken[name] += 1
        names.append(name if taken[name] == 1 else f"{name}-{taken[name]}")
        spaces.append(space)
        stateful.append(role in STATEFUL_ROLES)
    return tuple(names), tuple(spaces), np.array(stateful, bool)


def _first_and_end(
    shape: OnlineShape, places: int, generator: np.random.Generator, columns: int
) -> tuple[IntArray, IntArray]:
    """[R] columns between which each place is filled."""
    luck = generator.random(places)
    when = generator.integers(1, max(2, columns), places)
    share = shape.late_or_early_share
    first = np.where(luck < share, when, 0)
    return first, np.where(luck > 1 - share, when, columns)


def _ordinals(workload: IntArray) -> IntArray:
    """[R] 0, 1, 2, ... within each workload; rows of a workload stand together."""
    start = np.flatnonzero(np.diff(workload, prepend=-1))
    return np.arange(len(workload)) - np.repeat(start, np.diff([*start, len(workload)]))


def _suffixes(generator: np.random.Generator, count: int, length: int) -> list[str]:
    letters = POD_LETTERS[generator.integers(0, len(POD_LETTERS), (count, length))]
    return ["".join(row) for row in letters]
