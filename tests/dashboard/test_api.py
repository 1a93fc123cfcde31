"""The JSON API over a real socket: shapes, limits, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from dashboard.app.answers import Health, NodeNames, Queues, Run
from dashboard.app.pages import NOT_BUILT
from dashboard.app.runbook import RunBook
from dashboard.app.server import create_app
from dashboard.core.node_views import HeatMap, NodeSeries
from dashboard.core.overview import Overview
from dashboard.core.report_table import Report
from dashboard.core.tables import PendingGangs, RecommendationTable
from slacktide.serving.http_server import HttpServer

ANSWERS = [
    ("/healthz", Health),
    ("/api/v1/run", Run),
    ("/api/v1/overview", Overview),
    ("/api/v1/report", Report),
    ("/api/v1/nodes", HeatMap),
    ("/api/v1/node-names", NodeNames),
    ("/api/v1/nodes/east-0", NodeSeries),
    ("/api/v1/recommendations", RecommendationTable),
    ("/api/v1/queues", Queues),
    ("/api/v1/gangs?state=pending&limit=5", PendingGangs),
]


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize(("path", "shape"), ANSWERS)
def test_every_answer_has_the_shape_it_documents(
    client: httpx.Client, path: str, shape: type[Any]
) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    json.loads(answer.content, parse_constant=no_constant)
    told = TypeAdapter(shape).validate_json(answer.content, strict=True)
    assert json.loads(answer.content) == json.loads(TypeAdapter(shape).dump_json(told))


def test_the_schema_names_every_route_and_loads_nothing_from_elsewhere(
    client: httpx.Client,
) -> None:
    schema = client.get("/api/v1/openapi.json").json()
    assert {path.split("?")[0] for path, _ in ANSWERS} - {"/api/v1/nodes/east-0"} <= set(
        schema["paths"]
    )
    for route in schema["paths"].values():
        assert route["get"]["description"]
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_unknown_numbers_are_null_and_never_zero(client: httpx.Client) -> None:
    oracle = client.get("/api/v1/report").json()["rows"][1]
    assert (oracle["policy"], oracle["wait_p50_s"]) == ("oracle", None)
    assert client.get("/api/v1/queues").json()["rows"][0]["max_cores"] is None
    assert client.get("/api/v1/recommendations").json()["rows"][0]["cpu_upper_cores"] is None


def test_the_run_tells_its_clock(client: httpx.Client) -> None:
    run = client.get("/api/v1/run").json()
    assert run["progress"]["state"] == "replaying"
    assert run["progress"]["share"] == 0.625
    assert run["run"]["node_count"] == 3
    assert run["run"]["cpu_cores"] == 40.0


def test_a_node_may_have_a_slash_in_its_name(client: httpx.Client) -> None:
    assert client.get("/api/v1/nodes/west%2F0").json()["node"] == "west/0"


def test_a_node_without_a_forecast_says_so(client: httpx.Client) -> None:
    assert client.get("/api/v1/nodes/east-0").json()["reason"] == "keeps 4 of 10 cores"
    assert "No forecast" in client.get("/api/v1/nodes/east-1").json()["reason"]


def test_gangs_of_one_queue(client: httpx.Client) -> None:
    answer = client.get("/api/v1/gangs", params={"queue": "training"}).json()
    assert (answer["total"], [row["gang"] for row in answer["rows"]]) == (1, ["old"])


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nodes?columns=401",
        "/api/v1/nodes?columns=0",
        "/api/v1/nodes?limit=251",
        "/api/v1/nodes?offset=-1",
        "/api/v1/nodes/east-0?points=2001",
        "/api/v1/nodes?cluster=" + "c" * 254,
        "/api/v1/nodes/" + "n" * 254,
        "/api/v1/recommendations?limit=5001",
        "/api/v1/recommendations?q=" + "q" * 201,
        "/api/v1/gangs?limit=1001",
        "/api/v1/gangs?state=running",
        "/api/v1/gangs?limit=many",
    ],
)
def test_more_than_the_limits_is_refused(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nodes/nobody",
        "/api/v1/nodes/%00",
        "/api/v1/nodes/../../etc/passwd",
        "/api/v1/nodes/..%2f..%2fhealthz",
        "/api/v2/run",
        "/..%2f..%2fpyproject.toml",
        "/assets/..%2f..%2fapp%2fserver.py",
        "/assets/",
        "/static/index.html",
        "/nodes/",
    ],
)
def test_hostile_addresses_find_nothing(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (307, 404)
    assert "root:" not in answer.text
    assert "import" not in answer.text


def test_before_a_run_every_answer_says_that_there_is_none() -> None:
    with (
        HttpServer(create_app(RunBook())) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        run = client.get("/api/v1/run").json()
        assert (run["progress"]["state"], run["run"]) == ("waiting", None)
        assert client.get("/api/v1/overview").status_code == 404
        assert client.get("/api/v1/nodes").status_code == 404
        assert client.get("/api/v1/recommendations").json()["total"] == 0
        assert client.get("/api/v1/report").json()["rows"] == []


def test_pages_that_are_not_built_say_how_to_build_them(tmp_path: Any) -> None:
    with (
        HttpServer(create_app(RunBook(), pages=tmp_path / "none")) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        answer = client.get("/")
        assert (answer.status_code, answer.text) == (503, NOT_BUILT)
        assert client.get("/icon.svg").status_code == 404
