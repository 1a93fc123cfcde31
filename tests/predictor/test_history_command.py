"""`slacktide history`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.app.history_summary import when
from slacktide.testing.prometheus import FakePrometheus
from tests.predictor.fake_fleet import NOW_S, FakeFleet
from tests.predictor.storing import all_shards, on_nodes, rows
from tests.simulator.commanding import program, slacktide


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Two hours of one day and one of the day after the next."""
    store = ParquetStore(tmp_path / "history")
    for ts_s in (0, 3_600, 2 * DAY_S + 300):
        store.inventory("here").add_containers(on_nodes({"s/a": "n1"}, seen_s=ts_s))
        store.append("here", rows({(ts_s, "s/a", "app"): 1.0}))
    return tmp_path / "history"


def test_show_counts_days_samples_and_gaps(history: Path) -> None:
    shown = slacktide("history", "show", history, "-o", "json")
    assert shown.err == "gap: here, day 0 02:00 to day 2 00:00, 46 h without a sample\n"
    (row,) = shown.rows()
    assert row["size_mib"] > 0
    assert {name: row[name] for name in row if name != "size_mib"} == {
        "cluster": "here",
        "first_day": 0,
        "last_day": 2,
        "days": 2,
        "containers": 1,
        "samples": 3,
        "gaps": 1,
        "gap_hours": 46,
        "missing_pieces": 0,
        "parts": 3,
    }


def test_the_real_program_shows_a_table(history: Path) -> None:
    made = program("history", "show", history)
    assert (made.code, made.err.count("\n")) == (0, 1)
    assert "gap hours" in made.out


def test_times_are_told_as_people_read_them() -> None:
    assert when(3_600) == "day 0 01:00"
    assert when(NOW_S) == "2023-11-15 00:00Z"


def test_compact_and_prune_say_what_they_did(history: Path) -> None:
    done = slacktide("history", "compact", history, "-o", "json").rows()
    assert [(row["day"], row["files_before"], row["files"]) for row in done] == [
        (0, 2, 1),
        (2, 1, 1),
    ]
    again = slacktide("history", "compact", history)
    assert (again.code, again.out, again.err) == (0, "", "nothing to compact\n")
    every = slacktide("history", "compact", history, "--every-day", "--check", "-o", "json")
    assert len(every.rows()) == 2
    (row,) = slacktide("history", "prune", history, "--keep", "1d", "-o", "json").rows()
    assert (row["days"], row["containers"]) == (1, 0)
    assert ParquetStore(history).days("here") == (2,)


def test_compact_sets_aside_what_is_torn_and_says_so(history: Path) -> None:
    (torn, _) = sorted(history.glob("cluster=here/day=0/shard=*/*.parquet"))
    torn.write_bytes(torn.read_bytes()[:-9])
    made = slacktide("history", "compact", history)
    assert made.code == 0
    assert f"{torn} is torn" in made.err
    assert f"set aside as {torn.name}.torn" in made.err
    assert len(all_shards(ParquetStore(history), "here")) == 2


@pytest.mark.parametrize("command", [("show",), ("compact",), ("prune", "--keep", "1d")])
def test_a_folder_without_a_history_is_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert "no history; fill it" in slacktide("history", *command, tmp_path).refusal()


def test_collect_compacts_the_days_that_are_over(tmp_path: Path) -> None:
    with FakePrometheus(FakeFleet()) as fake:
        assert slacktide("collect", fake.url, "--into", tmp_path, "--since", "30h").code == 0
    store = ParquetStore(tmp_path)
    *over, today = store.days("default")
    assert today == (NOW_S - 1) // DAY_S, "its last hour has not settled"
    assert [store.day("default", day).parts() for day in over] == [0] * len(over)
    assert store.day("default", today).parts() > 0


def test_collect_reads_again_what_a_torn_file_held(tmp_path: Path) -> None:
    with FakePrometheus(FakeFleet()) as fake:
        args = ("collect", fake.url, "--into", tmp_path, "--since", "30h")
        slacktide(*args)
        store = ParquetStore(tmp_path)
        before = all_shards(store, "default", to_s=2 * NOW_S)
        torn = min(tmp_path.glob("cluster=*/day=*/shard=*/*-whole.parquet"))
        torn.write_bytes(torn.read_bytes()[:-9])
        made = slacktide(*args)
    assert f"{torn} is torn" in made.err
    assert all_shards(store, "default", to_s=2 * NOW_S) == before


def test_collect_drops_what_is_not_to_be_kept(tmp_path: Path) -> None:
    args = ("collect", "http://localhost:1", "--into", tmp_path, "--since", "14d", "--keep", "13d")
    assert "--keep is shorter than --since" in slacktide(*args).refusal()
    with FakePrometheus(FakeFleet()) as fake:
        slacktide("collect", fake.url, "--into", tmp_path, "--since", "30h")
        assert len(ParquetStore(tmp_path).days("default")) == 2
        slacktide("collect", fake.url, "--into", tmp_path, "--since", "1h", "--keep", "1d")
    assert len(ParquetStore(tmp_path).days("default")) == 1
