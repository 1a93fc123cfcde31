"""Live events: every open page is told the clock, the headline and the new points.

Always holds: a listener keeps its own place in the run and asks for what it lacks, so a slow one
costs no memory and cannot hold up the replay. All streams end at once when `close` is called, else
an open page would keep the server from stopping.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pydantic_core import to_json

from dashboard.app.answers import Tick, progress
from dashboard.app.runbook import Page, RunBook
from dashboard.core.buckets import bucket_rows
from dashboard.core.frame_log import planned_rows
from dashboard.core.overview import cluster_figures, fleet_series, headline

MAX_LISTENERS = 16
POLL_S = 0.4  # a tick at most this often: faster than a glance, slower than a replay's steps
HEARTBEAT_S = 15.0  # shorter than the idle limits of proxies, so that a dead listener is noticed


class Events:
    """The streams of one server."""

    def __init__(self, runbook: RunBook, *, points: int) -> None:
        self._runbook = runbook
        self._points = points
        self._closing = asyncio.Event()
        self._listeners = 0

    @property
    def full(self) -> bool:
        """Whether another listener would be one too many."""
        return self._listeners >= MAX_LISTENERS

    def close(self) -> None:
        """End all streams. Call it in the server's own event loop."""
        self._closing.set()

    async def stream(self) -> AsyncIterator[bytes]:
        """Server-sent events: a tick now, one after each change, a heartbeat in between."""
        self._listeners += 1
        try:
            seen, quiet_s = None, 0.0
            while not self._closing.is_set():
                page = self._runbook.page()
                if seen is None or _changed(seen, page):
                    yield (
                        b"event: tick\ndata: "
                        + to_json(tick(page, seen, points=self._points), inf_nan_mode="null")
                        + b"\n\n"
                    )
                    seen, quiet_s = page, 0.0
                elif quiet_s >= HEARTBEAT_S:
                    yield b": still here\n\n"
                    quiet_s = 0.0
                quiet_s += await self._pause()
            yield b"event: bye\ndata: {}\n\n"
        finally:
            self._listeners -= 1

    async def _pause(self) -> float:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), POLL_S)
        return POLL_S


def tick(page: Page, seen: Page | None, *, points: int) -> Tick:
    """What a listener that has seen one page lacks of the next; the last point is sent again.

    A listener that has seen nothing gets the last point alone: the rest is in the overview.
    """
    view = page.view
    if view is None:
        return Tick(
            progress=progress(page),
            headline=None,
            step_s=0,
            first_point=0,
            series=None,
            clusters=[],
        )
    size = bucket_rows(planned_rows(view.info), points)
    known = len(view.at_s)
    if seen is not None and seen.view is not None and _same_run(seen, page):
        known = len(seen.view.at_s)
    first = max(0, known - 1) // size
    return Tick(
        progress=progress(page),
        headline=headline(view),
        step_s=size * view.info.interval_s,
        first_point=first,
        series=fleet_series(view, size=size, first_point=first),
        clusters=cluster_figures(view),
    )


def _changed(seen: Page, page: Page) -> bool:
    return (seen.revisions, seen.state, seen.message) != (page.revisions, page.state, page.message)


def _same_run(seen: Page, page: Page) -> bool:
    return seen.revisions.run == page.revisions.run
