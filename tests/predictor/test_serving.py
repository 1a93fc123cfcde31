"""The history's API, over a real connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictor.adapters.parquet_store import DAY_S, ParquetStore
from predictor.app import usage_reader
from predictor.app.serving import create_app
from predictor.app.usage_answers import ARROW
from predictor.app.usage_reader import UsageReader
from predictor.core.usage_series import USAGE
from slacktide.serving.http_server import HttpServer
from tests.predictor.storing import on_nodes, rows

PODS = {"shop/web-1": "n1", "shop/web-2": "n2", "other/db-0": "n1"}
TOKEN = "a-token-of-this-test"  # noqa: S105  of this test alone


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of three pods that use 1, 2 and 4 cores; the web pods are one workload."""
    store = ParquetStore(tmp_path_factory.mktemp("history"))
    seen = pa.concat_tables([on_nodes(PODS), on_nodes(PODS, seen_s=2 * DAY_S - 300)])
    names = [pod.partition("/")[0] for pod in seen["pod"].to_pylist()]
    works = ["web" if "web" in pod else None for pod in seen["pod"].to_pylist()]
    seen = seen.set_column(2, seen.schema.field("namespace"), pa.array(names))
    seen = seen.set_column(3, "workload", pa.array(works, pa.string()))
    store.inventory("east").add_containers(seen)
    for at_s in (0, 300, DAY_S, DAY_S + 300):
        usage = {(at_s, pod, "app"): 2.0**k for k, pod in enumerate(PODS)}
        store.append("east", rows(usage))
    return store.root


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[httpx.Client]:
    app = create_app(UsageReader(root))
    with (
        HttpServer(app) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client,
    ):
        yield client


def usage(client: httpx.Client, **asked: object) -> dict[str, Any]:
    answer = client.get("/api/v1/usage", params={k.rstrip("_"): str(v) for k, v in asked.items()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("asked", "cores", "containers"),
    [
        ({}, 7.0, 3),
        ({"cluster": "east"}, 7.0, 3),
        ({"workload": "web", "namespace": "shop"}, 3.0, 2),
        ({"workload": "db-0"}, 4.0, 1),
        ({"node": "n1"}, 5.0, 2),
        ({"node": "n1", "namespace": "shop"}, 1.0, 1),
        ({"namespace": "other"}, 4.0, 1),
    ],
)
def test_use_is_summed_over_who_was_asked_for(
    client: httpx.Client, asked: dict[str, str], cores: float, containers: int
) -> None:
    found = usage(client, **asked, from_=0, to=2 * DAY_S, step=DAY_S)
    assert found["ts_s"] == [0, DAY_S]
    for how in ("mean", "max", "p95"):
        assert found[f"cpu_{how}_cores"] == [cores, cores]
    assert found["containers"] == [containers] * 2
    assert found["memory_mean_bytes"] == [None, None]
    assert found["torn_files"] == 0


def test_without_a_window_it_is_the_newest_day_as_fine_as_it_is_kept(client: httpx.Client) -> None:
    found = usage(client)
    assert (found["from_s"], found["to_s"], found["step_s"]) == (DAY_S, 2 * DAY_S, 300)
    assert found["cpu_mean_cores"][:3] == [7.0, 7.0, None]


def test_a_window_grows_to_whole_steps(client: httpx.Client) -> None:
    found = usage(client, from_=301, to=DAY_S + 1, step=600)
    assert (found["from_s"], found["to_s"]) == (0, DAY_S + 600)


def test_an_arrow_stream_says_the_same(client: httpx.Client) -> None:
    asked = {"from": 0, "to": 2 * DAY_S, "step": DAY_S}
    answer = client.get("/api/v1/usage", params=asked, headers={"accept": ARROW})
    assert answer.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.schema.equals(USAGE)
    assert table.schema.metadata[b"cluster"] == b"east"
    found = client.get("/api/v1/usage", params=asked).json()
    assert table.to_pydict() == {name: found[name] for name in USAGE.names}


@pytest.mark.parametrize(
    ("accept", "status"),
    [("text/html", 406), ("application/json;q=0.5", 200), ("text/html, */*", 200), ("", 200)],
)
def test_what_is_accepted_is_negotiated(client: httpx.Client, accept: str, status: int) -> None:
    assert client.get("/api/v1/usage", headers={"accept": accept}).status_code == status


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("cluster=west", 404, "no such cluster; there are east"),
        ("workload=nobody", 404, "no such workload"),
        ("node=n9", 404, "no such node"),
        ("from=10&to=10", 422, "is not before"),
        ("step=301", 422, "no multiple of the interval"),
        ("step=0", 422, "greater than or equal to 1"),
        ("from=soon", 422, "valid integer"),
        ("from=1e400", 422, "valid integer"),
        ("from=99999999999999999999999", 422, "less than or equal"),
        ("workload=", 422, "at least 1 character"),
        (f"workload={'x' * 600}", 422, "at most 512"),
        ("colour=red", 422, "Extra inputs are not permitted"),
        ("from=0&to=50000000&step=300", 413, "more than 11,000 points"),
        ("from=0&to=10000000000&step=1000000200", 413, "1,048,576 intervals"),
    ],
)
def test_what_cannot_be_answered_is_said(
    client: httpx.Client, asked: str, status: int, said: str
) -> None:
    answer = client.get(f"/api/v1/usage?{asked}")
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert "/tmp" not in answer.text, "no path of this machine"  # noqa: S108  looked for, not used


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.sampled_from(["cluster", "namespace", "workload", "node", "from", "to", "step", "x"]),
        st.text(max_size=30) | st.integers().map(str),
        max_size=4,
    )
)
def test_no_question_breaks_it(client: httpx.Client, asked: dict[str, str]) -> None:
    answer = client.get("/api/v1/usage", params=asked)
    assert answer.status_code in (200, 404, 413, 414, 422)
    assert answer.headers["content-type"].startswith("application/json")


