"""The JSON API over node agents' diaries, bounded and read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Path, Response

from dashboard.app.answers import Health, Source, answer
from dashboard.app.node_agents import AgentDiary
from dashboard.app.pages import BUILT_PAGES
from dashboard.app.server import add_pages, bare_app
from dashboard.core.node_diary import NodeEvent, NodeSeries, events_of, series_of
from slacktide.serving.guard import LOCAL_HOSTS, Guard

DEAD_AFTER_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentName:
    """One to choose."""

    agent: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentNames:
    """Those that were named with --agent."""

    rows: list[AgentName]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """One agent's last minutes. `problem` says why there is nothing new; `series` what there is."""

    agent: int
    where: str
    node: str
    problem: str
    alive: bool
    heartbeat_age_s: float | None
    started_s: float | None
    evictions: int
    series: NodeSeries | None
    events: list[NodeEvent]


def create_agent_app(diaries: Sequence[AgentDiary], *, pages: Folder = BUILT_PAGES) -> FastAPI:
    """An application that shows node agents and no cluster, to this machine alone."""
    app = bare_app()
    routes = agent_routes(diaries)

    @routes.get("/healthz", response_model=Health)
    def healthz() -> Response:
        """The server answers; needs no agent."""
        return answer(Health(status="ok"))

    @routes.get("/api/v1/source", response_model=Source)
    def source() -> Response:
        """Nodes."""
        return answer(Source(kind="node"))

    app.include_router(routes)
    add_pages(app, pages)
    app.add_middleware(Guard, hosts=LOCAL_HOSTS)
    return app


def agent_routes(diaries: Sequence[AgentDiary]) -> APIRouter:
    """All routes under /api/v1/agents."""
    routes = APIRouter()

    @routes.get("/api/v1/agents", response_model=AgentNames)
    def agents() -> Response:
        """Which there are; none is asked."""
        rows = [AgentName(agent=at, where=one.where) for at, one in enumerate(diaries)]
        return answer(AgentNames(rows=rows))

    @routes.get("/api/v1/agents/{agent}", response_model=AgentView)
    def agent(agent: Annotated[int, Path(ge=0, lt=10_000)]) -> Response:
        """One agent's last minutes, asked now."""
        if agent >= len(diaries):
            raise HTTPException(404, "There is no such agent; name it with --agent.")
        return answer(view_of(agent, diaries[agent]))

    return routes


def view_of(at: int, diary: AgentDiary) -> AgentView:
    """Reads on, and shows all that is known."""
    problem = diary.look()
    last, ticks, events = diary.known()
    age_s = last.heartbeat_age_s if last is not None and not problem else None
    return AgentView(
        agent=at,
        where=diary.where,
        node=last.node if last is not None else "",
        problem=problem,
        alive=age_s is not None and age_s < DEAD_AFTER_S,
        heartbeat_age_s=age_s,
        started_s=last.started_s if last is not None else None,
        evictions=sum(one.kind == "eviction" for one in events),
        series=series_of(ticks),
        events=events_of(events),
    )
