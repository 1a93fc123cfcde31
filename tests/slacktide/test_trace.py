"""Traces in memory and on disk: nothing is lost on the way, and no view sees the future."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slacktide.errors import BadInput
from slacktide.trace import (
    NEVER,
    Jobs,
    Nodes,
    Pods,
    Trace,
    Usage,
    read_jobs,
    read_trace,
    write_jobs,
    write_trace,
)

REAL_TRACES = Path(__file__).parents[3] / "shared" / "traces"

writes_a_folder = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def same(left: Any, right: Any) -> bool:
    """Whether two columns objects hold the same names and numbers, NaN equal to NaN."""
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and bool(
            np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
        )
    if hasattr(left, "__dataclass_fields__"):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    return bool(left == right)


def cells(high: float) -> st.SearchStrategy[float]:
    """A sample or a gap."""
    return st.one_of(st.floats(0, high, width=32), st.just(float("nan")))


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Small traces with gaps, several containers a pod, and a sample in the last column."""
    pods, columns = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    interval_s = draw(st.sampled_from([1, 60, 300]))
    series_pod = np.array(draw(st.lists(st.integers(0, pods - 1), min_size=1, max_size=5)))
    shape = (len(series_pod), columns)
    cpu = draw(arrays(np.float32, shape, elements=cells(64)))
    cpu[:, -1] = 1
    request = draw(arrays(np.float64, pods, elements=cells(64)))
    start_s = draw(arrays(np.int64, pods, elements=st.integers(-1000, 2000)))
    length_s = draw(arrays(np.int64, pods, elements=st.integers(0, 2000)))
    return Trace(
        name=draw(st.sampled_from(["small", "kleiner Versuch"])),
        source="drawn",
        licence="none",
        interval_s=interval_s,
        nodes=Nodes(
            ("a", "b"), ("east", "west"), np.array([4.0, 8.5]), np.array([np.nan, 2.0**33])
        ),
        pods=Pods(
            pod=tuple(f"pod-{i}" for i in range(pods)),
            namespace=("shop",) * pods,
            workload=tuple(f"workload-{i % 2}" for i in range(pods)),
            kind=("Deployment",) * pods,
            qos=tuple(draw(st.sampled_from(["LS", "LSR", "BE"])) for _ in range(pods)),
            node=draw(arrays(np.int64, pods, elements=st.integers(0, 1))),
            cpu_request_cores=request,
            cpu_limit_cores=request * 2,
            memory_request_bytes=np.full(pods, 2.0**30),
            memory_limit_bytes=np.full(pods, np.nan),
            start_s=start_s,
            end_s=np.where(length_s > 1500, NEVER, start_s + length_s),
        ),
        usage=Usage(
            pod=series_pod.astype(np.int64),
            container=tuple(f"container-{i}" for i in range(len(series_pod))),
            cpu_cores=cpu,
            cpu_max_cores=draw(st.none() | st.just(np.where(np.isnan(cpu), cpu, cpu * 2))),
            memory_bytes=draw(st.none() | st.just(np.floor(cpu) * np.float32(2**20))),
        ),
    )


