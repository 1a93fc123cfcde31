"""Hours of a cluster, read by several threads and stored by one.

A batch of namespaces comes whole or not at all: half of one would look like low usage. A batch that
fails is read again in halves, down to a namespace's hour, so that one that is broken on the server
costs no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa

from predictor.adapters.collected import Collected, Piece
from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.prometheus import AnswerFailed
from predictor.app.asking import Asking
from predictor.core.collect_answers import series_of_namespaces, together
from predictor.core.collect_facts import Facts, facts
from predictor.core.collect_pace import Failure
from predictor.core.collect_queries import FACTS, MEASURES, Ask, needs
from predictor.core.collect_samples import Samples, samples, seen
from predictor.core.collect_settings import HOUR_S
from predictor.core.collect_windows import Window, halved, hours
from predictor.core.tables import CONTAINERS, NODES

ALL: Final = "*"  # stands for the namespaces of an hour whose list could not be had

ALWAYS: Final = {Ask.CPU, Ask.MEMORY}

Sizes = Mapping[int, Mapping[str, int]]  # series by hour and namespace


@dataclass(frozen=True, slots=True)
class Hour:
    """What became of an hour of a cluster."""

    cluster: str
    hour_s: int
    pieces: tuple[Piece, ...] = ()
    skipped: bool = False  # stored by an earlier run
    gone: bool = False  # the server did not answer at all: later hours would only wait
    dropped: int = 0  # values that were no number of cores or bytes
    repeated: int = 0  # values for a cgroup and stamp that had one
    unowned: int = 0  # containers of which the server knows no owner


@dataclass(slots=True)
class _Account:
    """What came of some hours so far."""

    samples: Counter[tuple[int, str]] = field(default_factory=Counter)
    missing: dict[tuple[int, str], str] = field(default_factory=dict)
    gone: bool = False
    dropped: int = 0
    repeated: int = 0
    unowned: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads hours of one cluster."""

    asking: Asking
    pool: Executor
    store: ParquetStore
    account: Collected
    cluster: str
    only: Collection[str]  # these namespaces; empty: all

    def into_store(self, wanted: Sequence[int]) -> Iterator[Hour]:
        """Reads hours in a row, of all of which the same is stored, and stores the rest."""
        window = hours(self.cluster, None, wanted[0], len(wanted))
        try:
            sizes = self._sizes(window)
            metrics = self.asking.metrics(window) if sizes else frozenset()
            known = self._facts(window, sizes, metrics) if sizes else Facts()
        except AnswerFailed as why:
            yield from self._without(wanted, why)
            return
        told = _Account()
        for batch in self._batches(window, sizes):
            self._batch(batch, self._measures(metrics), sizes, known, told)
            if told.gone:
                break
        self._store_nodes(window, known)
        yield from self._marked(wanted, sizes, told)

    def _without(self, wanted: Sequence[int], why: AnswerFailed) -> Iterator[Hour]:
        """Hours whose beginnings failed: tried in halves, where there is any use in that."""
        alive = why.failure is Failure.TOO_LARGE or self.asking.alive()
        if not alive or len(wanted) == 1:
            missing = (Piece(ALL, 0, str(why)),)
            yield from (Hour(self.cluster, at, missing, gone=not alive) for at in wanted)
            return
        middle = len(wanted) // 2
        for half in (wanted[:middle], wanted[middle:]):
            for hour in self.into_store(half):
                yield hour
                if hour.gone:
                    return

    def _sizes(self, window: Window) -> Sizes:
        answer = self.asking.window(Ask.NAMESPACES, window, 1)
        return series_of_namespaces(answer, self.asking.settings)

    def _facts(self, window: Window, sizes: Sizes, metrics: Collection[str]) -> Facts:
        """What is asked once for all hours together, of the metrics that there are."""
        settings = self.asking.settings
        series = max(sum(hour.values()) for hour in sizes.values())
        asked = [ask for ask in FACTS if needs(ask, settings) <= set(metrics)]
        answers = self.pool.map(lambda ask: self.asking.window(ask, window, series), asked)
        return facts(dict(zip(asked, answers, strict=True)), settings)

    def _measures(self, metrics: frozenset[str]) -> list[Ask]:
        """CPU and memory whatever an index says: without them an hour would pass for empty."""
        settings = self.asking.settings
        return [ask for ask in MEASURES if ask in ALWAYS or needs(ask, settings) <= metrics]

    def _batches(self, window: Window, sizes: Sizes) -> Iterator[Window]:
        """The namespaces in lots of which a query can hold an hour."""
        stored = self.account.stored(window.from_s)
        most = self.asking.settings.most_cells * self.asking.settings.burst_every_s // HOUR_S
        lot: list[str] = []
        held = 0
        for name, series in sorted(_largest(sizes).items()):
            if name in stored or (self.only and name not in self.only):
                continue
            if lot and held + series > most:
                yield Window(self.cluster, tuple(lot), window.from_s, window.to_s)
                lot, held = [], 0
            lot.append(name)
            held += series
        if lot:
            yield Window(self.cluster, tuple(lot), window.from_s, window.to_s)

    def _batch(
        self, window: Window, asked: Sequence[Ask], sizes: Sizes, known: Facts, told: _Account
    ) -> None:
        """Reads and stores a batch, in halves where it fails."""
        try:
            found = self._read(window, asked, sizes)
        except AnswerFailed as why:
            told.gone = told.gone or not (why.failure is Failure.TOO_LARGE or self.asking.alive())
            halves = () if told.gone else _halves(window)
            for half in halves:
                self._batch(half, asked, sizes, known, told)
            if not halves:
                told.missing |= {key: str(why) for key in _keys(window, sizes)}
            return
        told.samples.update(dict.fromkeys(_keys(window, sizes), 0))
        told.samples.update(_counted(found))
        told.dropped += found.dropped
        told.repeated += found.repeated
        told.unowned += self._store(found, known)

    def _read(self, window: Window, asked: Sequence[Ask], sizes: Sizes) -> Samples:
        most = _largest(sizes)
        parts = [(ask, part) for ask in asked for part in self.asking.parts(ask, window, most)]
        answers = list(self.pool.map(lambda one: self.asking.window(one[0], one[1], most), parts))
        found = {
            ask: together([a for (of, _), a in zip(parts, answers, strict=True) if of is ask])
            for ask in asked
        }
        return samples(found, window, self.asking.settings)

    def _store(self, found: Samples, known: Facts) -> int:
        """Returns how many containers have no owner that the server knows."""
        if not len(found.which):
            return 0
        rows = [
            {
                "pod": f"{name[0]}/{name[1]}",
                "container": name[2],
                "namespace": name[0],
                **known.container(name),
                "first_seen_s": first_s,
                "last_seen_s": last_s,
            }
            for name, first_s, last_s in seen(found)
        ]
        containers = pa.Table.from_pylist(rows, schema=CONTAINERS)
        self.account.add_containers(containers)  # first: a sample's shard is that of its pod's node
        self.store.append(self.cluster, _table(found))
        return int(containers["workload"].null_count)

    def _store_nodes(self, window: Window, known: Facts) -> None:
        last_s = window.to_s - self.asking.settings.interval_s
        rows = [
            {
                "node": node,
                "cpu_cores": known.nodes.get((node, "cpu")),
                "memory_bytes": known.nodes.get((node, "memory")),
                "last_seen_s": last_s,
            }
            for node in sorted({node for node, _ in known.nodes} - {""})
        ]
        if rows:
            self.account.add_nodes(pa.Table.from_pylist(rows, schema=NODES))

    def _marked(self, wanted: Sequence[int], sizes: Sizes, told: _Account) -> list[Hour]:
        """Writes down what came of the hours, all at once."""
        pieces = {hour_s: _pieces(hour_s, sizes.get(hour_s, {}), told) for hour_s in wanted}
        marks = {}
        for hour_s, of_hour in pieces.items():
            held = self.account.stored(hour_s) | {p.namespace for p in of_hour if not p.missing}
            if of_hour or held:
                marks[hour_s] = of_hour, bool(held) and held >= sizes.get(hour_s, {}).keys()
        if marks:
            self.account.mark_all(marks)
        first = Hour(self.cluster, wanted[0], dropped=told.dropped, repeated=told.repeated)
        found = [replace(first, pieces=pieces[wanted[0]])]
        found += [Hour(self.cluster, hour_s, pieces[hour_s]) for hour_s in wanted[1:]]
        return [replace(hour, gone=told.gone, unowned=told.unowned) for hour in found]


