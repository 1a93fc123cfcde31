"""From a server into the store, at most a day of a cluster at a time, the oldest first.

What always holds: an hour is read only when it is over by the server's own clock; what is stored is
not asked for again; what could not be had is told with its reason and tried again by the next run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from predictor.adapters.collected import Collected
from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.prometheus import AnswerFailed
from predictor.app.asking import Asking
from predictor.app.reading import Hour, Reading
from predictor.core.collect_settings import HOUR_S
from slacktide.errors import BadInput

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to collect."""

    root: Path
    since_s: int  # how far back from the server's now
    clusters: tuple[str, ...] = ()  # empty: all that the server's cluster label names
    namespaces: frozenset[str] = frozenset()  # empty: all


def clusters_and_hours(asking: Asking, wanted: Wanted) -> list[tuple[str, int]]:
    """Every (cluster, hour) that is over and wanted, a day of each cluster at a time, oldest first.

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
    days = [list(day) for _, day in groupby(hours, lambda hour_s: hour_s // DAY_S)]
    return [(name, hour_s) for day in days for name in names for hour_s in day]


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
    interval_s = asking.settings.interval_s
    store = ParquetStore(wanted.root, interval_s=interval_s)
    accounts: dict[str, Collected] = {}
    for cluster in dict.fromkeys(name for name, _ in todo):
        accounts[cluster] = Collected(wanted.root, cluster, interval_s=interval_s)
        accounts[cluster].forget_days_without_samples(store.days(cluster))

    def alike(one: tuple[str, int]) -> tuple[str, int, bool, frozenset[str]]:
        """Hours in a row that are alike in this are read together."""
        cluster, hour_s = one
        stored = accounts[cluster].stored(hour_s)
        done = bool(wanted.namespaces) and wanted.namespaces <= stored
        return cluster, hour_s // DAY_S, done or accounts[cluster].whole(hour_s), stored

    with _threads(asking) as pool:
        for (cluster, _, skip, _), some in groupby(todo, alike):
            hours = tuple(hour_s for _, hour_s in some)
            if skip:
                yield from (Hour(cluster, hour_s, skipped=True) for hour_s in hours)
                continue
            reading = Reading(asking, pool, store, accounts[cluster], cluster, wanted.namespaces)
            for hour in reading.into_store(hours):
                yield hour
                if hour.gone:
                    return


@contextmanager
def _threads(asking: Asking) -> Iterator[ThreadPoolExecutor]:
    """As many as may ask at once; whatever ends the collection ends their waiting too."""
    with ThreadPoolExecutor(asking.settings.most_in_flight, "collect") as pool:
        try:
            yield pool
        finally:
            asking.end()
