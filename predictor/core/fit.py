"""The kernel: all that is learned and said about one shard of a fleet, tables in, tables out.

Whoever runs it (a process pool, Spark) only decides where: the same shard gives the same tables
anywhere, and `fleet` puts the tables of all shards together whatever their order. A shard holds
whole nodes, so its nodes are a group that learns for itself; a workload's replicas lie in several
shards, so what a right size is made from is merged before it is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from predictor.core.circumstances import CIRCUMSTANCES, circumstances_of
from predictor.core.forecast import (
    BEGINNING,
    DAY_S,
    ForecastSettings,
    ForecastState,
    advance,
    warmed_up,
)
from predictor.core.history import History
from predictor.core.learning import Learned
from predictor.core.newest import shards_of
from predictor.core.oom import counting_oom_kills
from predictor.core.recommend import SizingSettings, use_for
from predictor.core.series import by_pods
from predictor.core.stored_trace import StoredTrace, stored_trace
from predictor.core.use import USE, merged
from slacktide.messages import FloatArray, NodeForecasts
from slacktide.predictions import SCHEMA as FORECASTS

# What is read of `SAMPLES`.
COLUMNS: Final = (
    "ts_s",
    "pod",
    "container",
    "cpu_cores",
    "cpu_throttled_share",
    "memory_bytes",
    "oom_kills",
)
ROWS_AT_ONCE: Final = 1_000_000  # whose circumstances are read: some 100 MB of columns


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a stored history. Seconds are the store's own."""

    cluster: str
    now_s: int
    interval_s: int
    shards: int
    history_s: int = 28 * DAY_S
    """Seconds looked back: two weeks to see, two more to learn from what they led to."""
    sizing: SizingSettings | None = None  # None = not asked
    forecast: ForecastSettings | None = None

    @property
    def from_s(self) -> int:
        """The first second that matters; what is not forecast needs no more than its window."""
        if self.forecast is None and self.sizing is not None:
            return self.now_s - self.sizing.window_s
        return self.now_s - self.history_s


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of it."""

    use: pa.Table  # USE
    circumstances: pa.Table  # CIRCUMSTANCES, where sizes are asked for
    forecasts: pa.Table  # FORECASTS, one row a node and horizon


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard of a cluster, read and in columns."""

    number: int
    stored: StoredTrace
    history: History  # that of `stored`, its series perhaps in the order of a state
    nodes: pa.Table  # those of NODES that are the shard's
    circumstances: pa.Table  # CIRCUMSTANCES of its pods

    def now_s(self, asked: Question) -> int:
        """The time that is asked about, in the history's own seconds."""
        return asked.now_s - self.stored.origin_s


def fit(
    samples: pa.Table, containers: pa.Table, nodes: pa.Table, asked: Question, number: int
) -> Fitted:
    """One shard, learned from its history alone; arguments as of `shard_of`."""
    found, _ = answered(shard_of(samples, containers, nodes, asked, number), asked)
    return found


def shard_of(
    samples: pa.Table, containers: pa.Table, nodes: pa.Table, asked: Question, number: int
) -> Shard:
    """A shard: its `COLUMNS` of `SAMPLES`, and `CONTAINERS` and `NODES` of the cluster.

    Nothing later than `asked.now_s` is in it. A pod that moved here or away has samples in two
    shards; it is a replica in that of its newest node.
    """
    circumstances = _circumstances(samples, containers, nodes, asked)
    home = shards_of(nodes["node"].to_pylist(), {}, asked.shards)
    nodes = nodes.filter(pa.array(home == number))
    stored = stored_trace(
        samples,
        containers,
        nodes,
        cluster=asked.cluster,
        from_s=asked.from_s,
        until_s=asked.now_s,
        interval_s=asked.interval_s,
    )
    return Shard(number, stored, stored.history, nodes, circumstances)


def answered(
    shard: Shard, asked: Question, state: ForecastState | None = BEGINNING
) -> tuple[Fitted, ForecastState | None]:
    """What is asked, and what was learned; a state of the shard's history goes on."""
    use, forecasts = USE.empty_table(), FORECASTS.empty_table()
    if shard.history.series:
        if asked.sizing is not None:
            use = _use(shard, asked, asked.sizing)
        if asked.forecast is not None and shard.history.nodes:
            forecasts, state = _forecasts(shard, asked, asked.forecast, state)
    return Fitted(use, shard.circumstances, forecasts), state


