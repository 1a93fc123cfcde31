"""Compacting changes how rows lie and never what they say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.adapters.compaction import Compacted
from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.adapters.repair import Repair
from predictor.core.tables import KEY
from tests.predictor.storing import (
    FOUR,
    Key,
    all_shards,
    as_dict,
    compact_all,
    files,
    on_nodes,
    rows,
)

KEYS = st.tuples(
    st.integers(0, 2 * DAY_S - 1), st.sampled_from(["s/a", "s/b", "s/ü", "z/a"]), st.just("app")
)
WRITES = st.lists(st.tuples(KEYS, st.integers(0, 100).map(float)), min_size=1, max_size=8)
HOMES = st.dictionaries(
    st.sampled_from(["s/a", "s/b", "s/ü", "z/a"]), st.sampled_from(["n1", "n2", "n3"]), min_size=1
)
STEPS = st.lists(st.one_of(WRITES, HOMES, st.just("compact")), min_size=1, max_size=6)


@settings(max_examples=20, deadline=None)
@given(STEPS)
def test_any_mix_of_appending_moving_and_compacting_reads_like_a_dict(
    tmp_path_factory: pytest.TempPathFactory, steps: list[object]
) -> None:
    store = ParquetStore(tmp_path_factory.mktemp("store"), shards=FOUR)
    expected: dict[Key, float] = {}
    for at_s, step in enumerate(steps):
        if isinstance(step, list):
            store.append("here", rows(step))
            expected.update(step)
        elif isinstance(step, dict):
            store.inventory("here").add_containers(on_nodes(step, seen_s=at_s))
        else:
            compact_all(store, "here")
        assert as_dict(store.read("here", from_s=0, to_s=2 * DAY_S)) == expected
    for day in store.days("here"):
        Repair(store, "here").compact(day)
    assert all_shards(store, "here") == expected


@settings(max_examples=20, deadline=None)
@given(
    WRITES,
    WRITES,
    st.booleans(),
    st.integers(0, 2 * DAY_S),
    st.integers(0, 2 * DAY_S),
    st.sets(st.sampled_from(["s/a", "s/ü", "unknown"])),
)
def test_a_shard_is_read_in_order_by_window_and_by_pod(  # noqa: PLR0917  drawn by Hypothesis
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[Key, float]],
    second: list[tuple[Key, float]],
    compacted: bool,
    from_s: int,
    to_s: int,
    pods: set[str],
) -> None:
    store = ParquetStore(tmp_path_factory.mktemp("store"), shards=1)
    store.append("here", rows(first))
    store.append("here", rows(second))
    if compacted:
        compact_all(store, "here")
    expected = {
        key: cpu
        for key, cpu in (dict(first) | dict(second)).items()
        if from_s <= key[0] < to_s and (not pods or key[1] in pods)
    }
    read = store.read_shard(
        "here", 0, from_s, to_s, ("cpu_cores", "pod", "container", "ts_s"), pods=pods or None
    )
    assert as_dict(read) == expected
    order = [(ts // DAY_S, pod, container, ts) for ts, pod, container in expected]
    found = zip(*(read[name].to_pylist() for name in ("ts_s", "pod", "container")), strict=True)
    assert [(ts // DAY_S, pod, container, ts) for ts, pod, container in found] == sorted(order)


def test_columns_come_as_asked_and_codes_mean_the_same_in_every_chunk(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path, shards=1)
    store.append("here", rows({(0, "s/b", "app"): 1.0}))
    store.append("here", rows({(DAY_S, "s/a", "app"): 2.0, (DAY_S, "s/b", "app"): 3.0}))
    compact_all(store, "here")
    read = store.read_shard("here", 0, 0, 2 * DAY_S, ["cpu_cores", "pod"])
    assert read.column_names == ["cpu_cores", "pod"]
    assert read.schema.field("pod").type == pa.dictionary(pa.int32(), pa.string())
    codes = [chunk.indices.to_pylist() for chunk in read["pod"].chunks if len(chunk)]
    names = read["pod"].chunk(0).dictionary
    assert [[names[k].as_py() for k in chunk] for chunk in codes] == [["s/b"], ["s/a", "s/b"]]
    assert len(store.read_shard("here", 0, DAY_S, DAY_S, KEY)) == 0


def test_a_node_s_pods_lie_in_one_shard_once_the_node_is_known(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path, shards=FOUR)
    pods = [f"s/p{k}" for k in range(9)]
    store.append("here", rows({(0, pod, "app"): 1.0 for pod in pods}))
    store.inventory("here").add_containers(on_nodes(dict.fromkeys(pods, "n1")))
    store.append("here", rows({(300, pod, "app"): 2.0 for pod in pods}))
    done = Repair(store, "here").compact(0)
    home = crc32(b"n1") % FOUR
    assert files(tmp_path) == [
        "cluster=here/day=0/through-00000003",
        f"day=0/shard={home}/00000003-whole.parquet",
    ]
    away = sum(crc32(pod.encode()) % FOUR != home for pod in pods)
    assert done == Compacted(
        files_before=done.files_before, files=1, rows_before=18, rows=18, rows_moved=away
    )
    assert done.files_before > 1


def test_a_compacted_day_is_left_alone(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append("here", rows({(0, "s/a", "app"): 1.0}))
    assert Repair(store, "here").due() == [0]
    assert Repair(store, "here").due(before_s=DAY_S - 1) == [], "the day is not over"
    compact_all(store, "here")
    assert Repair(store, "here").due() == []
    store.append("here", rows({(0, "s/a", "app"): 2.0}))
    assert Repair(store, "here").due(before_s=DAY_S) == [0]


def test_what_a_dead_writer_left_is_swept_and_never_read(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path, shards=1)
    store.append("here", rows({(0, "s/a", "app"): 1.0}))
    compact_all(store, "here")
    whole = next(tmp_path.rglob("*-whole.parquet"))
    other = ParquetStore(tmp_path / "other", shards=1)
    other.append("here", rows({(0, "s/b", "app"): 9.0}))
    part = next((tmp_path / "other").rglob("0*.parquet")).read_bytes()
    leftovers = [
        whole.with_name("00000099-whole.parquet"),  # written, and its compaction not finished
        whole.with_name("00000001-0123456789abcdef.parquet"),  # replaced, and not removed
        whole.with_name(".00000100-0123456789abcdef.parquet.tmp"),  # half a part
        tmp_path / "cluster=here" / ".containers.parquet.tmp",
        tmp_path / "cluster=here" / ".day=7.dropped" / "shard=0" / "x.parquet",
    ]
    leftovers[-1].parent.mkdir(parents=True)
    for file in leftovers:
        file.write_bytes(part)
    assert all_shards(store, "here") == {(0, "s/a", "app"): 1.0}
    assert store.days("here") == (0,)
    Repair(store, "here").sweep()
    assert not any(file.exists() for file in leftovers)
    assert all_shards(store, "here") == {(0, "s/a", "app"): 1.0}


class Cut(Exception):  # noqa: N818  a cable, not an error
    pass


def cut_after(steps: int, act: Callable[..., object]) -> Callable[..., object]:
    """Does what `act` does so many times, and then nothing any more."""
    left = [steps]

    def step(*args: object, **kwargs: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise Cut
        return act(*args, **kwargs)

    return step


def test_every_step_of_a_compaction_can_be_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ParquetStore(tmp_path, shards=FOUR)
    pods = [f"s/p{k}" for k in range(4)]
    expected = {(300 * k, pod, "app"): float(k) for k in range(2) for pod in pods}
    for key, cpu in expected.items():
        store.append("here", rows({key: cpu}))
    store.inventory("here").add_containers(on_nodes({pod: f"n{pod[-1]}" for pod in pods}))

    for last in range(1, 100):
        with monkeypatch.context() as cut:
            for name in ("replace", "unlink"):
                cut.setattr(Path, name, cut_after(last, getattr(Path, name)))
            try:
                Repair(store, "here").compact(0)
            except Cut:
                assert as_dict(store.read("here", from_s=0, to_s=DAY_S)) == expected
                continue
        break
    assert last > 5
    assert all_shards(store, "here") == expected
    assert (
        sum(bool(re.search("whole", file)) for file in files(tmp_path)) == len(files(tmp_path)) - 1
    )
