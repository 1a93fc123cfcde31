"""The kernel on a stored fleet: what it counts, what it leaves out, and that it is blind ahead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pytest

from predictor.adapters.parquet_store import ParquetStore
from predictor.core.circumstances import merged
from predictor.core.fit import COLUMNS, Fitted, Question, fit, fleet
from predictor.core.recommend import SizingSettings, recommended
from tests.predictor.stored_fleet import CLUSTER, DAY_S, NODES_NAMED, stored_fleet


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    stored_fleet(root)
    return root


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Question:
    return stored_fleet(tmp_path_factory.mktemp("same"))


def answered(root: Path, asked: Question, *, until_s: int | None = None) -> Fitted:
    """All shards, from samples up to a time whatever is asked."""
    store = ParquetStore(root)
    about, to_s = store.inventory(CLUSTER), (until_s or asked.now_s) + 1
    return fleet(
        [
            fit(
                store.read_shard(CLUSTER, shard, asked.from_s, to_s, COLUMNS),
                about.containers(),
                about.nodes(),
                asked,
                shard,
            )
            for shard in range(asked.shards)
        ]
    )


@pytest.fixture(scope="module")
def found(store: Path, asked: Question) -> Fitted:
    return answered(store, asked)


def test_every_node_that_is_still_there_has_a_forecast_for_each_horizon(found: Fitted) -> None:
    rows = found.forecasts.to_pylist()
    assert [row["node"] for row in rows[::2]] == list(NODES_NAMED)
    assert [row["horizon_s"] for row in rows[:2]] == [3_600, 4 * 3_600]
    by_node = {row["node"]: row for row in rows}
    assert by_node["node-5"]["reclaimable_cpu_cores"] is None  # its size is unknown
    assert by_node["node-4"]["reclaimable_memory_bytes"] is None
    assert 0 < by_node["node-0"]["reclaimable_cpu_cores"] < 8


def test_forecasts_are_told_in_the_seconds_of_the_store(found: Fitted, asked: Question) -> None:
    assert pc.unique(found.forecasts["ts_s"]).to_pylist() == [asked.now_s]


def test_a_pod_is_one_replica_though_it_moved_or_runs_on_no_known_node(found: Fitted) -> None:
    rows = {(row["workload"], row["kind"]): row for row in found.use.to_pylist()}
    assert {key: row["replicas"] for key, row in rows.items()} == {
        ("web-0", "Pod"): 1,  # of no workload
        ("web-0", "Deployment"): 2,
        ("web-1", "Deployment"): 3,  # one of them on no known node
        ("web-2", "Deployment"): 2,  # one has ended
        ("web-3", "Deployment"): 2,  # web-3 itself moved; nobody knows web-17
        ("web-4", "Deployment"): 2,
        ("web-5", "Deployment"): 2,
        ("web-6", "Deployment"): 2,
        ("web-17", "Pod"): 1,
    }


def test_the_later_writing_of_a_sample_counts(found: Fitted) -> None:
    assert pc.max(found.use["cpu_highest"]).as_py() >= 2.5


def test_nothing_later_than_now_is_read(store: Path, asked: Question) -> None:
    early = replace(asked, now_s=asked.now_s - DAY_S)
    whole = answered(store, early, until_s=asked.now_s)
    without = answered(store, early)
    assert whole.use.equals(without.use)
    assert whole.forecasts.equals(without.forecasts)


def test_what_is_not_asked_is_not_answered(store: Path, asked: Question, found: Fitted) -> None:
    sized = answered(store, replace(asked, forecast=None))
    assert len(sized.forecasts) == 0
    assert sized.use.equals(found.use)
    forecast = answered(store, replace(asked, sizing=None))
    assert len(forecast.use) == 0
    assert forecast.forecasts.equals(found.forecasts)


def test_without_forecasts_no_more_than_the_window_is_looked_at(asked: Question) -> None:
    sizing = replace(asked, forecast=None, sizing=SizingSettings(window_s=3 * DAY_S))
    assert sizing.from_s == asked.now_s - 3 * DAY_S
    assert asked.from_s == asked.now_s - asked.history_s


def test_a_fleet_without_shards_is_empty_and_sizes_nothing() -> None:
    assert recommended(fleet([]).use, 0) == ()
    assert len(fleet([]).forecasts) == 0


def test_shards_come_in_any_order(found: Fitted) -> None:
    use, about, forecasts = found.use, found.circumstances, found.forecasts
    parts = [
        Fitted(use.slice(5), about.slice(3), forecasts.slice(4)),
        Fitted(use[:5], about[:3], forecasts[:4]),
    ]
    again = fleet(parts)
    assert again.use.equals(use)
    assert again.forecasts.equals(forecasts)
    assert merged(again.circumstances) == merged(about)
    assert len(about) > 3