def test_a_question_that_costs_too_much_is_refused_unread(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_reader, "MOST_SAMPLES", 500)
    answer = client.get("/api/v1/usage", params={"from": 0, "to": 2 * DAY_S, "step": 3600})
    assert answer.status_code == 413
    assert "ask for a shorter window" in answer.json()["detail"]
    assert usage(client, workload="db-0", from_=0, to=DAY_S, step=3600)["containers"][0] == 1


def test_more_questions_than_readers_are_told_to_come_back(root: Path) -> None:
    reader = UsageReader(root)
    for _ in range(usage_reader.MOST_READERS):
        assert reader._turns.acquire(blocking=False)
    with (
        HttpServer(create_app(reader)) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        answer = client.get("/api/v1/usage")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert client.get("/api/v1/clusters").status_code == 200


def test_clusters_and_workloads_are_listed_in_pages(client: httpx.Client) -> None:
    (cluster,) = client.get("/api/v1/clusters").json()["clusters"]
    assert cluster == {
        "cluster": "east",
        "first_day": 0,
        "last_day": 1,
        "days": 2,
        "containers": 3,
        "nodes": 0,
        "interval_s": 300,
    }
    page = client.get("/api/v1/workloads", params={"limit": 1}).json()
    assert (page["total"], [row["workload"] for row in page["rows"]]) == (2, ["db-0"])
    page = client.get("/api/v1/workloads", params={"limit": 1, "offset": 1}).json()
    (row,) = page["rows"]
    assert (row["namespace"], row["workload"], row["pods"]) == ("shop", "web", 2)
    assert client.get("/api/v1/workloads", params={"limit": 1001}).status_code == 422
    assert client.get("/api/v1/workloads", params={"cluster": "west"}).status_code == 404


def test_requests_are_counted_by_route(client: httpx.Client) -> None:
    client.get("/api/v1/usage", params={"node": "n9"})
    client.get("/nowhere")
    page = client.get("/metrics").text
    assert 'slacktide_history_requests_total{route="/api/v1/usage",status="404"}' in page
    assert 'slacktide_history_requests_total{route="other",status="404"}' in page
    assert "/nowhere" not in page


def test_a_torn_file_is_told_in_the_answer(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path, shards=1)
    store.append("here", rows({(0, "s/a", "app"): 1.0}))
    store.append("here", rows({(300, "s/a", "app"): 1.0}))
    torn = min(tmp_path.rglob("day=0/shard=0/*.parquet"))
    torn.write_bytes(torn.read_bytes()[:-9])
    with (
        HttpServer(create_app(UsageReader(tmp_path))) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        found = usage(client)
    assert found["torn_files"] == 1
    assert found["cpu_mean_cores"][:2] == [None, 1.0]


def test_with_a_token_only_health_is_answered_without_it(root: Path) -> None:
    with (
        HttpServer(create_app(UsageReader(root), token=TOKEN)) as server,
        httpx.Client(base_url=server.url, trust_env=False, headers={"host": "any.name"}) as client,
    ):
        assert client.get("/healthz").status_code == 200
        for given_ in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            for path in ("/api/v1/usage", "/metrics", "/api/v1/openapi.json"):
                assert client.get(path, headers=given_).status_code == 401
        good = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/api/v1/clusters", headers=good).status_code == 200


def test_a_foreign_name_a_body_and_writing_are_refused(client: httpx.Client) -> None:
    assert client.get("/api/v1/clusters", headers={"host": "evil.example"}).status_code == 421
    assert client.request("GET", "/api/v1/clusters", content=b"x").status_code == 413
    assert client.post("/api/v1/clusters").status_code == 405
    assert client.get("/api/v1/openapi.json").json()["info"]["title"] == "slacktide usage history"
