"""A large fleet from Parquet to right sizes and node forecasts, and what one more day costs.

python -m bench.predictor_scale [--workloads N] [--folder DIR] [--quick]

A history of 14 days x 5 min is generated first (its time is told apart). Memory is the sum over
all processes, sampled five times a second. The machine may be busy: CPU seconds stand beside the
wall seconds. The day's increment is the append of its 24 hours, its compaction, and everything
said anew, forecasts going on from what was kept. --quick is 2,000 workloads and prints their own
numbers, extrapolating nothing.
"""

from __future__ import annotations

import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Self

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench._generated_store import (
    CLUSTER,
    DAY_S,
    FIRST_DAY,
    INTERVAL_S,
    Shape,
    day_of_shard,
    write_store,
)
from bench.figures import say
from predictor.adapters.embedded_runner import embedded
from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.repair import Repair
from predictor.core.fit import Fitted, Question
from predictor.core.forecast import ForecastSettings
from predictor.core.recommend import SizingSettings, recommended
from slacktide.progress import progress_over

BENCH = "predictor_scale"
FULL = 100_000


@click.command()
@click.option("--workloads", type=click.IntRange(min=100), default=FULL, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the history here.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--quick", is_flag=True, help="2,000 workloads in 2 shards.")
def main(workloads: int, folder: Path | None, seed: int, quick: bool) -> None:
    """Generate, fit, add a day, fit again."""
    shape = Shape(workloads=2_000, days=14, seed=seed, shards=2) if quick else None
    shape = shape or Shape(workloads=workloads, days=14, seed=seed)
    place: AbstractContextManager[str | Path]
    place = nullcontext(folder) if folder else tempfile.TemporaryDirectory()
    with place as found:
        measure(Path(found) / "history", shape)


def measure(root: Path, shape: Shape) -> None:
    """Prints the figures of one shape."""
    full = shape.workloads == FULL
    if not root.exists():
        wall_s, cpu_s, rows = timed(lambda: write_store(root, shape))
        told("generation", wall_s, cpu_s, shape)
        say(BENCH, "rows", [rows], "samples", seed=shape.seed)
    with PeakMemory() as peak:
        wall_s, cpu_s, _ = timed(lambda: everything(root, shape, days=shape.days))
    name = "seconds_per_100k_workloads" if full else f"seconds_per_{shape.workloads}_workloads"
    say(BENCH, name, [wall_s], "s", goal="<=600" if full else "", seed=shape.seed)
    say(BENCH, "cpu_seconds", [cpu_s], "s", seed=shape.seed)
    goal = "<=6" if full else ""
    say(BENCH, "peak_rss_gib", [peak.highest_bytes / 2**30], "GiB", goal=goal, seed=shape.seed)
    increment(root, shape, full=full)


def increment(root: Path, shape: Shape, *, full: bool) -> None:
    """One more day: appended by the hour, compacted, and everything said anew."""
    store, hours, total = ParquetStore(root), hours_of_day(shape, shape.days), [0.0, 0.0]
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("append", lambda: [store.append(CLUSTER, hour) for hour in hours]),
        ("compact", lambda: Repair(store, CLUSTER).compact(FIRST_DAY + shape.days)),
        ("fit", lambda: everything(root, shape, days=shape.days + 1)),
    )
    for name, step in steps:
        wall_s, cpu_s, _ = timed(step)
        told(f"daily_{name}", wall_s, cpu_s, shape)
        total = [total[0] + wall_s, total[1] + cpu_s]
    say(BENCH, "daily_increment_s", total[:1], "s", goal="<=120" if full else "", seed=shape.seed)
    say(BENCH, "daily_increment_cpu_s", total[1:], "s", seed=shape.seed)


def hours_of_day(shape: Shape, number: int) -> list[pa.Table]:
    """A day of the whole fleet as a collector would bring it."""
    day = pa.concat_tables([day_of_shard(shape, k, number) for k in range(shape.shards)])
    hour = np.asarray(day["ts_s"]) // 3_600
    return [day.filter(pa.array(hour == at)) for at in np.unique(hour)]


def everything(root: Path, shape: Shape, *, days: int) -> int:
    """Right sizes and forecasts of the fleet at the end of its days; returns how many."""
    asked = Question(
        cluster=CLUSTER,
        now_s=(FIRST_DAY + days) * DAY_S - INTERVAL_S,
        interval_s=INTERVAL_S,
        shards=shape.shards,
        sizing=SizingSettings(),
        forecast=ForecastSettings(),
    )

    def shown(shards: Iterable[Fitted]) -> Iterable[Fitted]:
        return progress_over(shards, total=shape.shards, what="shards")

    found = embedded(root, asked, shown=shown, state=root.with_name("state"))
    sized = recommended(found.use, asked.now_s)
    spare = pc.count(found.forecasts["reclaimable_cpu_cores"]).as_py()
    if len(sized) != shape.workloads or spare != 4 * shape.nodes:
        raise SystemExit(f"said {len(sized)} sizes and {spare} forecasts")
    return len(sized)


def timed(step: Callable[[], object]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds with those of ended children, and a number it returned."""
    started, cpu = time.perf_counter(), cpu_seconds()
    made = step()
    number = float(made) if isinstance(made, int) else 0.0
    return time.perf_counter() - started, cpu_seconds() - cpu, number


def cpu_seconds() -> float:
    """Of this process and its ended children."""
    use = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in use)


def told(what: str, wall_s: float, cpu_s: float, shape: Shape) -> None:
    """A step's two times."""
    say(BENCH, f"{what}_s", [wall_s], "s", seed=shape.seed)
    say(BENCH, f"{what}_cpu_s", [cpu_s], "s", seed=shape.seed)


class PeakMemory:
    """The largest sum of resident memory over this process and its children, while entered."""

    def __init__(self) -> None:
        self.highest_bytes = 0
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        """Begins to look."""
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops looking."""
        self._done.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._done.wait(0.2):
            held = sum(_resident(pid) for pid in (os.getpid(), *_children(os.getpid())))
            self.highest_bytes = max(self.highest_bytes, held)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    mine = [int(child) for child in text.split()]
    return mine + [below for child in mine for below in _children(child)]


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
