"""From a stored history to findings and forecasts: which cluster, which time, on which engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from predictor.adapters.engine import check_engine, fitted
from predictor.adapters.parquet_store import ParquetStore
from predictor.app.findings import DRAWN, Filters, judged, pictures
from predictor.core.circumstances import merged
from predictor.core.fit import COLUMNS, Fitted, Question
from predictor.core.forecast import ForecastSettings
from predictor.core.job_groups import job_groups
from predictor.core.mindful import MindfulSettings
from predictor.core.plot import Bars
from predictor.core.ranking import Finding, bytes_per_core, key_of
from predictor.core.recommend import SizingSettings, recommended
from predictor.core.seen import seen
from predictor.core.steady import Standing
from predictor.core.stored_declared import stored_declared
from predictor.core.stored_trace import StoredTrace, stored_trace
from predictor.core.use import Key
from slacktide.errors import BadInput
from slacktide.progress import progress_over


@dataclass(frozen=True, slots=True)
class Stored:
    """One cluster of a store, and who computes."""

    root: Path
    cluster: str
    engine: str
    times: tuple[int, ...]  # asked about, each once, ascending

    def findings(
        self,
        now_s: int,
        wanted: Filters,
        settings: SizingSettings,
        before: Mapping[Key, Standing],
        how: MindfulSettings,
    ) -> tuple[Finding, ...]:
        """Ranked findings of one time. Raises `BadInput` where nothing that runs then is wanted."""
        found = self._fitted(now_s, sizing=settings)
        about = ParquetStore(self.root).inventory(self.cluster)
        nodes = about.nodes()
        return judged(
            recommended(found.use, now_s, settings),
            stored_declared(about.containers(), cluster=self.cluster, now_s=now_s),
            bytes_per_core(_floats(nodes["cpu_cores"]), _floats(nodes["memory_bytes"])),
            now_s=now_s,
            wanted=wanted,
            before=before,
            known=merged(found.circumstances),
            how=how,
            sizing=settings,
        )

    def pictures(
        self, findings: Sequence[Finding], window_s: int
    ) -> Mapping[Key, tuple[Bars, Bars | None]]:
        """As `findings.pictures`, at the newest time."""
        shown = findings[:DRAWN]
        past = self.part([key_of(found.advice) for found in shown], self.times[-1], window_s)
        now_s = self.times[-1] - past.origin_s
        return pictures(seen(past.trace, now_s), now_s, shown, window_s=window_s)

    def part(self, keys: Collection[Key], now_s: int, window_s: int) -> StoredTrace:
        """The last `window_s` of some containers' pods, as a trace."""
        store = ParquetStore(self.root)
        about, workloads = store.inventory(self.cluster), {key[:2] for key in keys}
        known = job_groups(about.containers())
        names = zip(known["namespace"].to_pylist(), known["workload"].to_pylist(), strict=True)
        theirs = known.filter(pa.array([name in workloads for name in names], pa.bool_()))
        from_s, pods = now_s - window_s, pc.unique(theirs["pod"]).to_pylist()
        parts = [
            store.read_shard(self.cluster, shard, from_s, now_s + 1, COLUMNS, pods=pods)
            for shard in range(store.shards())
        ]
        return stored_trace(
            pa.concat_tables(parts).unify_dictionaries(),
            theirs,
            about.nodes(),
            cluster=self.cluster,
            from_s=from_s,
            until_s=now_s,
            interval_s=store.interval_s,
        )

    def forecasts(self, settings: ForecastSettings, state: Path | None) -> pa.Table:
        """The predictions file's rows at the newest time that is asked about.

        Raises:
            BadInput: of no node there is the size and the use.
        """
        made = self._fitted(self.times[-1], forecast=settings, state=state).forecasts
        if not len(made):
            raise BadInput(
                f"{self.root}: no node of {self.cluster} is known by its size; collect needs"
                " kube-state-metrics' kube_node_status_allocatable and kube_pod_info, or another"
                " name for them (--set, docs/settings.md)"
            )
        return made

    def _fitted(
        self,
        now_s: int,
        *,
        sizing: SizingSettings | None = None,
        forecast: ForecastSettings | None = None,
        state: Path | None = None,
    ) -> Fitted:
        """What the engine says, with progress on stderr."""
        store = ParquetStore(self.root)
        asked = Question(
            cluster=self.cluster,
            now_s=now_s,
            interval_s=store.interval_s,
            shards=store.shards(),
            sizing=sizing,
            forecast=forecast,
        )

        def shown(shards: Iterable[Fitted]) -> Iterable[Fitted]:
            return progress_over(shards, total=asked.shards, what="shards")

        return fitted(self.root, asked, self.engine, shown=shown, state=state)


def stored(root: Path, cluster: str | None, engine: str, at_s: Sequence[int]) -> Stored:
    """What is asked about; the newest sample is now where no time is given.

    Raises:
        BadInput: nothing is stored there, the cluster is not or several are there, or a time lies
            after the last sample.
    """
    check_engine(engine)
    store = ParquetStore(root)
    there = store.clusters()
    if not there or not store.days(cluster or there[0]):
        missing = f"no cluster {cluster}; there are {', '.join(there)}" if there else "no history"
        raise BadInput(f"{root}: {missing}; slacktide collect URL --into {root} makes one")
    if cluster is None and len(there) > 1:
        raise BadInput(f"{root}: several clusters; give --cluster, one of {', '.join(there)}")
    name = cluster or there[0]
    last_s = store.newest_s(name)
    if last_s is None:
        raise BadInput(f"{root}: nothing of {name} can be read; see slacktide history compact")
    for now_s in at_s:
        if now_s > last_s:
            raise BadInput(f"--at {now_s}: the history of {name} ends at {last_s}")
    return Stored(root, name, engine, tuple(sorted(set(at_s))) or (last_s,))


def _floats(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(pc.fill_null(column, float("nan")), dtype=np.float64)
