"""`slacktide collect` against the real Prometheus: what went in comes out."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from predictor.adapters.collected import Collected
from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.prometheus import AnswerFailed, PrometheusClient, Server
from predictor.core.collect_pace import Failure
from predictor.core.collect_queries import Ask, query
from predictor.core.collect_settings import CollectSettings
from predictor.core.collect_windows import hours
from predictor.core.tables import CONTAINERS
from tests.predictor.real_prometheus import SCRAPE_S, Line, prometheus
from tests.simulator.commanding import Answer, slacktide

HOUR_S = 3_600
GIB = 2.0**30
NEVER = 2**62


def counter(
    start_s: int, end_s: int, *, steady: float, burst: float = 0.0, reset_s: int = NEVER
) -> Iterator[tuple[int, float]]:
    """CPU seconds by the minute: steady cores, but `burst` for one minute of each five."""
    total = 0.0
    for ts_s in range(start_s, end_s, SCRAPE_S):
        minute = ts_s // SCRAPE_S % 5
        total += SCRAPE_S * (burst if burst and minute == 3 else steady)
        total = 0.0 if ts_s == reset_s else total
        yield ts_s, total


def flat(start_s: int, end_s: int, value: float) -> list[tuple[int, float]]:
    return [(ts_s, value) for ts_s in range(start_s, end_s, SCRAPE_S)]


class Fleet:
    """Two hours that are over, in two clusters."""

    def __init__(self) -> None:
        self.first_s = int(time.time()) // HOUR_S * HOUR_S - 3 * HOUR_S
        self.from_s, self.to_s = self.first_s - 900, self.first_s + 2 * HOUR_S
        self.lines: list[Line] = []
        restart_s = self.first_s + 1_980  # within an interval, so that both ran for a part of it
        self.container("shop", "web-5d-aaa1", cores={"steady": 0.5, "burst": 2.0})
        self.container("shop", "web-5d-bbb2", end_s=restart_s, cgroup="/old")
        self.container("shop", "web-5d-bbb2", start_s=restart_s, cgroup="/new")
        self.container("shop", "reset-0", cores={"steady": 0.5, "reset_s": restart_s})
        self.container("shop", "pair-0", replica="a")
        self.container("shop", "pair-0", replica="b")
        self.container("shop", "report-28-xyz", end_s=self.first_s + 1_500)
        self.container("other", "reset-0", cores={"steady": 0.25})
        self.container("west-only", "reset-0", cluster="west")
        self.container("shop", "web-5d-aaa1", container="POD")
        self.container("shop", "web-5d-aaa1", container="")
        self.owner("web-5d-aaa1", "ReplicaSet", "web-5d")
        self.owner("web-5d-bbb2", "ReplicaSet", "web-5d")
        self.owner("pair-0", "StatefulSet", "pair")
        self.owner("report-28-xyz", "Job", "report-28", end_s=self.first_s + 1_500)
        self.owner("reset-0", "<none>", "<none>")
        above = {"cluster": "east", "namespace": "shop"}
        deployed = {"replicaset": "web-5d", "owner_kind": "Deployment", "owner_name": "web"}
        self.fact("kube_replicaset_owner", above | deployed)
        nightly = {"job_name": "report-28", "owner_kind": "CronJob", "owner_name": "report"}
        self.fact("kube_job_owner", above | nightly)
        asked = above | {"pod": "web-5d-aaa1", "container": "app", "node": "n1"}
        name = "kube_pod_container_resource_requests"
        self.fact(name, asked | {"resource": "cpu", "unit": "core"}, 2.0)
        self.fact(name, asked | {"resource": "memory", "unit": "byte"}, 4 * GIB)
        self.more_facts(above, asked)
        self.troubles(above, asked)

    def more_facts(self, above: dict[str, str], app: dict[str, str]) -> None:
        self.fact("kube_pod_container_info", app | {"image": "reg/web:7"})
        self.fact("kube_pod_labels", above | {"pod": app["pod"], "label_app": "web", "job": "ksm"})
        scaler = above | {"horizontalpodautoscaler": "web"}
        scaled = {"scaletargetref_kind": "Deployment", "scaletargetref_name": "web"}
        self.fact("kube_horizontalpodautoscaler_info", scaler | scaled)
        held = scaler | {"metric_name": "cpu", "metric_target_type": "utilization"}
        self.fact("kube_horizontalpodautoscaler_spec_target_metric", held, 60.0)
        for pool, size in (("G1 Eden Space", -1.0), ("G1 Old Gen", GIB), ("Metaspace", 9 * GIB)):
            area = "nonheap" if pool == "Metaspace" else "heap"
            self.fact("jvm_memory_max_bytes", app | {"id": pool, "area": area}, size)
        for resource, size in (("cpu", 16.0), ("memory", 64 * GIB)):
            node = {"cluster": "east", "node": "n1", "resource": resource}
            self.fact("kube_node_status_allocatable", node, size)

    def troubles(self, above: dict[str, str], app: dict[str, str]) -> None:
        """A quarter of the periods throttled, and a kill in an hour and a half."""
        labels = app | {"id": "/shop/web-5d-aaa1/one"}
        for name, cores in (("throttled_periods", 0.25), ("periods", 1.0)):
            points = list(counter(self.from_s, self.to_s, steady=cores))
            self.lines.append((f"container_cpu_cfs_{name}_total", labels, points))
        killed_s = self.first_s + 5_400
        kills = [(at, float(at >= killed_s)) for at in range(self.from_s, self.to_s, SCRAPE_S)]
        self.lines.append(("container_oom_events_total", labels, kills))
        pair = above | {"pod": "pair-0", "container": "app"}
        self.lines.append(("kube_pod_container_status_restarts_total", pair, kills))
        reason = "kube_pod_container_status_last_terminated_reason"
        self.lines.append((reason, pair | {"reason": "OOMKilled"}, kills[len(kills) * 3 // 4 :]))

    def container(
        self,
        namespace: str,
        pod: str,
        *,
        container: str = "app",
        cluster: str = "east",
        cgroup: str = "/one",
        replica: str = "",
        start_s: int = 0,
        end_s: int = 0,
        cores: dict[str, Any] | None = None,
    ) -> None:
        labels = {"cluster": cluster, "namespace": namespace, "pod": pod, "container": container}
        labels |= {"id": f"/{namespace}/{pod}{cgroup}", "replica": replica}
        start_s, end_s = start_s or self.from_s, end_s or self.to_s
        points = list(counter(start_s, end_s, **(cores or {"steady": 0.5})))
        self.lines.append(("container_cpu_usage_seconds_total", labels, points))
        memory = flat(start_s, end_s, GIB)
        self.lines.append(("container_memory_working_set_bytes", labels, memory))

    def owner(self, pod: str, kind: str, name: str, *, end_s: int = 0) -> None:
        labels = {"cluster": "east", "namespace": "shop", "pod": pod}
        owner = {"owner_kind": kind, "owner_name": name}
        self.fact("kube_pod_owner", labels | owner, end_s=end_s)
        self.fact("kube_pod_info", labels | {"node": "n1"}, end_s=end_s)

    def fact(
        self, metric: str, labels: dict[str, str], value: float = 1.0, *, end_s: int = 0
    ) -> None:
        self.lines.append((metric, labels, flat(self.from_s, end_s or self.to_s, value)))


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """What the servers hold, where there are programs to serve it."""
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        why = "prometheus and promtool are not installed: run make test-packages"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return Fleet()


@pytest.fixture(scope="module")
def url(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus(tmp_path_factory.mktemp("server"), fleet.lines) as address:
        yield address


@pytest.fixture(scope="module")
def strict_url(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same with a limit that an hour of the biggest namespace is above."""
    flags = ["--query.max-samples=150"]
    with prometheus(tmp_path_factory.mktemp("strict"), fleet.lines, *flags) as address:
        yield address


