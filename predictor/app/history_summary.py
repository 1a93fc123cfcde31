"""What a history holds, counted from its files: nothing is taken from an account of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from predictor.adapters.collected import Collected
from predictor.adapters.day_files import Torn
from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.core.hours_seen import gaps

HOUR_S = 3_600
DATED_FROM_DAY = 7_305  # 1990: times of a trace count from its own origin, those of servers do not


@dataclass(frozen=True, slots=True)
class Summary:
    """A row of `slacktide history show`."""

    cluster: str
    first_day: int | None
    last_day: int | None
    days: int
    containers: int
    samples: int
    gaps: tuple[tuple[int, int], ...]  # (first hour, the hour after the last) since the origin
    missing_pieces: int
    parts: int
    size_mib: float

    def row(self) -> dict[str, object]:
        """As it is printed; gaps as how many there are and how long they are together."""
        found: dict[str, object] = {}
        for name, value in asdict(self).items():
            if name == "gaps":
                found["gaps"] = len(self.gaps)
                found["gap_hours"] = sum(end - first for first, end in self.gaps)
            else:
                found[name] = value
        return found

    def gap_lines(self) -> list[str]:
        """Where each gap is, the newest first."""
        return [
            f"gap: {self.cluster}, {when(first * HOUR_S)} to {when(end * HOUR_S)},"
            f" {end - first} h without a sample"
            for first, end in reversed(self.gaps)
        ]


def when(at_s: int) -> str:
    """A time as people read it: UTC, or the day and hour of a trace."""
    if at_s >= DATED_FROM_DAY * DAY_S:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%MZ")
    return f"day {at_s // DAY_S} {at_s % DAY_S // HOUR_S:02d}:00"


def summary(store: ParquetStore, cluster: str) -> Summary:
    """One cluster, its samples' times read; a file that cannot be read is said and left out."""
    days = store.days(cluster)
    account = Collected(store.root, cluster, interval_s=store.interval_s)
    sizes = [file.stat().st_size for file in store.folder(cluster).rglob("*.parquet")]
    return Summary(
        cluster=cluster,
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        days=len(days),
        containers=len(store.inventory(cluster).containers()),
        samples=sum(_rows(store, cluster, day) for day in days),
        gaps=tuple(gaps(_hours(store, cluster, days))),
        missing_pieces=len(account.missing()),
        parts=sum(store.day(cluster, day).parts() for day in days),
        size_mib=sum(sizes) / 2**20,
    )


def _rows(store: ParquetStore, cluster: str, number: int) -> int:
    day = store.day(cluster, number)
    files = (file for shard in day.shards() for file in day.opened(shard))
    return sum(0 if isinstance(file, Torn) else file.rows for file in files)


def _hours(store: ParquetStore, cluster: str, days: tuple[int, ...]) -> NDArray[np.int64]:
    """Every hour since the origin that has a sample, ascending."""
    found: set[int] = set()
    for number in days:
        day = store.day(cluster, number)
        for shard in day.shards():
            for table in store.readable(day.opened(shard), ["ts_s"]):
                before_s = np.asarray(table["ts_s"]) - number * DAY_S
                there = np.bincount(before_s // HOUR_S, minlength=24)
                found.update((np.flatnonzero(there) + number * 24).tolist())
    return np.array(sorted(found), np.int64)
