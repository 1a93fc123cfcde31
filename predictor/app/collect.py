"""From a server into the store, an hour of a cluster at a time, the oldest first.

What always holds: an hour is read only when it is over by the server's own clock; what is stored is
not asked for again; what could not be had is told with its reason and tried again by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from predictor.adapters.collected import Collected, Piece
from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.prometheus import AnswerFailed
from predictor.app.asking import Asking
from predictor.core.collect_answers import Samples, samples, series_of_namespaces
from predictor.core.collect_owners import Facts, facts
from predictor.core.collect_pace import Failure
from predictor.core.collect_queries import (
    FACTS,
    MEASURES,
    Ask,
    hour,
)
from predictor.core.collect_settings import HOUR_S
from predictor.core.tables import CONTAINERS
from slacktide.errors import BadInput

ALL: Final = "*"  # stands for the namespaces of an hour whose list could not be had


@dataclass(frozen=True, slots=True)
class Hour:
    """What became of an hour of a cluster."""

    cluster: str
    hour_s: int
    pieces: tuple[Piece, ...] = ()
    skipped: bool = False  # stored by an earlier run
    gone: bool = False  # the server did not answer at all: later hours would only wait
    dropped: int = 0  # values that were no number of cores or bytes
    repeated: int = 0  # values for a container and stamp that had one
    unowned: int = 0  # containers of which the server knows no owner


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to collect."""

    root: Path
    since_s: int  # how far back from the server's now
    clusters: tuple[str, ...] = ()  # empty: all that the server's cluster label names
    namespaces: frozenset[str] = frozenset()  # empty: all


