"""Fits a stored history on this machine: shard by shard, a process a core, no more in memory.

Each process reads its shard itself, so only small tables travel, and memory holds as many shards as
there are processes. Whichever shard is done first, the answer is the same.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Final

import pyarrow as pa

from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.saying import say_on_stderr
from predictor.adapters.state_file import read_state, write_state
from predictor.adapters.whole_files import make_folder
from predictor.core.fit import COLUMNS, Fitted, Question, Shard, answered, fleet, later, shard_of
from predictor.core.forecast import ForecastState
from slacktide.errors import BadInput

SMALL_BYTES: Final = 64 << 20  # some four million samples: fitted while two processes start
Shown = Callable[[Iterable[Fitted]], Iterable[Fitted]]  # passes them on, and shows how far it is


def embedded(
    root: Path,
    asked: Question,
    *,
    processes: int | None = None,
    shown: Shown = iter,
    state: Path | None = None,
) -> Fitted:
    """The whole fleet's tables. `processes` is the number of cores, or 1 for a small history.

    `state` is a folder of what each shard learned: gone on from where it fits, and updated.

    Raises:
        BadInput: the store is torn, or a process ended in the middle.
    """
    workers = min(processes or _processes(root, asked), asked.shards)
    if state is not None:
        make_folder(state)
    todo = partial(_shard, root, asked, state)
    if workers == 1:
        return fleet(list(shown(map(todo, range(asked.shards)))))
    return fleet(list(shown(_spread(todo, asked.shards, workers))))


def _processes(root: Path, asked: Question) -> int:
    """The cores, where there is more to read than it takes to start Python on each."""
    folder, size = ParquetStore(root).folder(asked.cluster), 0
    for file in folder.glob("day=*/shard=*/*.parquet"):
        size += file.stat().st_size
        if size > SMALL_BYTES:
            return len(os.sched_getaffinity(0))
    return 1


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
    """How a process of the pool begins: with one thread, and an end when whoever wants it ends."""
    pa.set_cpu_count(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """However the parent ends, nobody is left waiting for work from it."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _shard(root: Path, asked: Question, state: Path | None, number: int) -> Fitted:
    store = ParquetStore(root)
    samples = store.read_shard(asked.cluster, number, asked.from_s, asked.now_s + 1, COLUMNS)
    about = store.inventory(asked.cluster)
    shard = shard_of(samples, about.containers(), about.nodes(), asked, number)
    if state is None:
        return answered(shard, asked)[0]
    file = state / f"shard-{number}.npz"
    before, shard = _remembered(file, shard, asked)
    found, learned = answered(shard, asked, before)
    if learned is not None and asked.forecast is not None:
        kept = later(learned, shard.stored.origin_s)
        write_state(file, kept, shard.history, asked.forecast)
    return found


def _remembered(file: Path, shard: Shard, asked: Question) -> tuple[ForecastState | None, Shard]:
    """What was learned of a shard, and the shard in its order; why there is nothing is said.

    Raises:
        BadInput: more was learned than was known at the time that is asked about.
    """
    if asked.forecast is None or not file.exists():
        return None, shard
    state, history, why = read_state(file, shard.history, asked.forecast)
    if state is None:
        say_on_stderr(f"{why}: learning from the history")
        return None, shard
    if state.at_s > asked.now_s:
        raise BadInput(f"{file} was learned until {state.at_s}: give a later --at, or delete it")
    if state.at_s < asked.from_s:
        say_on_stderr(f"{file} was learned until {state.at_s}, too long ago: learning anew")
        return None, shard
    return later(state, -shard.stored.origin_s), replace(shard, history=history)
