"""The JSON API over a live cluster: the facts of `scheduler.core.picture`, bounded, read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from dashboard.app.agent_api import agent_routes
from dashboard.app.answers import Health, Source, answer
from dashboard.app.cluster_book import ClusterBook, Sheet
from dashboard.app.node_agents import AgentDiary
from dashboard.app.pages import BUILT_PAGES
from dashboard.app.server import add_pages, bare_app
from dashboard.app.streams import Streams
from scheduler.core.gang_facts import HELPS, GangFact
from scheduler.core.lifecycle import Phase
from scheduler.core.picture import ClusterFact, DecisionFact, NodeFact, Picture, PlannerFact
from scheduler.core.queue_facts import QueueFact
from scheduler.core.telling import gang_told
from slacktide.serving.guard import LOCAL_HOSTS, Guard

Name = Annotated[str, Query(max_length=253)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The cluster in a few numbers; also each live event. `at_s` is null before the first look."""

    revision: int
    at_s: float | None
    cluster: ClusterFact | None
    planner: PlannerFact | None
    unseen: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveQueues:
    """The tree, parents before children, and the newest decisions."""

    rows: list[QueueFact]
    decisions: list[DecisionFact]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveGangs:
    """`total` counts all that match; `rows` holds the first, those that wait before the others."""

    total: int
    rows: list[GangFact]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveGang:
    """One gang, told."""

    gang: GangFact
    queue: QueueFact | None
    help: str
    sentences: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveNodes:
    """The fullest nodes first."""

    total: int
    rows: list[NodeFact]


def create_cluster_app(
    book: ClusterBook, *, agents: Sequence[AgentDiary] = (), pages: Folder = BUILT_PAGES
) -> FastAPI:
    """An application that shows one cluster book and node agents, to this machine alone."""
    moments = cluster_events(book)
    app = bare_app()
    app.state.ending = moments.close
    app.include_router(cluster_routes(book, moments))
    app.include_router(agent_routes(agents))
    add_pages(app, pages)
    app.add_middleware(Guard, hosts=LOCAL_HOSTS)
    return app


def cluster_routes(book: ClusterBook, moments: Streams[Sheet]) -> APIRouter:
    """All routes under /api/v1/cluster, and the health check."""
    routes = APIRouter()

    @routes.get("/healthz", response_model=Health)
    def healthz() -> Response:
        """The server answers; needs no cluster."""
        return answer(Health(status="ok"))

    @routes.get("/api/v1/source", response_model=Source)
    def source() -> Response:
        """A cluster."""
        return answer(Source(kind="cluster"))

    @routes.get("/api/v1/cluster", response_model=Moment)
    def cluster() -> Response:
        """Cores sold, used and free, and who plans."""
        return answer(moment(book.sheet()))

    @routes.get("/api/v1/cluster/events", response_class=StreamingResponse)
    async def live_events() -> Response:
        """Server-sent events: `tick` with each new moment; `bye` at the end."""
        return moments.answer()

    _add_tables(routes, book)
    return routes


def _add_tables(routes: APIRouter, book: ClusterBook) -> None:
    @routes.get("/api/v1/cluster/queues", response_model=LiveQueues)
    def queues() -> Response:
        """Who holds what, whose turn is next and why."""
        picture = _picture(book)
        return answer(LiveQueues(rows=list(picture.queues), decisions=list(picture.decisions)))

    @routes.get("/api/v1/cluster/gangs", response_model=LiveGangs)
    def gangs(
        queue: Name = "",
        namespace: Name = "",
        state: Phase | None = None,
        q: Annotated[str, Query(max_length=253)] = "",
        limit: Annotated[int, Query(ge=1, le=2000)] = 500,
    ) -> Response:
        """The gangs, in the order in which a person on call reads them."""
        found = [
            one
            for one in _picture(book).gangs
            if queue in ("", one.queue)
            and namespace in ("", one.namespace)
            and state in (None, one.state)
            and q.casefold() in one.id.casefold()
        ]
        return answer(LiveGangs(total=len(found), rows=found[:limit]))

    @routes.get("/api/v1/cluster/gangs/{way_in}/{namespace}/{gang}", response_model=LiveGang)
    def gang(
        way_in: Annotated[str, Path(max_length=63)],
        namespace: Annotated[str, Path(max_length=253)],
        gang: Annotated[str, Path(max_length=253)],
    ) -> Response:
        """One gang in sentences, with what would help it; one of several namespaces is of `-`."""
        picture = _picture(book)
        for one in picture.gangs:
            if (one.way_in, one.namespace or "-", one.gang) == (way_in, namespace, gang):
                return answer(told(picture, one))
        raise HTTPException(404, "There is no such gang now.")

    @routes.get("/api/v1/cluster/nodes", response_model=LiveNodes)
    def nodes(limit: Annotated[int, Query(ge=1, le=2000)] = 200) -> Response:
        """What nodes sell and what of that is used."""
        found = sorted(_picture(book).nodes, key=lambda one: (one.free_cpu_cores, one.node))
        return answer(LiveNodes(total=len(found), rows=found[:limit]))


def moment(sheet: Sheet) -> Moment:
    """A sheet in a few numbers."""
    picture = sheet.picture
    return Moment(
        revision=sheet.revision,
        at_s=picture.at_s if picture is not None else None,
        cluster=picture.cluster if picture is not None else None,
        planner=picture.planner if picture is not None else None,
        unseen=list(picture.unseen) if picture is not None else [],
    )


def told(picture: Picture, one: GangFact) -> LiveGang:
    """A gang in sentences."""
    queue = next((other for other in picture.queues if other.queue == one.queue), None)
    sentences = gang_told(one, queue, (), picture.planner, now_s=picture.at_s)
    helped = HELPS.get(one.cause, "")
    return LiveGang(gang=one, queue=queue, help=helped, sentences=list(sentences))


def _picture(book: ClusterBook) -> Picture:
    picture = book.sheet().picture
    if picture is None:
        raise HTTPException(404, "The cluster has not been read yet.")
    return picture


def cluster_events(book: ClusterBook) -> Streams[Sheet]:
    """The streams of one cluster book."""

    def news(seen: Sheet | None) -> tuple[Sheet, bytes] | None:
        sheet = book.sheet()
        if seen is not None and sheet.revision == seen.revision:
            return None
        return sheet, to_json(moment(sheet))

    return Streams(news)