def _pieces(hour_s: int, names: Iterable[str], told: _Account) -> tuple[Piece, ...]:
    """An hour's namespaces that were read or failed."""
    keys = [(hour_s, name) for name in sorted(names)]
    return tuple(
        Piece(key[1], told.samples[key], told.missing.get(key, ""))
        for key in keys
        if key in told.samples or key in told.missing
    )


def _largest(sizes: Sizes) -> dict[str, int]:
    """The most series of each namespace in any hour."""
    most: Counter[str] = Counter()
    for hour in sizes.values():
        most |= Counter(hour)
    return dict(most)


def _halves(window: Window) -> tuple[Window, ...]:
    """Of the hours first, then of the namespaces; never less than a namespace's hour."""
    if window.to_s - window.from_s > HOUR_S or len(window.namespaces or ()) > 1:
        return halved(window, interval_s=HOUR_S)
    return ()


def _keys(window: Window, sizes: Sizes) -> Iterable[tuple[int, str]]:
    """The namespaces' hours that lie in a window."""
    names = set(window.namespaces or ())
    for hour_s, there in sizes.items():
        if window.from_s <= hour_s < window.to_s:
            yield from ((hour_s, name) for name in there if name in names)


def _counted(found: Samples) -> dict[tuple[int, str], int]:
    """Samples by hour and namespace."""
    spaces = sorted({name[0] for name in found.names})
    number = {name: at for at, name in enumerate(spaces)}
    space = np.array([number[name[0]] for name in found.names], np.int64)[found.which]
    keys, counts = np.unique(found.ts_s // HOUR_S * len(spaces) + space, return_counts=True)
    return {
        (key // len(spaces) * HOUR_S, spaces[key % len(spaces)]): count
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True)
    }


def _table(found: Samples) -> pa.Table:
    """Rows of `SAMPLES`; what was not measured is null."""
    which = pa.array(found.which)
    pods = pa.array([f"{namespace}/{pod}" for namespace, pod, _ in found.names], pa.string())
    containers = pa.array([container for *_, container in found.names], pa.string())
    values = {
        name: pa.array(column, pa.float32(), from_pandas=True)
        for name, column in found.columns.items()
    }
    keys = {"ts_s": found.ts_s, "pod": pods.take(which), "container": containers.take(which)}
    return pa.table(keys | values)
