"""What was collected: the finished (cluster, namespace, hour) pieces, in collected.json.

A piece is written here after its samples, never before: at worst it is read twice and stored once.
What is forgotten here is collected again. Every change starts from the file as it is, under the
writer's lock, so a collection that runs and a repair beside it do not undo each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
from pydantic_core import from_json, to_json

from predictor.adapters.day_files import TORN
from predictor.adapters.inventory import Inventory
from predictor.adapters.saying import Say, say_on_stderr
from predictor.adapters.whole_files import write_whole
from predictor.adapters.writer_lock import only_writer
from slacktide.errors import BadInput

VERSION: Final = 1
DAY_S: Final = 86_400
FILE: Final = "collected.json"

Hours = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A namespace's hour: how many samples it gave, or why it is missing."""

    namespace: str
    samples: int
    missing: str = ""


class Collected:
    """One cluster's account under a store's root."""

    def __init__(
        self, root: Path, cluster: str, *, interval_s: int, say: Say = say_on_stderr
    ) -> None:
        """A torn account is set aside and said; then every hour counts as not collected.

        Raises:
            BadInput: an account of another version or interval.
        """
        self._folder = root / f"cluster={quote(cluster, safe='')}"
        self._file, self._say, self._interval_s = self._folder / FILE, say, interval_s
        self._inventory = Inventory(self._folder, say)
        self._state = _state(self._file)
        self._hours = self._load()

    def whole(self, hour_s: int) -> bool:
        """Whether every namespace of that hour is stored."""
        return bool(self._hours.get(str(hour_s), {}).get("whole"))

    def stored(self, hour_s: int) -> frozenset[str]:
        """The namespaces of that hour that are stored."""
        return frozenset(self._hours.get(str(hour_s), {}).get("stored", {}))

    def missing(self) -> dict[tuple[int, str], str]:
        """Reasons by hour and namespace."""
        return {
            (int(hour_s), namespace): reason
            for hour_s, hour in self._hours.items()
            for namespace, reason in hour["missing"].items()
        }

    def forget_days_without_samples(self, days: Collection[int]) -> None:
        """Where a day's folder was deleted its pieces are to be read again."""
        self._keep(lambda at, hour: at // DAY_S in days or not any(hour["stored"].values()))

    def forget_days(self, days: Collection[int]) -> None:
        """A file of these days is lost: whatever had samples in them is to be read again."""
        self._keep(lambda at, hour: at // DAY_S not in days or not any(hour["stored"].values()))

    def forget_before(self, cut_s: int) -> int:
        """Retention dropped these hours; returns how many."""
        return self._keep(lambda at, _: at >= cut_s)

    def forget_all(self) -> None:
        """What was known of owners is lost: everything is to be read again."""
        self._keep(lambda *_: False)

    def mark(self, hour_s: int, pieces: Collection[Piece], *, whole: bool) -> None:
        """Adds pieces of an hour; `whole` says that it has no others."""
        self.mark_all({hour_s: (pieces, whole)})

    def mark_all(self, hours: Mapping[int, tuple[Collection[Piece], bool]]) -> None:
        """Adds pieces of hours, and whether each hour has no others; written once."""
        with only_writer(self._folder):
            if _state(self._file) != self._state:
                self._hours = self._load()
            for hour_s, (pieces, whole) in hours.items():
                self._mark(str(hour_s), pieces, whole=whole)
            self._write()

    def _mark(self, hour: str, pieces: Collection[Piece], *, whole: bool) -> None:
        before: Mapping[str, Any] = self._hours.get(hour, {"stored": {}, "missing": {}})
        stored = before["stored"] | {p.namespace: p.samples for p in pieces if not p.missing}
        missing = before["missing"] | {p.namespace: p.missing for p in pieces if p.missing}
        missing = {name: why for name, why in missing.items() if name not in stored}
        self._hours[hour] = {"whole": whole, "stored": stored, "missing": missing}

    def add_containers(self, seen: pa.Table) -> None:
        """Adds rows of `CONTAINERS`; the newest known fact stays, and no row is ever removed."""
        self._inventory.add_containers(seen)

    def add_nodes(self, seen: pa.Table) -> None:
        """Adds rows of `NODES` likewise."""
        self._inventory.add_nodes(seen)

    def containers(self) -> pa.Table:
        """Every container ever seen, those of deleted pods too."""
        return self._inventory.containers()

    def nodes(self) -> pa.Table:
        """Every node ever seen."""
        return self._inventory.nodes()

    def _keep(self, wanted: Callable[[int, Mapping[str, Any]], bool]) -> int:
        """Keeps some hours; returns how many were forgotten."""
        if not self._file.is_file():
            return 0
        with only_writer(self._folder):
            before = self._load()
            self._hours = {at: hour for at, hour in before.items() if wanted(int(at), hour)}
            if len(self._hours) < len(before):
                self._write()
        return len(before) - len(self._hours)

    def _write(self) -> None:
        account = {"version": VERSION, "interval_s": self._interval_s, "hours": self._hours}
        write_whole(self._file, to_json(account, indent=1))
        self._state = _state(self._file)

    def _load(self) -> Hours:
        if not self._file.is_file():
            return {}
        try:
            account = from_json(self._file.read_bytes())
            version, interval_s, hours = (account[k] for k in ("version", "interval_s", "hours"))
            kept = {str(int(at)): hour for at, hour in hours.items()}
            torn = any(not {"whole", "stored", "missing"} <= hour.keys() for hour in kept.values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            torn = True
        if torn:
            return self._begin_again()
        if version != VERSION:
            raise BadInput(f"{self._file} is of another version; delete it and collect again")
        if interval_s != self._interval_s:
            raise BadInput(f"{self._file}: collected every {interval_s} s, not {self._interval_s}")
        return kept

    def _begin_again(self) -> Hours:
        """Sets a torn account aside."""
        aside = self._file.with_name(FILE + TORN)
        with suppress(OSError):  # a reader may not write here; the next collect may
            self._file.replace(aside)
        self._say(f"{self._file} is torn: set aside as {aside.name}; all hours are read again")
        return {}


def _state(file: Path) -> tuple[int, int, int] | None:
    """Tells one writing of a file from another: each is a new file."""
    try:
        about = file.stat()
    except FileNotFoundError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size