def collected(url: str, into: Path, *more: str) -> Answer:
    label = ["--cluster-label", "cluster", "--cluster", "east", "--cluster", "west"]
    return slacktide("collect", url, "--into", into, "--since", "5h", *label, "-o", "json", *more)


@pytest.fixture(scope="module")
def store(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("history")
    assert collected(url, root).code == 0
    return root


def column(store: Path, fleet: Fleet, pod: str, name: str) -> Any:
    read = ParquetStore(store).read("east", from_s=fleet.first_s, to_s=fleet.first_s + 2 * HOUR_S)
    rows = read.filter(pc.equal(read["pod"], pod))
    assert set(rows["container"].to_pylist()) <= {"app"}, "no pause container, no pod's group"
    return np.asarray(rows[name])


def test_the_mean_and_the_peak_are_those_of_the_counter(store: Path, fleet: Fleet) -> None:
    mean = column(store, fleet, "shop/web-5d-aaa1", "cpu_cores")
    peak = column(store, fleet, "shop/web-5d-aaa1", "cpu_max_cores")
    assert len(mean) == 24
    p95 = column(store, fleet, "shop/web-5d-aaa1", "cpu_p95_cores")
    assert mean == pytest.approx(0.8, abs=0.15)
    assert peak == pytest.approx((2.0 + 0.5) / 2)
    assert (mean < p95).all()
    assert (p95 <= peak).all()
    assert column(store, fleet, "shop/web-5d-aaa1", "memory_bytes") == pytest.approx(GIB)


@pytest.mark.parametrize("pod", ["shop/web-5d-bbb2", "shop/reset-0", "shop/pair-0"])
def test_restarts_resets_and_copies_neither_double_nor_lose(
    store: Path, fleet: Fleet, pod: str
) -> None:
    mean = column(store, fleet, pod, "cpu_cores")
    assert len(mean) == 24
    assert mean.max() <= 0.56
    assert np.median(mean) == pytest.approx(0.5)
    assert mean.min() >= 0.35, "the interval of the restart"
    assert column(store, fleet, pod, "memory_bytes") == pytest.approx(GIB)


def test_a_deleted_pod_is_kept_and_names_may_repeat(store: Path, fleet: Fleet) -> None:
    assert len(column(store, fleet, "shop/report-28-xyz", "cpu_cores")) in {5, 6}
    assert np.median(column(store, fleet, "other/reset-0", "cpu_cores")) == pytest.approx(0.25)


def test_owners_are_looked_up_to_the_top(store: Path) -> None:
    containers = Collected(store, "east", interval_s=300).containers()
    assert containers.schema == CONTAINERS
    found = {row["pod"]: row for row in containers.to_pylist()}
    owners = {pod: (row["kind"], row["workload"]) for pod, row in found.items()}
    assert owners == {
        "shop/web-5d-aaa1": ("Deployment", "web"),
        "shop/web-5d-bbb2": ("Deployment", "web"),
        "shop/pair-0": ("StatefulSet", "pair"),
        "shop/report-28-xyz": ("CronJob", "report"),
        "shop/reset-0": ("Pod", "reset-0"),
        "other/reset-0": (None, None),
    }
    web = found["shop/web-5d-aaa1"]
    assert (web["cpu_request_cores"], web["memory_request_bytes"]) == (2.0, 4 * GIB)
    assert (web["cpu_limit_cores"], web["node"]) == (None, "n1")


def test_what_is_known_beside_use_is_known(store: Path) -> None:
    account = Collected(store, "east", interval_s=300)
    found = {row["pod"]: row for row in account.containers().to_pylist()}
    web, pair = found["shop/web-5d-aaa1"], found["shop/pair-0"]
    assert (web["image"], web["labels"]) == ("reg/web:7", '{"app": "web"}')
    assert web["hpa_cpu_target_share"] == pytest.approx(0.6)
    assert found["shop/web-5d-bbb2"]["hpa_cpu_target_share"] == pytest.approx(0.6)
    assert (web["hpa_memory_target_share"], web["jvm_heap_bytes"]) == (None, GIB)
    assert [pair[name] for name in ("image", "labels", "jvm_heap_bytes")] == [None] * 3
    (node,) = account.nodes().to_pylist()
    assert (node["node"], node["cpu_cores"], node["memory_bytes"]) == ("n1", 16.0, 64 * GIB)
    assert Collected(store, "west", interval_s=300).nodes().num_rows == 0


def test_throttling_and_kills_are_counted(store: Path, fleet: Fleet) -> None:
    assert column(store, fleet, "shop/web-5d-aaa1", "cpu_throttled_share") == pytest.approx(0.25)
    assert np.isnan(column(store, fleet, "shop/pair-0", "cpu_throttled_share")).all()
    for pod in ("shop/web-5d-aaa1", "shop/pair-0"):
        assert column(store, fleet, pod, "oom_kills").sum() == 1
    assert column(store, fleet, "shop/reset-0", "oom_kills").sum() == 0


def test_a_second_run_asks_for_nothing_it_has(url: str, store: Path) -> None:
    before = {file: file.read_bytes() for file in store.rglob("*.parquet")}
    (east, west) = collected(url, store).rows()
    assert (east["pieces"], east["samples"], west["pieces"]) == (0, 0, 0)
    assert east["hours_stored_before"] >= 2
    assert {file: file.read_bytes() for file in store.rglob("*.parquet")} == before


def test_a_server_that_refuses_large_queries_is_asked_smaller_ones(
    strict_url: str, store: Path, tmp_path: Path, fleet: Fleet
) -> None:
    whole_hour = hours("east", ("shop",), fleet.first_s)
    with PrometheusClient(Server(strict_url), CollectSettings()) as client:
        with pytest.raises(AnswerFailed, match="too many samples") as refused:
            client.ask(query(Ask.CPU, whole_hour, CollectSettings()))
        assert refused.value.failure is Failure.TOO_LARGE
    answer = collected(strict_url, tmp_path)
    assert answer.code == 0, answer.err
    for cluster in ("east", "west"):
        small, large = (
            ParquetStore(root).read(cluster, from_s=fleet.first_s - HOUR_S, to_s=NEVER)
            for root in (tmp_path, store)
        )
        assert small.equals(large)


def test_clusters_are_found_by_their_label(url: str, tmp_path: Path) -> None:
    args = ("collect", url, "--into", tmp_path, "--since", "5h", "-o", "json")
    found = slacktide(*args, "--cluster-label", "cluster").rows()
    assert [row["cluster"] for row in found] == ["east", "west"]
    assert "give another --cluster-label" in slacktide(*args, "--cluster-label", "nope").refusal()
