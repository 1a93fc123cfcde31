"""The JSON API that the pages read. Every answer has a schema, a bound on its size, and no NaN."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import StreamingResponse

from dashboard.app.answers import (
    Health,
    NodeNames,
    Queues,
    Run,
    Source,
    answer,
    node_names,
    progress,
    run_details,
)
from dashboard.app.runbook import Page, RunBook
from dashboard.app.streams import Streams
from dashboard.core.frame_log import RunView
from dashboard.core.node_views import HeatMap, NodeSeries, heat_map, node_series
from dashboard.core.overview import Overview, overview
from dashboard.core.report_table import Report
from dashboard.core.tables import (
    PendingGangs,
    RecommendationTable,
    pending_gangs,
    recommendation_table,
)

OVERVIEW_POINTS = 600  # a wide screen has about two pixels for each
NO_RUN: dict[int | str, dict[str, Any]] = {
    404: {"description": "no run has begun, or there is no such node"}
}
NO_REASON = "No forecast has been made for this node yet."

Name = Annotated[str, Query(max_length=253)]


def api_routes(runbook: RunBook, events: Streams[Page]) -> APIRouter:
    """All routes under /api/v1, and the health check."""
    routes = APIRouter()
    _add_run_routes(routes, runbook, events)
    _add_node_routes(routes, runbook)
    _add_table_routes(routes, runbook)
    return routes


def _add_run_routes(routes: APIRouter, runbook: RunBook, events: Streams[Page]) -> None:
    @routes.get("/healthz", response_model=Health)
    def healthz() -> Response:
        """The server answers; needs no run."""
        return answer(Health(status="ok"))

    @routes.get("/api/v1/source", response_model=Source)
    def source() -> Response:
        """A replay."""
        return answer(Source(kind="replay"))

    @routes.get("/api/v1/run", response_model=Run)
    def run() -> Response:
        """What is replayed and how far it is."""
        page = runbook.page()
        details = run_details(page.view) if page.view else None
        return answer(Run(progress=progress(page), run=details))

    @routes.get("/api/v1/overview", response_model=Overview, responses=NO_RUN)
    def fleet_overview() -> Response:
        """Utilisation with and without offline work over time, and the headline figures."""
        return answer(overview(_view(runbook), points=OVERVIEW_POINTS))

    @routes.get("/api/v1/report", response_model=Report)
    def run_report() -> Response:
        """Our figures beside every baseline's; no rows until the run has them."""
        return answer(runbook.page().report)

    @routes.get("/api/v1/events", response_class=StreamingResponse)
    async def live_events() -> Response:
        """Server-sent events: `tick` with clock, headline and new points; `bye` at the end."""
        return events.answer()


def _add_node_routes(routes: APIRouter, runbook: RunBook) -> None:
    @routes.get("/api/v1/nodes", response_model=HeatMap, responses=NO_RUN)
    def nodes(
        columns: Annotated[int, Query(ge=1, le=400)] = 168,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        limit: Annotated[int, Query(ge=1, le=250)] = 100,
        cluster: Name | None = None,
    ) -> Response:
        """The heat map: nodes times time."""
        view = _view(runbook)
        return answer(heat_map(view, columns=columns, offset=offset, limit=limit, cluster=cluster))

    @routes.get("/api/v1/node-names", response_model=NodeNames, responses=NO_RUN)
    def names() -> Response:
        """Every node to choose from."""
        return answer(node_names(_view(runbook)))

    @routes.get("/api/v1/nodes/{node:path}", response_model=NodeSeries, responses=NO_RUN)
    def node(
        node: Annotated[str, Path(max_length=253)],
        points: Annotated[int, Query(ge=1, le=2000)] = 700,
    ) -> Response:
        """One node's cores over time, its forecast against what came, and why."""
        page = runbook.page()
        view = page.view
        if view is None or node not in view.info.nodes:
            raise HTTPException(404, "There is no such node in this run.")
        reason = page.reasons.get(node, NO_REASON)
        return answer(node_series(view, view.info.nodes.index(node), points=points, reason=reason))


def _add_table_routes(routes: APIRouter, runbook: RunBook) -> None:
    @routes.get("/api/v1/recommendations", response_model=RecommendationTable)
    def recommendations(
        q: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=5000)] = 2000,
    ) -> Response:
        """Requests as declared and as recommended, the largest change first."""
        return answer(recommendation_table(runbook.page().recommendations, query=q, limit=limit))

    @routes.get("/api/v1/queues", response_model=Queues)
    def queues() -> Response:
        """The queue tree, parents before children."""
        return answer(Queues(rows=list(runbook.page().queues)))

    @routes.get("/api/v1/gangs", response_model=PendingGangs)
    def gangs(
        state: Literal["pending"] = "pending",  # noqa: ARG001 - the one state there is to ask for
        queue: Name | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """The gangs that wait, longest first, each with its reason."""
        return answer(pending_gangs(runbook.page().gangs, queue=queue, limit=limit))


def _view(runbook: RunBook) -> RunView:
    view = runbook.page().view
    if view is None:
        raise HTTPException(404, "No run has begun yet.")
    return view
