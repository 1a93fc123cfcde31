"""Fits a stored history on this machine: shard by shard, a process a core, no more in memory.

Each process reads its shard itself, so only small tables travel, and memory holds as many shards as
there are processes. Whichever shard is done first, the answer is the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.state_file import forecast_on
from predictor.adapters.whole_files import make_folder
from predictor.core.fit import COLUMNS, Fitted, Forecaster, Question, fit, fleet, from_nothing
from slacktide.errors import BadInput

Shown = Callable[[Iterable[Fitted]], Iterable[Fitted]]  # passes them on, and shows how far it is


def embedded(
    root: Path,
    asked: Question,
    *,
    processes: int | None = None,
    shown: Shown = iter,
    state: Path | None = None,
) -> Fitted:
    """The whole fleet's tables. `processes` is the number of cores unless given.

    `state` is a folder with what forecasts have learned, a file a shard, read and updated.

    Raises:
        BadInput: the store is torn, the state cannot be kept, or a process ended in the middle.
    """
    workers = min(processes or len(os.sched_getaffinity(0)), asked.shards)
    todo = partial(_shard, root, asked, state)
    if state is not None:
        make_folder(state)
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


def _shard(root: Path, asked: Question, state: Path | None, shard: int) -> Fitted:
    store = ParquetStore(root)
    samples = store.read_shard(asked.cluster, shard, asked.from_s, asked.now_s + 1, COLUMNS)
    about = store.inventory(asked.cluster)
    forecaster: Forecaster = from_nothing
    if state is not None:
        forecaster = partial(
            forecast_on, state / f"{quote(asked.cluster, safe='')}-{shard}.npz", _say
        )
    return fit(samples, about.containers(), about.nodes(), asked, shard, forecaster=forecaster)


def _say(why: str) -> None:
    print(why, file=sys.stderr)  # noqa: T201  a process of the pool has no other way to a person
