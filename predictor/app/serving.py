"""The history's API: usage over time, and which clusters and workloads there are. Reading only.

Always holds: every parameter has a bound and every answer a schema; what a question costs is
checked before it is read; a message tells limits and names, never a path of this machine.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from predictor.app.serving_metrics import Metered, Metrics
from predictor.app.usage_answers import (
    ARROW,
    ClusterRow,
    Clusters,
    Health,
    Usage,
    WorkloadRow,
    Workloads,
    arrow_answer,
    json_answer,
    usage_answer,
    workload_rows,
)
from predictor.app.usage_reader import Question, Refused, UsageReader
from slacktide.serving.guard import Guard

MOST_SECONDS: Final = 10**11
MOST_ROWS: Final = 1_000  # of one page

Name = Annotated[str | None, Field(min_length=1, max_length=512)]
Seconds = Annotated[int | None, Field(ge=-MOST_SECONDS, le=MOST_SECONDS)]


class UsageQuery(BaseModel):
    """Whose use and when; seconds from the history's origin. A name that is none is refused."""

    model_config = ConfigDict(extra="forbid")

    cluster: Name = None
    namespace: Name = None
    workload: Name = None
    node: Name = None
    from_s: Seconds = Field(None, alias="from")
    to_s: Seconds = Field(None, alias="to")
    step_s: Annotated[int | None, Field(ge=1, le=MOST_SECONDS, alias="step")] = None


class WorkloadsQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    cluster: Name = None
    namespace: Name = None
    offset: Annotated[int, Field(ge=0, le=10**9)] = 0
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 100


REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "no such cluster, namespace, workload or node"},
    406: {"description": "neither JSON nor an Arrow stream is accepted"},
    413: {"description": "more points or samples than one answer may have"},
    422: {"description": "a parameter that is no such thing, or a step of no whole intervals"},
    503: {"description": "as many questions as may be are being answered"},
}


def create_app(reader: UsageReader, *, token: str | None = None) -> FastAPI:
    """An application that answers from one history; with a token, only those who bring it."""
    metrics = Metrics()
    app = FastAPI(
        title="slacktide usage history",
        docs_url=None,  # the stock documentation pages load scripts from other hosts
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.include_router(_usage_routes(reader))
    app.include_router(_name_routes(reader))
    app.include_router(_health_routes(metrics))
    app.add_exception_handler(Refused, _refusal)
    app.add_middleware(Metered, metrics=metrics)
    app.add_middleware(Guard, token=token)
    return app


def _usage_routes(reader: UsageReader) -> APIRouter:
    routes = APIRouter()

    @routes.get("/api/v1/usage", response_model=Usage, responses=REFUSED)
    def usage(
        asked: Annotated[UsageQuery, Query()], accept: Annotated[str, Header()] = "*/*"
    ) -> Response:
        """Use of a workload, a node, a namespace (what is named must all fit) or the whole cluster.

        Seconds from the history's origin. All containers are summed at each stamp; mean, max and
        p95 (nearest rank) are of these sums within a step. The window grows to whole steps.
        """
        as_arrow = _wants_arrow(accept)
        answer = reader.usage(Question(**asked.model_dump()))
        return arrow_answer(answer) if as_arrow else json_answer(usage_answer(answer))

    return routes


def _name_routes(reader: UsageReader) -> APIRouter:
    routes = APIRouter()

    @routes.get("/api/v1/clusters", response_model=Clusters)
    def clusters() -> Response:
        """What is stored of each cluster."""
        store = reader.store()
        return json_answer(Clusters(clusters=[_cluster(reader, name) for name in store.clusters()]))

    @routes.get("/api/v1/workloads", response_model=Workloads, responses={404: REFUSED[404]})
    def workloads(asked: Annotated[WorkloadsQuery, Query()]) -> Response:
        """A page of the workloads ever seen."""
        name = reader.cluster(asked.cluster)
        table = workload_rows(reader.wanted(Question(name, asked.namespace), name))
        page = table.slice(asked.offset, asked.limit).to_pylist()
        rows = [WorkloadRow(**row) for row in page]
        found = Workloads(cluster=name, total=len(table), offset=asked.offset, rows=rows)
        return json_answer(found)

    return routes


def _health_routes(metrics: Metrics) -> APIRouter:
    routes = APIRouter()

    @routes.get("/healthz", response_model=Health)
    def healthz() -> Response:
        """The server answers; asks for no token."""
        return json_answer(Health(status="ok"))

    @routes.get("/metrics")
    def metrics_page() -> Response:
        """Requests, their times and their outcomes, for Prometheus."""
        return metrics.page()

    return routes


def _cluster(reader: UsageReader, name: str) -> ClusterRow:
    store = reader.store()
    days = store.days(name)
    inventory = store.inventory(name)
    return ClusterRow(
        cluster=name,
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        days=len(days),
        containers=len(inventory.containers()),
        nodes=len(inventory.nodes()),
        interval_s=store.interval_s,
    )


def _wants_arrow(accept: str) -> bool:
    """Whether an Arrow stream is asked for; JSON where anything is welcome."""
    kinds = {kind.split(";")[0].strip().casefold() for kind in accept.split(",")}
    if ARROW in kinds:
        return True
    if kinds & {"*/*", "application/*", "application/json", ""}:
        return False
    raise HTTPException(406, f"Accept application/json or {ARROW}.")


async def _refusal(_: Request, why: Exception) -> Response:
    """A question that is not answered, and why."""
    status = why.status if isinstance(why, Refused) else 500
    headers = {"retry-after": "1"} if status == 503 else None
    return JSONResponse({"detail": str(why)}, status_code=status, headers=headers)