def clusters_and_hours(asking: Asking, wanted: Wanted) -> list[tuple[str, int]]:
    """Every (cluster, hour) that is over and wanted, oldest first.

    Raises:
        BadInput: when the server does not answer even that, or names no cluster.
    """
    try:
        now_s = asking.now_s() - asking.settings.settle_s
        first_s = max((now_s - wanted.since_s) // HOUR_S * HOUR_S, 0)
        names = wanted.clusters or _clusters(asking, from_s=first_s, to_s=now_s)
    except (AnswerFailed, ValueError) as why:
        raise BadInput(f"nothing collected: {why}") from why
    hours = range(first_s, now_s // HOUR_S * HOUR_S, HOUR_S)
    return [(name, hour_s) for hour_s in hours for name in names]


def _clusters(asking: Asking, *, from_s: int, to_s: int) -> tuple[str, ...]:
    label = asking.settings.cluster_label
    if not label:
        return ("default",)
    found = asking.clusters(from_s=from_s, to_s=to_s)
    if not found:
        raise BadInput(
            f"no {asking.settings.cpu_metric} of that time has a label {label}:"
            " give another --cluster-label, or none"
        )
    return found


def collect(asking: Asking, wanted: Wanted, todo: Sequence[tuple[str, int]]) -> Iterator[Hour]:
    """Stores each hour and tells what became of it; ends early when the server is gone."""
    store = ParquetStore(wanted.root, interval_s=asking.settings.interval_s)
    accounts: dict[str, Collected] = {}
    for cluster in dict.fromkeys(name for name, _ in todo):
        interval_s = asking.settings.interval_s
        accounts[cluster] = Collected(wanted.root, cluster, interval_s=interval_s)
        accounts[cluster].forget_days_without_samples(store.days(cluster))
    with _threads(asking) as pool:
        for cluster, hour_s in todo:
            account = accounts[cluster]
            if account.whole(hour_s) or _has_all(account.stored(hour_s), wanted.namespaces):
                yield Hour(cluster, hour_s, skipped=True)
                continue
            reading = _Reading(asking, pool.map, cluster, hour_s)
            done = reading.into(store, account, wanted.namespaces)
            yield done
            if done.gone:
                return


@contextmanager
def _threads(asking: Asking) -> Iterator[ThreadPoolExecutor]:
    """As many as may ask at once; whatever ends the collection ends their waiting too."""
    with ThreadPoolExecutor(asking.settings.most_in_flight, "collect") as pool:
        try:
            yield pool
        finally:
            asking.end()


def _has_all(stored: frozenset[str], namespaces: frozenset[str]) -> bool:
    return bool(namespaces) and namespaces <= stored


@dataclass(frozen=True, slots=True)
class _Reading:
    """An hour of a cluster, being read by several threads and stored by one."""

    asking: Asking
    spread: Callable[..., Iterator[tuple[Piece, Samples | None]]]
    cluster: str
    hour_s: int

    def into(self, store: ParquetStore, account: Collected, only: Collection[str]) -> Hour:
        """Reads what is not stored yet and stores it."""
        try:
            sizes = self._namespaces()
            known = self._facts(sum(sizes.values())) if sizes else Facts()
        except AnswerFailed as why:
            gone = why.failure is not Failure.TOO_LARGE
            return Hour(self.cluster, self.hour_s, (Piece(ALL, 0, str(why)),), gone=gone)
        stored = account.stored(self.hour_s)
        todo = [name for name in sizes if name not in stored and (not only or name in only)]
        read = list(self.spread(lambda name: self._piece(name, sizes[name]), todo))
        found = [part for _, part in read if part is not None]
        pieces = tuple(piece for piece, _ in read)
        seen = _containers(found, known)
        self._store(store, account, found, seen)
        held = stored.union(piece.namespace for piece in pieces if not piece.missing)
        if pieces or held:
            account.mark(self.hour_s, pieces, whole=bool(held) and held >= sizes.keys())
        return Hour(
            self.cluster,
            self.hour_s,
            pieces,
            dropped=sum(part.dropped for part in found),
            repeated=sum(part.repeated for part in found),
            unowned=seen["workload"].null_count,
        )

    def _store(
        self, store: ParquetStore, account: Collected, found: Sequence[Samples], seen: pa.Table
    ) -> None:
        if len(seen):
            account.add_containers(seen)  # first: a sample's shard is that of its pod's node
            store.append(self.cluster, pa.concat_tables([_table(part) for part in found]))

    def _namespaces(self) -> dict[str, int]:
        window = hour(self.cluster, None, self.hour_s)
        answer = self.asking.window(Ask.NAMESPACES, window, series=1)
        return series_of_namespaces(answer, self.asking.settings)

    def _facts(self, series: int) -> Facts:
        window = hour(self.cluster, None, self.hour_s)
        answers = {ask: self.asking.window(ask, window, series=series) for ask in FACTS}
        return facts(answers, self.asking.settings)

    def _piece(self, namespace: str, series: int) -> tuple[Piece, Samples | None]:
        window = hour(self.cluster, namespace, self.hour_s)
        try:
            answers = {ask: self.asking.window(ask, window, series=series) for ask in MEASURES}
        except AnswerFailed as why:
            return Piece(namespace, 0, str(why)), None
        part = samples(answers, window, self.asking.settings)
        return Piece(namespace, len(part.pod)), part


def _table(part: Samples) -> pa.Table:
    columns = {"ts_s": part.ts_s, "pod": part.pod, "container": part.container}
    values = {
        ask.value: pa.array(column, pa.float32(), from_pandas=True)
        for ask, column in part.measures.items()
    }
    return pa.table(columns | values)


def _containers(found: Sequence[Samples], known: Facts) -> pa.Table:
    """A row per container seen, with all that is known of it."""
    span: dict[tuple[str, str], tuple[int, int]] = {}
    for part in found:
        for pod, container, ts_s in zip(part.pod, part.container, part.ts_s.tolist(), strict=True):
            first_s, last_s = span.get((pod, container), (ts_s, ts_s))
            span[pod, container] = min(first_s, ts_s), max(last_s, ts_s)
    rows = [_container(*name, *seen, known) for name, seen in span.items()]
    return pa.Table.from_pylist(rows, schema=CONTAINERS)


def _container(
    pod: str, container: str, first_s: int, last_s: int, known: Facts
) -> Mapping[str, object]:
    namespace, _, name = pod.partition("/")
    key = (namespace, name)
    owner = known.owner.get(key)

    def size(resource: str, ask: Ask) -> float | None:
        value = known.size(key, container, resource, ask)
        return None if np.isnan(value) else value

    return {
        "pod": pod,
        "container": container,
        "namespace": namespace,
        "workload": None if owner is None else owner.name,
        "kind": None if owner is None else owner.kind,
        "node": known.node.get(key) or None,
        "cpu_request_cores": size("cpu", Ask.REQUESTS),
        "cpu_limit_cores": size("cpu", Ask.LIMITS),
        "memory_request_bytes": size("memory", Ask.REQUESTS),
        "memory_limit_bytes": size("memory", Ask.LIMITS),
        "first_seen_s": first_s,
        "last_seen_s": last_s,
    }