@st.composite
def job_lists(draw: st.DrawFn) -> Jobs:
    """Gangs in order of submission."""
    count = draw(st.integers(1, 6))

    def whole(low: int, high: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        return draw(arrays(np.int64, count, elements=st.integers(low, high)))

    tasks = whole(1, 500)
    return Jobs(
        job=tuple(f"job-{i}" for i in range(count)),
        queue=tuple(draw(st.sampled_from(["red", "blue"])) for _ in range(count)),
        submit_s=np.sort(whole(0, 10**6)),
        tasks=tasks,
        min_available=np.minimum(tasks, whole(1, 500)),
        duration_s=whole(1, 10**6),
        priority=whole(-5, 9999),
        cpu_cores=draw(arrays(np.float64, count, elements=st.floats(0.01, 64))),
        memory_bytes=whole(0, 2**40).astype(np.float64),
    )


class TestRoundTrip:
    @writes_a_folder
    @given(trace=traces())
    def test_a_written_trace_reads_back_the_same(self, trace: Trace, tmp_path: Path) -> None:
        write_trace(trace, tmp_path / "trace")
        back = read_trace(tmp_path / "trace")
        order = [back.usage.container.index(name) for name in trace.usage.container]
        assert same(back.pods, trace.pods)
        assert same(back.nodes, trace.nodes)
        assert back.usage.pod[order].tolist() == trace.usage.pod.tolist()
        assert same(back.usage.cpu_cores[order], trace.usage.cpu_cores)
        for column in ("cpu_max_cores", "memory_bytes"):
            left, right = getattr(back.usage, column), getattr(trace.usage, column)
            assert (left is None) == (right is None)
            assert right is None or same(left[order], right)
        assert (back.name, back.licence, back.interval_s) == (
            trace.name,
            trace.licence,
            trace.interval_s,
        )

    @writes_a_folder
    @given(jobs=job_lists())
    def test_written_jobs_read_back_the_same(self, jobs: Jobs, tmp_path: Path) -> None:
        write_jobs(jobs, tmp_path / "jobs")
        assert same(read_jobs(tmp_path / "jobs"), jobs)

    def test_jobs_come_in_order_of_submission_whatever_the_order_of_the_file(
        self, tmp_path: Path
    ) -> None:
        columns = {"job": ["late", "early"], "queue": ["q", "q"], "submit_s": [9, 2]}
        columns |= {"tasks": [3, 1], "cpu_cores": [1.5, 2], "duration_s": [60, 70]}
        pq.write_table(pa.table(columns), tmp_path / "jobs.parquet")
        jobs = read_jobs(tmp_path)
        assert jobs.job == ("early", "late")
        assert jobs.duration_s.tolist() == [70, 60]
        assert jobs.min_available.tolist() == [1, 3]
        assert jobs.priority.tolist() == [0, 0]
        assert jobs.memory_bytes.tolist() == [0, 0]

    def test_writing_again_replaces_the_trace_and_leaves_other_files(
        self, tmp_path: Path, small: Trace
    ) -> None:
        write_trace(small, tmp_path / "trace")
        (tmp_path / "trace" / "notes.txt").write_text("mine")
        write_trace(replace(small, name="second"), tmp_path / "trace")
        assert read_trace(tmp_path / "trace").name == "second"
        assert (tmp_path / "trace" / "notes.txt").read_text() == "mine"
        assert [entry.name for entry in tmp_path.iterdir()] == ["trace"]

    def test_a_write_that_fails_leaves_no_half_of_a_trace(
        self, tmp_path: Path, small: Trace
    ) -> None:
        broken = replace(small, pods=replace(small.pods, node=np.full(2, 99)))
        with pytest.raises(IndexError):
            write_trace(broken, tmp_path / "trace")
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path, small: Trace) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(BadInput, match="file: cannot be written"):
            write_trace(small, tmp_path / "file")


class TestUntil:
    @writes_a_folder
    @given(trace=traces(), ts_s=st.integers(0, 2000))
    def test_deleting_the_future_from_the_files_changes_nothing_before(
        self, trace: Trace, ts_s: int, tmp_path: Path
    ) -> None:
        """The rows of usage later than ts_s, and pods that start later, are cut from the files."""
        trace.usage.cpu_cores[:, 0] = 1  # every series is known from the start
        trace.pods.start_s[trace.usage.pod] = np.minimum(trace.pods.start_s[trace.usage.pod], ts_s)
        write_trace(trace, tmp_path / "trace")
        cut(tmp_path / "trace" / "usage.parquet", "ts_s", ts_s)
        cut(tmp_path / "trace" / "pods.parquet", "start_s", ts_s)
        short = read_trace(tmp_path / "trace").until(ts_s)
        whole = trace.until(ts_s)
        columns = short.usage.cpu_cores.shape[1]
        assert same(short.pods, whole.pods)
        assert same(short.usage.cpu_cores[:, :columns], in_order_of(whole, short)[:, :columns])
        assert np.isnan(whole.usage.cpu_cores[:, columns:]).all()

    def test_samples_up_to_and_including_the_moment_are_known(self, small: Trace) -> None:
        assert small.until(300).usage.cpu_cores.shape == (2, 2)
        assert small.until(599).usage.cpu_cores.shape == (2, 2)
        assert small.until(-1).usage.cpu_cores.shape[1] == 0

    def test_a_later_end_is_not_yet_known(self, small: Trace) -> None:
        assert small.until(500).pods.end_s.tolist() == [NEVER, NEVER]
        assert small.until(600).pods.end_s.tolist() == [600, NEVER]

    def test_samples_are_views_where_no_pod_is_dropped(self, small: Trace) -> None:
        assert np.shares_memory(small.until(400).usage.cpu_cores, small.usage.cpu_cores)

    def test_a_pod_that_starts_later_is_gone_and_indices_still_match_names(
        self, small: Trace
    ) -> None:
        later = replace(small, pods=replace(small.pods, start_s=np.array([400, 0])))
        known = later.until(300)
        assert known.pods.pod == ("pod-b",)
        assert known.usage.pod.tolist() == [0]
        assert known.usage.container == ("proxy",)
        assert known.usage.cpu_cores.tolist() == [[3.0, 4.0]]
        assert known.usage.memory_bytes is not None
        assert known.usage.memory_bytes.tolist() == [[30.0, 40.0]]


