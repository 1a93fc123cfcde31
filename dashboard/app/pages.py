"""The built pages as files. Every page is one document; the browser reads the rest of the address.

Always holds: only the files of one folder are served, and only the pages' own addresses answer with
the document, so a mistyped address says so.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

BUILT_PAGES = Path(__file__).resolve().parent.parent / "static"
PAGE_PATHS = ("/", "/nodes", "/right-size", "/queues", "/cluster", "/cluster/gangs", "/agent")
NOT_BUILT = "The pages are not built yet. Run: python scripts/build_web.py"


def page_routes(folder: Path) -> APIRouter:
    """The pages' addresses, all answered by the one document."""
    routes = APIRouter(include_in_schema=False)

    def document() -> Response:
        index = folder / "index.html"
        if not index.is_file():
            return PlainTextResponse(NOT_BUILT, status_code=503)
        return FileResponse(index, headers={"cache-control": "no-cache"})

    for path in PAGE_PATHS:
        routes.add_api_route(path, document, methods=["GET", "HEAD"])
    return routes


class PageFiles(StaticFiles):
    """Scripts, styles and the icon. A name under assets/ holds a hash, so it may be kept."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with how long it may be kept."""
        response = await super().get_response(path, scope)
        kept = path.startswith("assets/") and response.status_code in (200, 304)
        response.headers["cache-control"] = (
            "public, max-age=31536000, immutable" if kept else "no-cache"
        )
        return response
