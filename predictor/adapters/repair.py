"""Keeps a history in order: torn files set aside, days compacted, old days dropped.

Every step can be cut off by a crash and is simply done again: what is lost is forgotten in
collected.json before its file gets another name, a day's new files count only once they are all
there, and a day that is dropped leaves its place in one move.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from predictor.adapters.collected import Collected
from predictor.adapters.compaction import Compacted, TornFile, compacted
from predictor.adapters.day_files import TORN, Day, Torn
from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.adapters.saying import Say, say_on_stderr
from predictor.adapters.whole_files import DRAFT
from predictor.adapters.writer_lock import only_writer
from predictor.core.newest import CODED

DROPPED: Final = ".dropped"  # ends the name of a day's folder on its way out


@dataclass(frozen=True, slots=True)
class Pruned:
    """What retention dropped of a cluster."""

    days: int
    containers: int
    hours: int


class Repair:
    """Upkeep of one cluster's part of a store."""

    def __init__(self, store: ParquetStore, cluster: str, say: Say = say_on_stderr) -> None:
        self._store, self._cluster, self._say = store, cluster, say
        self._folder = store.folder(cluster)
        self._inventory = store.inventory(cluster)

    def due(self, before_s: int | None = None) -> list[int]:
        """Days that have parts, ascending; with `before_s` those alone that are over by then."""
        return [
            number
            for number in self._store.days(self._cluster)
            if (before_s is None or (number + 1) * DAY_S <= before_s) and self._day(number).parts()
        ]

    def compact(self, number: int) -> Compacted:
        """Compacts a day, leaving out what is torn, which is set aside and said.

        Raises:
            BadInput: the disk is full.
        """
        while True:
            try:
                with only_writer(self._folder):
                    homes = self._inventory.homes(self._store.shards())
                    return compacted(self._day(number), homes)
            except TornFile as found:
                self._set_aside(found.torn)

    def set_aside_torn(self, *, thoroughly: bool = False) -> Iterator[Path]:
        """Gives what cannot be read another name and lets it be collected again, one by one.

        A file that was cut short is told by its end; only `thoroughly`, which reads everything,
        finds a page that went bad.
        """
        for path in self._inventory.torn():
            self._account().forget_all()
            self._rename(Torn(path, "cannot be read"))
            yield path
        for number in self._store.days(self._cluster):
            for torn in _torn(self._day(number), thoroughly=thoroughly):
                self._set_aside(torn)
                yield torn.path

    def prune(self, keep_s: int) -> Pruned:
        """Drops what is older than `keep_s` before the end of the cluster's newest day.

        Whole days, the containers and nodes not seen since, and their pieces of collected.json.
        """
        days = self._store.days(self._cluster)
        if not days:
            return Pruned(0, 0, 0)
        first = -((keep_s - (days[-1] + 1) * DAY_S) // DAY_S)
        hours = self._account().forget_before(first * DAY_S)
        containers = self._inventory.forget_before(first * DAY_S)
        old = [number for number in days if number < first]
        for number in old:
            self._drop(number)
        return Pruned(len(old), containers, hours)

    def sweep(self) -> None:
        """Removes what writers that died have left."""
        if self._folder.is_dir():
            with only_writer(self._folder):
                for folder in self._folder.glob(f".*{DROPPED}"):
                    shutil.rmtree(folder)
                for draft in self._folder.glob(f".*{DRAFT}"):
                    draft.unlink()
                for folder in self._folder.glob("day=*"):
                    Day(folder).sweep()

    def _set_aside(self, torn: Torn) -> None:
        self._account().forget_days({Day(torn.path.parents[1]).number})
        self._rename(torn)

    def _rename(self, torn: Torn) -> None:
        aside = torn.path.with_name(torn.path.name + TORN)
        try:
            torn.path.replace(aside)
        except FileNotFoundError:
            return  # another process has set it aside or compacted its day meanwhile
        self._say(
            f"{torn.path} is torn ({torn.why}): set aside as {aside.name};"
            " the next collect reads again what it held"
        )

    def _drop(self, number: int) -> None:
        with only_writer(self._folder):
            gone = self._folder / f".day={number}{DROPPED}"
            self._day(number).folder.rename(gone)
            shutil.rmtree(gone)

    def _day(self, number: int) -> Day:
        return self._store.day(self._cluster, number)

    def _account(self) -> Collected:
        interval_s = self._store.interval_s
        return Collected(self._store.root, self._cluster, interval_s=interval_s, say=self._say)


def _torn(day: Day, *, thoroughly: bool) -> Iterator[Torn]:
    for shard in day.shards():
        for file in day.opened(shard):
            found = file.read(CODED.names) if thoroughly and not isinstance(file, Torn) else file
            if isinstance(found, Torn):
                yield found
