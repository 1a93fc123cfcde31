"""What was collected: finished (cluster, namespace, hour) pieces, and whose each container is.

Both lie beside the cluster's samples and are replaced whole, so a collection that died is simply
run again. A piece is written here after its samples, never before: at worst it is read twice and
stored once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from predictor.core.tables import CONTAINERS
from slacktide.errors import BadInput

VERSION: Final = 1
DAY_S: Final = 86_400

FACTS: Final = CONTAINERS.names[2:-2]


@dataclass(frozen=True, slots=True)
class Piece:
    """A namespace's hour: how many samples it gave, or why it is missing."""

    namespace: str
    samples: int
    missing: str = ""


class Collected:
    """One cluster's account under a store's root."""

    def __init__(self, root: Path, cluster: str, *, interval_s: int) -> None:
        """Raises `BadInput` for a torn account or one of another interval."""
        folder = root / f"cluster={quote(cluster, safe='')}"
        self._file, self._containers = folder / "collected.json", folder / "containers.parquet"
        self._interval_s = interval_s
        self._hours: dict[str, dict[str, Any]] = self._load()

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
        """Where a day's file was deleted, for being torn, its pieces are to be read again."""
        self._hours = {
            hour_s: hour
            for hour_s, hour in self._hours.items()
            if int(hour_s) // DAY_S in days or not any(hour["stored"].values())
        }

    def mark(self, hour_s: int, pieces: Collection[Piece], *, whole: bool) -> None:
        """Adds pieces of an hour; `whole` says that it has no others."""
        before: Mapping[str, Any] = self._hours.get(str(hour_s), {"stored": {}, "missing": {}})
        stored = before["stored"] | {p.namespace: p.samples for p in pieces if not p.missing}
        missing = before["missing"] | {p.namespace: p.missing for p in pieces if p.missing}
        missing = {name: why for name, why in missing.items() if name not in stored}
        self._hours[str(hour_s)] = {"whole": whole, "stored": stored, "missing": missing}
        text = json.dumps(
            {"version": VERSION, "interval_s": self._interval_s, "hours": self._hours}, indent=1
        )
        _replace(self._file, lambda beside: beside.write_text(text, encoding="utf-8"))

    def add_containers(self, seen: pa.Table) -> None:
        """Adds rows of `CONTAINERS`; the newest known fact stays, and no row is ever removed."""
        table = seen.cast(CONTAINERS)
        if self._containers.is_file():
            table = pa.concat_tables([self.containers(), table])
        table = table.sort_by([("last_seen_s", "ascending")])
        facts = [(name, "last") for name in FACTS]
        times = [("first_seen_s", "min"), ("last_seen_s", "max")]
        grouped = table.group_by(["pod", "container"], use_threads=False).aggregate(facts + times)
        names = ["pod", "container", *(f"{name}_{how}" for name, how in facts + times)]
        merged = grouped.select(names).rename_columns(CONTAINERS.names).cast(CONTAINERS)
        merged = merged.sort_by([("pod", "ascending"), ("container", "ascending")])
        _replace(
            self._containers, lambda beside: pq.write_table(merged, beside, compression="zstd")
        )

    def containers(self) -> pa.Table:
        """Every container ever seen, those of deleted pods too.

        Raises:
            BadInput: when the file is torn.
        """
        if not self._containers.is_file():
            return CONTAINERS.empty_table()
        try:
            return pq.ParquetFile(self._containers).read().cast(CONTAINERS)
        except (pa.ArrowException, OSError, ValueError) as why:
            raise BadInput(
                f"{self._containers} is torn; delete it and collected.json, and collect again"
            ) from why

    def _load(self) -> dict[str, dict[str, Any]]:
        if not self._file.is_file():
            return {}
        try:
            account = json.loads(self._file.read_text(encoding="utf-8"))
            version, interval_s, hours = (account[k] for k in ("version", "interval_s", "hours"))
            kept = {str(int(at)): hour for at, hour in hours.items()}
            torn = any(not {"whole", "stored", "missing"} <= hour.keys() for hour in kept.values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as why:
            raise BadInput(f"{self._file} is torn; delete it and collect again") from why
        if torn or version != VERSION:
            raise BadInput(f"{self._file} is torn or of another version; delete it, collect again")
        if interval_s != self._interval_s:
            raise BadInput(f"{self._file}: collected every {interval_s} s, not {self._interval_s}")
        return kept


def _replace(file: Path, write: Any) -> None:  # noqa: ANN401  what the writer returns is nobody's
    """Writes beside the file and renames, so that a reader sees the old or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        write(beside)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