def in_order_of(trace: Trace, other: Trace) -> np.ndarray[Any, np.dtype[np.float32]]:
    """CPU of `trace`, its series in the order of `other`'s."""
    order = [trace.usage.container.index(name) for name in other.usage.container]
    return trace.usage.cpu_cores[order]


def cut(path: Path, column: str, ts_s: int) -> None:
    """Rewrites a file without the rows later than `ts_s`."""
    table = pq.read_table(path)
    pq.write_table(table.filter(pc.less_equal(table[column], ts_s)), path)


@pytest.fixture
def small() -> Trace:
    """Two pods on one node, three samples each."""
    cpu = np.array([[1, 2, 5], [3, 4, 6]], np.float32)
    return Trace(
        name="small",
        source="by hand",
        licence="none",
        interval_s=300,
        nodes=Nodes(("node-1",), ("east",), np.array([16.0]), np.array([2.0**36])),
        pods=Pods(
            pod=("pod-a", "pod-b"),
            namespace=("shop", "shop"),
            workload=("cart", "cart"),
            kind=("Deployment", "Deployment"),
            qos=("LS", "LS"),
            node=np.zeros(2, np.int64),
            cpu_request_cores=np.array([2.0, 8.0]),
            cpu_limit_cores=np.full(2, np.nan),
            memory_request_bytes=np.full(2, 2.0**30),
            memory_limit_bytes=np.full(2, np.nan),
            start_s=np.zeros(2, np.int64),
            end_s=np.array([600, NEVER]),
        ),
        usage=Usage(np.arange(2), ("web", "proxy"), cpu, None, cpu * 10),
    )


@pytest.mark.parametrize(
    ("name", "pods", "columns", "memory"),
    [("bitbrains-rnd", 500, 17_280, True), ("azure-2017", 100, 8_004, False)],
)
def test_a_real_trace_reads_whole(name: str, pods: int, columns: int, *, memory: bool) -> None:
    folder = REAL_TRACES / name
    if not folder.is_dir():
        pytest.skip(f"the real trace {name} is not beside the project")
    trace = read_trace(folder)
    assert trace.usage.cpu_cores.shape == (pods, columns)
    assert (trace.usage.memory_bytes is not None) == memory
    rows = pq.ParquetFile(folder / "usage.parquet").metadata.num_rows
    assert np.count_nonzero(~np.isnan(trace.usage.cpu_cores)) == rows
    assert json.loads((folder / "trace.json").read_text())["name"] == trace.name


@pytest.mark.parametrize("name", ["gpu-openb2023", "jobs-alibaba2017", "jobs-metacentrum2013"])
def test_real_jobs_read_whole(name: str) -> None:
    if not (REAL_TRACES / name).is_dir():
        pytest.skip(f"the real jobs {name} are not beside the project")
    jobs = read_jobs(REAL_TRACES / name)
    assert len(jobs.job) == pq.ParquetFile(REAL_TRACES / name / "jobs.parquet").metadata.num_rows
    assert (np.diff(jobs.submit_s) >= 0).all()
    assert ((jobs.min_available >= 1) & (jobs.min_available <= jobs.tasks)).all()
