"""Answers questions about the history from its files, within limits that are checked first.

Always holds: what a question will cost is known before anything is read, memory is that of one
shard's day, and two questions at most read at once.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.core.usage_series import Steps, sums_of, usage_by_step
from slacktide.errors import BadInput

MOST_POINTS: Final = 11_000  # of one answer, as in Prometheus
MOST_STAMPS: Final = 2**20  # of a window: ten years every five minutes
MOST_SAMPLES: Final = 100_000_000  # read for one answer: seconds on one core
MOST_READERS: Final = 2  # at once; others are told to come back
MOST_NAMES: Final = 8  # told of those that are there
COLUMNS: Final = ("ts_s", "cpu_cores", "memory_bytes")


class Refused(Exception):  # noqa: N818  named for what became of the question
    """A question that is not answered; the message says what to ask instead."""

    status = 400  # as HTTP tells it


class Wrong(Refused):
    """A window or step that is none."""

    status = 422


class Unknown(Refused):
    """There is no such cluster, namespace, workload or node."""

    status = 404


class TooMuch(Refused):
    """More than one answer may cost."""

    status = 413


class Busy(Refused):
    """As many questions as may be are being answered."""

    status = 503


@dataclass(frozen=True, slots=True)
class Question:
    """Whose use is wanted: what is named must all fit; nothing named is the whole cluster."""

    cluster: str | None = None  # None: the only one there is
    namespace: str | None = None
    workload: str | None = None
    node: str | None = None
    from_s: int | None = None  # None: a day before to_s
    to_s: int | None = None  # None: the end of the newest day
    step_s: int | None = None  # None: as fine as gives a thousand points


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of `USAGE` over the whole steps that hold the window, and what could not be read."""

    question: Question
    cluster: str
    steps: Steps
    usage: pa.Table
    torn_files: int


class UsageReader:
    """Reads one history for any number of threads."""

    def __init__(self, root: Path) -> None:
        """Raises `BadInput` where there is no history that this version can read."""
        self._root = root
        self._turns = threading.BoundedSemaphore(MOST_READERS)
        if not ParquetStore(root).clusters():
            raise BadInput(f"{root}: no history; fill it with slacktide collect or history import")

    def store(self) -> ParquetStore:
        """The history as it is now, quietly."""
        return ParquetStore(self._root, say=lambda _: None)

    def cluster(self, name: str | None) -> str:
        """The cluster meant. Raises `Unknown`."""
        there = self.store().clusters()
        if name is None and len(there) == 1:
            return there[0]
        if name not in there:
            first = ", ".join(there[:MOST_NAMES])
            asked = "several clusters: name one" if name is None else "no such cluster"
            raise Unknown(f"{asked}; there are {first}")
        return name

    def containers(self, cluster: str) -> pa.Table:
        """Rows of `CONTAINERS`; a pod without a known workload is its own, of kind Pod."""
        table = self.store().inventory(cluster).containers()
        name = pc.replace_substring_regex(table["pod"], pattern="^[^/]*/", replacement="")
        for column, instead in (("workload", name), ("kind", pa.scalar("Pod"))):
            known = pc.coalesce(table[column], instead)
            table = table.set_column(table.column_names.index(column), column, known)
        return table

    def usage(self, question: Question) -> Answer:
        """The use over time.

        Raises:
            Refused: one of the above.
        """
        cluster = self.cluster(question.cluster)
        store, torn = self.store(), set[str]()
        steps = _steps(question, store, cluster)
        table = self.wanted(question, cluster)
        _check_size(table, steps)
        reading = ParquetStore(self._root, say=torn.add)
        pods = None
        if len(table) and (question.namespace or question.workload or question.node):
            pods = frozenset(table["pod"].to_pylist())
        with self._turn():
            usage = _read(reading, cluster, steps, pods)
        return Answer(question, cluster, steps, usage, len(torn))

    def wanted(self, question: Question, cluster: str) -> pa.Table:
        """The containers in question, of a cluster. Raises `Unknown` where there are none."""
        table = self.containers(cluster)
        for column in ("namespace", "workload", "node"):
            value = getattr(question, column)
            if value is not None:
                table = table.filter(pc.equal(table[column], value))
                if not len(table):
                    raise Unknown(f"cluster {cluster} has no such {column}")
        return table

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=1):
            raise Busy("busy with other questions; ask again in a second")
        try:
            yield
        finally:
            self._turns.release()


def _steps(question: Question, store: ParquetStore, cluster: str) -> Steps:
    """The whole steps that hold the window. Raises `TooMuch`, `Wrong`."""
    interval_s = store.interval_s
    to_s = question.to_s
    if to_s is None:
        to_s = (max(store.days(cluster), default=0) + 1) * DAY_S
    from_s = to_s - DAY_S if question.from_s is None else question.from_s
    if from_s >= to_s:
        raise Wrong(f"from {from_s} is not before to {to_s}")
    step_s = question.step_s
    if step_s is None:
        step_s = -(-(to_s - from_s) // (1_000 * interval_s)) * interval_s
    if (to_s - from_s) / step_s > MOST_POINTS:
        raise TooMuch(f"more than {MOST_POINTS:,} points; ask for a longer step")
    if (to_s - from_s) / interval_s > MOST_STAMPS:
        raise TooMuch(f"a window of more than {MOST_STAMPS:,} intervals; ask for a shorter one")
    first_s, end_s = from_s // step_s * step_s, -(-to_s // step_s) * step_s
    try:
        return Steps(first_s, end_s, step_s, interval_s)
    except ValueError as why:
        raise Wrong(str(why)) from why


def _check_size(containers: pa.Table, steps: Steps) -> None:
    """Raises `TooMuch` by the most samples that these containers can have."""
    first = np.maximum(np.asarray(containers["first_seen_s"]), steps.from_s)
    last = np.minimum(np.asarray(containers["last_seen_s"]), steps.to_s)
    samples = int((np.maximum(last - first, 0) // steps.interval_s + 1).sum())
    if samples > MOST_SAMPLES:
        raise TooMuch(
            f"{samples:,} samples, more than the {MOST_SAMPLES:,} read for one answer;"
            " ask for a shorter window, a node or a workload"
        )


def _read(
    store: ParquetStore, cluster: str, steps: Steps, pods: Collection[str] | None
) -> pa.Table:
    """Sums a day's shard at a time."""
    total = sums_of(store.read_shard(cluster, 0, 0, 0, COLUMNS), steps)
    for day in store.days(cluster):
        from_s, to_s = max(day * DAY_S, steps.from_s), min((day + 1) * DAY_S, steps.to_s)
        if from_s >= to_s:
            continue
        for shard in range(store.shards()):
            table = store.read_shard(cluster, shard, from_s, to_s, COLUMNS, pods=pods)
            if len(table):
                total += sums_of(table, steps)
    return usage_by_step(total, steps)