def fleet(shards: Sequence[Fitted]) -> Fitted:
    """The tables of a whole fleet from those of all its shards: by name, by pod and by node."""
    forecasts = pa.concat_tables([FORECASTS.empty_table(), *(one.forecasts for one in shards)])
    circumstances = [CIRCUMSTANCES.empty_table(), *(one.circumstances for one in shards)]
    return Fitted(
        circumstances=pa.concat_tables(circumstances).sort_by(
            [("pod", "ascending"), ("container", "ascending")]
        ),
        use=merged([USE.empty_table(), *(one.use for one in shards)]),
        forecasts=forecasts.sort_by([("node", "ascending"), ("horizon_s", "ascending")]),
    )


def later(state: ForecastState, by_s: int) -> ForecastState:
    """The same state where seconds count from `by_s` earlier, whole weeks; its caches are dropped.

    A state that is kept counts as the store does, since a trace's origin moves with its stretch.
    """

    def moved(learned: Learned) -> Learned:
        return replace(
            learned,
            series=None,
            sums=None,
            ledger=tuple(replace(one, at_s=one.at_s + by_s) for one in learned.ledger),
            fitted_s=tuple(fitted_s + by_s for fitted_s in learned.fitted_s),
        )

    cpu, memory = moved(state.cpu), moved(state.memory)
    return replace(state, at_s=state.at_s + by_s, cpu=cpu, memory=memory)


def _circumstances(
    samples: pa.Table, containers: pa.Table, nodes: pa.Table, asked: Question
) -> pa.Table:
    """Of the pods that have samples here, so many pods at once that memory stays small."""
    found = [CIRCUMSTANCES.empty_table()]
    if asked.sizing is not None:
        since_s = asked.now_s - asked.sizing.window_s
        for part in by_pods(samples, rows=ROWS_AT_ONCE):
            recent = part.filter(pc.greater_equal(part["ts_s"], since_s))
            here = containers.filter(pc.is_in(containers["pod"], pc.unique(_texts(recent))))
            found.append(
                circumstances_of(here, recent, nodes, cluster=asked.cluster, now_s=asked.now_s)
            )
    return pa.concat_tables(found)


def _texts(samples: pa.Table) -> pa.ChunkedArray:
    return samples["pod"].cast(pa.string())


def _use(shard: Shard, asked: Question, settings: SizingSettings) -> pa.Table:
    stored = shard.stored
    history, pods = stored.history, stored.trace.pods.pod
    names = [pods[row] for row in stored.trace.usage.pod.tolist()]
    node_of = {pod: node for pod, node in zip(names, stored.known_node, strict=True) if node}
    return use_for(
        replace(history, node=np.zeros_like(history.node)),  # sized wherever it runs
        stored.containers,
        shard.now_s(asked),
        settings,
        counted=shards_of(names, node_of, asked.shards) == shard.number,
    )


def _forecasts(
    shard: Shard, asked: Question, settings: ForecastSettings, state: ForecastState | None
) -> tuple[pa.Table, ForecastState]:
    """Of the nodes that are still there: one not seen for a day is gone."""
    history, now_s = counting_oom_kills(shard.history), shard.now_s(asked)
    sampled = np.isfinite(history.cpu_cores).any(axis=0)
    since_s = int(sampled.argmax()) * history.interval_s
    state = warmed_up(history, now_s, settings, state, since_s=since_s)
    state, made = advance(state, history, now_s, settings)
    seen = pc.field("last_seen_s") > asked.now_s - DAY_S
    table = _table(made, shard.stored.origin_s)
    return table.filter(pc.is_in(table["node"], shard.nodes.filter(seen)["node"])), state


def _table(made: NodeForecasts, origin_s: int) -> pa.Table:
    nodes, horizons = made.peak_cpu_cores.shape

    def column(values: FloatArray) -> pa.Array:
        return pa.array(values.reshape(-1), from_pandas=True)

    rows = nodes * horizons
    return pa.table(
        {
            "ts_s": np.full(rows, made.at_s + origin_s),
            "node": np.repeat(np.array(made.nodes, dtype=object), horizons),
            "horizon_s": np.tile(np.array(made.horizons_s, dtype=np.int64), nodes),
            "policy": ["slacktide"] * rows,
            "peak_cpu_cores": column(made.peak_cpu_cores),
            "reclaimable_cpu_cores": column(made.reclaimable_cpu_cores),
            "peak_memory_bytes": column(made.peak_memory_bytes),
            "reclaimable_memory_bytes": column(made.reclaimable_memory_bytes),
            "risk": np.full(rows, made.cpu_risk),
            "reason": [made.reasons(node, at) for node in range(nodes) for at in range(horizons)],
        },
        schema=FORECASTS,
    )
