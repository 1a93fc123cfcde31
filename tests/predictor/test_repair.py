"""What is lost is said, set aside, forgotten and collected again; what is old goes whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor.adapters.collected import Collected, Piece
from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.adapters.repair import Pruned, Repair
from predictor.core.tables import NODES
from slacktide.errors import BadInput
from tests.predictor.storing import all_shards, as_dict, compact_all, files, on_nodes, rows

HOUR_S = 3_600


def account(root: Path) -> Collected:
    return Collected(root, "here", interval_s=300)


@pytest.fixture
def three_days(tmp_path: Path) -> ParquetStore:
    """An hour of each of three days, collected; one container a day."""
    store = ParquetStore(tmp_path, shards=1)
    for day in range(3):
        seen = on_nodes({f"s/p{day}": "n1"}, seen_s=day * DAY_S)
        store.inventory("here").add_containers(seen)
        store.append("here", rows({(day * DAY_S, f"s/p{day}", "app"): float(day)}))
        account(tmp_path).mark(day * DAY_S, [Piece("s", 1)], whole=True)
        account(tmp_path).mark(day * DAY_S + HOUR_S, [Piece("empty", 0)], whole=True)
    return store


def tear(file: Path, how: str) -> None:
    """Cuts a file short, empties it, or changes the last byte of a page."""
    content = file.read_bytes()
    chunk = pq.ParquetFile(file).metadata.row_group(0).column(1)
    last = (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size
    changed = content[: last - 1] + bytes([content[last - 1] ^ 255]) + content[last:]
    file.write_bytes({"cut": content[:-20], "empty": b"", "changed": changed}[how])


@pytest.mark.parametrize("how", ["cut", "empty"])
@pytest.mark.parametrize("compacted", [False, True])
def test_a_file_cut_short_is_set_aside_and_its_day_collected_again(
    three_days: ParquetStore, how: str, compacted: bool
) -> None:
    root, said = three_days.root, list[str]()
    if compacted:
        compact_all(three_days, "here")
    (file,) = root.glob("cluster=here/day=1/shard=0/*.parquet")
    tear(file, how)
    assert list(Repair(three_days, "here", said.append).set_aside_torn()) == [file]
    assert [path.name for path in file.parent.iterdir()] == [file.name + ".torn"]
    (line,) = said
    assert f"{file} is torn" in line
    assert [account(root).whole(day * DAY_S) for day in range(3)] == [True, False, True]
    assert account(root).whole(DAY_S + HOUR_S), "an hour without samples has lost none"
    assert len(all_shards(three_days, "here")) == 2
    assert list(Repair(three_days, "here").set_aside_torn()) == []


def test_a_page_gone_bad_is_found_by_reading_everything(three_days: ParquetStore) -> None:
    said: list[str] = []
    (file,) = three_days.root.glob("cluster=here/day=1/shard=0/*.parquet")
    tear(file, "changed")
    reader = ParquetStore(three_days.root, say=said.append)
    assert len(all_shards(reader, "here")) == 2
    assert f"{file} is torn" in said[0]
    assert "missing until `slacktide history compact`" in said[0]
    repair = Repair(three_days, "here", said.append)
    assert list(repair.set_aside_torn()) == []
    assert list(repair.set_aside_torn(thoroughly=True)) == [file]


def test_a_compaction_goes_on_without_a_torn_part(three_days: ParquetStore) -> None:
    said: list[str] = []
    three_days.append("here", rows({(DAY_S + 300, "s/p1", "app"): 7.0}))
    part = min(three_days.root.glob("cluster=here/day=1/shard=0/*.parquet"))
    tear(part, "changed")
    done = Repair(three_days, "here", said.append).compact(1)
    assert (done.files_before, done.rows) == (1, 1)
    assert "set aside" in said[0]
    assert not account(three_days.root).whole(DAY_S)
    assert (DAY_S + 300, "s/p1", "app") in all_shards(three_days, "here")


@pytest.mark.parametrize("name", ["containers.parquet", "nodes.parquet"])
def test_a_torn_inventory_is_set_aside_and_everything_collected_again(
    three_days: ParquetStore, name: str
) -> None:
    root = three_days.root
    node = {"node": "n1", "cpu_cores": 4.0, "memory_bytes": None, "last_seen_s": 0}
    account(root).add_nodes(pa.Table.from_pylist([node], schema=NODES))
    file = root / "cluster=here" / name
    tear(file, "cut")
    said: list[str] = []
    inventory = ParquetStore(root, say=said.append).inventory("here")
    assert min(len(inventory.containers()), len(inventory.nodes())) == 0
    assert f"{file} is torn" in said[0]
    assert list(Repair(three_days, "here", said.append).set_aside_torn()) == [file]
    assert not account(root).whole(0)
    assert file.with_name(name + ".torn").is_file()


def test_retention_drops_whole_days_with_all_that_was_known_of_them(
    three_days: ParquetStore,
) -> None:
    root = three_days.root
    assert Repair(three_days, "here").prune(3 * DAY_S) == Pruned(0, 0, 0)
    assert Repair(three_days, "here").prune(2 * DAY_S - 1) == Pruned(2, 2, 4)
    assert three_days.days("here") == (2,)
    assert account(root).containers()["pod"].to_pylist() == ["s/p2"]
    assert not account(root).whole(DAY_S)
    assert account(root).whole(2 * DAY_S)
    assert list(root.glob("cluster=here/*day=[01]*")) == []
    assert Repair(three_days, "here").prune(DAY_S) == Pruned(0, 0, 0)


def test_a_repair_beside_a_collection_is_not_undone_by_it(three_days: ParquetStore) -> None:
    root = three_days.root
    collecting = account(root)
    Repair(three_days, "here").prune(DAY_S)
    collecting.mark(3 * DAY_S, [Piece("s", 1)], whole=True)
    assert not account(root).whole(0)
    assert account(root).whole(3 * DAY_S)


WRITER = """
import sys
from pathlib import Path
from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.repair import Repair
from slacktide.errors import BadInput
from tests.predictor.storing import on_nodes, rows
store = ParquetStore(Path(sys.argv[1]), shards=4)
turn = int(sys.argv[2])
while True:
    pods = [f"s/p{k}" for k in range(6)]
    seen = on_nodes({pod: f"n{turn % 3}" for pod in pods}, seen_s=turn)
    store.inventory("here").add_containers(seen)
    store.append("here", rows({(300 * (turn % 12), pod, "app"): float(turn) for pod in pods}))
    print(turn, flush=True)
    if turn % 4 == 3:
        Repair(store, "here").compact(0)
    turn += 1
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_writer_killed_at_any_moment_loses_nothing_it_had_stored(
    tmp_path: Path, seed: int
) -> None:
    chance, turn = random.Random(seed), 0  # noqa: S311  moments, not secrets
    for _ in range(2):
        told = _killed_after(tmp_path, turn, lines=chance.randint(5, 30), more=chance.random())
        turn = told + 1
        store = ParquetStore(tmp_path)
        stored = as_dict(store.read("here", from_s=0, to_s=DAY_S))
        for slot in range(12):
            newest = max((t for t in range(turn) if t % 12 == slot), default=None)
            found = {stored.get((300 * slot, f"s/p{k}", "app")) for k in range(6)}
            if newest is not None and turn % 12 != slot:  # that one may be there, or half there
                assert found == {float(newest)}
    Repair(store, "here").sweep()
    Repair(store, "here").compact(0)
    assert all_shards(store, "here") == stored
    assert all("tmp" not in name for name in files(tmp_path))


