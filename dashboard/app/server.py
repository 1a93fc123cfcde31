"""The dashboard's web application: the guard around the API around the pages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fastapi import FastAPI

from dashboard.app.api import OVERVIEW_POINTS, api_routes
from dashboard.app.events import run_events
from dashboard.app.pages import BUILT_PAGES, PageFiles, page_routes
from dashboard.app.runbook import RunBook
from slacktide.serving.guard import LOCAL_HOSTS, Guard


def create_app(
    runbook: RunBook, *, hosts: Iterable[str] = LOCAL_HOSTS, pages: Path = BUILT_PAGES
) -> FastAPI:
    """An application that shows one run book.

    Args:
        runbook: Read at every request, written by whoever replays.
        hosts: The names a request's Host header may have, without a port.
        pages: The folder of the built pages.
    """
    events = run_events(runbook, points=OVERVIEW_POINTS)
    app = bare_app()
    app.state.ending = events.close
    app.include_router(api_routes(runbook, events))
    add_pages(app, pages)
    app.add_middleware(Guard, hosts=hosts)
    return app


def bare_app() -> FastAPI:
    """An application without routes."""
    return FastAPI(
        title="slacktide dashboard",
        docs_url=None,  # the stock documentation pages load scripts from other hosts
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )


def add_pages(app: FastAPI, pages: Path) -> None:
    """The built pages, behind all other routes."""
    app.include_router(page_routes(pages))
    if pages.is_dir():
        app.mount("/", PageFiles(pages))
