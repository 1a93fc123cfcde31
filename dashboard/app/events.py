"""Live events of a run: the clock, the headline and the points that are new to an open page."""

from __future__ import annotations

from pydantic_core import to_json

from dashboard.app.answers import Tick, progress
from dashboard.app.runbook import Page, RunBook
from dashboard.app.streams import Streams
from dashboard.core.buckets import bucket_rows
from dashboard.core.frame_log import planned_rows
from dashboard.core.overview import cluster_figures, fleet_series, headline


def run_events(runbook: RunBook, *, points: int) -> Streams[Page]:
    """The streams of one run book."""

    def news(seen: Page | None) -> tuple[Page, bytes] | None:
        page = runbook.page()
        if seen is not None and not _changed(seen, page):
            return None
        return page, to_json(tick(page, seen, points=points), inf_nan_mode="null")

    return Streams(news)


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