def _killed_after(root: Path, turn: int, *, lines: int, more: float) -> int:
    """Runs the writer, kills it a moment after it told so many turns, returns the last told."""
    command = [sys.executable, "-c", WRITER, str(root), str(turn)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(lines)]
        for _ in range(int(more * 20_000)):
            os.getpid()
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout if line.strip()]
    return told[-1]


def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path, interval_s=300)
    store.append("here", rows({(0, "s/a", "app"): 1.0}))
    assert ParquetStore(tmp_path).interval_s == 300
    with pytest.raises(BadInput, match="holds samples every 300 s, not 60"):
        ParquetStore(tmp_path, interval_s=60)
    manifest = tmp_path / "store.json"
    for content, said in {
        '{"version": 2, "interval_s": 300, "shards": 16}': "version 2 was written by another",
        '{"version": 1, "interval_s": 300, "shards": 0}': "is not possible",
        '{"version": 1': "is torn; put its content back",
        "[]": "is torn",
    }.items():
        manifest.write_text(content)
        with pytest.raises(BadInput, match=said):
            ParquetStore(tmp_path)
    manifest.unlink()
    with pytest.raises(BadInput, match=r"has samples and no store\.json"):
        ParquetStore(tmp_path)


def test_files_of_an_older_slacktide_lack_columns_that_are_then_null(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path, shards=1)
    store.append("here", rows({(0, "s/a", "app"): 1.0}))
    (file,) = tmp_path.rglob("day=0/shard=0/*.parquet")
    pq.write_table(pq.ParquetFile(file).read().drop_columns(["oom_kills"]), file)
    read = store.read_shard("here", 0, 0, DAY_S, ["oom_kills", "cpu_cores"])
    assert read.to_pylist() == [{"oom_kills": None, "cpu_cores": 1.0}]
