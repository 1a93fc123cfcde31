"""Fits a stored history on this machine: shard by shard, a process a core, no more in memory.

Each process reads its shard itself, so only small tables travel, and memory holds as many shards as
there are processes. Whichever shard is done first, the answer is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa

from predictor.adapters.parquet_store import ParquetStore
from predictor.core.fit import COLUMNS, Fitted, Question, fit, fleet
from slacktide.errors import BadInput

Shown = Callable[[Iterable[Fitted]], Iterable[Fitted]]  # passes them on, and shows how far it is


def embedded(
    root: Path, asked: Question, *, processes: int | None = None, shown: Shown = iter
) -> Fitted:
    """The whole fleet's tables. `processes` is the number of cores unless given.

    Raises:
        BadInput: the store is torn, or a process ended in the middle.
    """
    workers = min(processes or len(os.sched_getaffinity(0)), asked.shards)
    todo = partial(_shard, root, asked)
    if workers == 1:
        return fleet(list(shown(map(todo, range(asked.shards)))))
    return fleet(list(shown(_spread(todo, asked.shards, workers))))


def _spread(todo: Callable[[int], Fitted], shards: int, workers: int) -> Iterator[Fitted]:
    """Each shard's tables as soon as they are there."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes inherit it: a core each
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_core) as pool:
        try:
            for done in as_completed([pool.submit(todo, shard) for shard in range(shards)]):
                yield done.result()
        except BrokenProcessPool as why:
            raise BadInput(
                "a process that fitted a shard was ended, perhaps for its memory;"
                " free some, or store the history in more shards"
            ) from why
        finally:
            pool.shutdown(cancel_futures=True)


def _one_core() -> None:
    pa.set_cpu_count(1)


def _shard(root: Path, asked: Question, shard: int) -> Fitted:
    store = ParquetStore(root)
    samples = store.read_shard(asked.cluster, shard, asked.from_s, asked.now_s + 1, COLUMNS)
    about = store.inventory(asked.cluster)
    return fit(samples, about.containers(), about.nodes(), asked, shard)
