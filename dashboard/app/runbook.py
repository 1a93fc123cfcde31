"""The run book: one thread replays and writes, many requests read.

Always holds: a `Page` is frozen and complete, so a reader never sees half a write and never makes
the replay wait. Each kind of content has a revision that grows with every write to it, so a page
can tell what to ask for again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dashboard.core.frame_log import FrameLog, RunView
from dashboard.core.report_table import Report, report_table
from dashboard.core.tables import (
    PendingGang,
    QueueRow,
    RecommendationRow,
    queue_row,
    recommendation_row,
)
from simulator.core.frames import Frame, RunInfo
from simulator.core.queues import QueueRow as SimulatedQueue
from simulator.core.report import ReportRow
from slacktide.messages import Recommendation

State = Literal["waiting", "training", "replaying", "finished", "failed"]

NO_REPORT = Report(ours="", columns=[], rows=[])


@dataclass(frozen=True, slots=True)
class Revisions:
    """How often each kind of content was written."""

    run: int = 0
    frames: int = 0
    recommendations: int = 0
    queues: int = 0
    gangs: int = 0
    reasons: int = 0
    report: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """The whole run as it stands at one moment."""

    state: State = "waiting"
    message: str = "No run has begun yet."
    view: RunView | None = None
    recommendations: tuple[RecommendationRow, ...] = ()
    queues: tuple[QueueRow, ...] = ()
    gangs: tuple[PendingGang, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    report: Report = NO_REPORT
    revisions: Revisions = Revisions()


class RunBook:
    """Written by the replay thread, read by the server. Every method may be called from any thread.

    Call `begin` once per run, then the others in any order; `begin` again starts a new run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._page = Page()
        self._log: FrameLog | None = None

    def page(self) -> Page:
        """The run as it stands."""
        with self._lock:
            view = self._log.view() if self._log else None
            return replace(self._page, view=view)

    def begin(self, info: RunInfo, *, message: str = "Learning from the past.") -> None:
        """A new run, which trains first. What an earlier run left is gone."""
        with self._lock:
            self._log = FrameLog(info)
            run = self._page.revisions.run + 1
            self._page = Page(state="training", message=message, revisions=Revisions(run=run))

    def say(self, state: State, message: str) -> None:
        """What the run is doing now, in words: `finished` and `failed` are said this way too."""
        with self._lock:
            self._page = replace(self._page, state=state, message=message)

    def add_frame(self, frame: Frame) -> None:
        """The next simulated step. Raises ValueError before `begin` or out of order."""
        with self._lock:
            if self._log is None:
                raise ValueError("a frame came before the run began")
            self._log.append(frame)
            self._write("frames")

    def set_recommendations(self, advice: Iterable[Recommendation]) -> None:
        """All recommendations, in place of those before."""
        rows = tuple(recommendation_row(one) for one in advice)
        with self._lock:
            self._write("recommendations", recommendations=rows)

    def set_queues(self, rows: Iterable[SimulatedQueue]) -> None:
        """The whole queue tree, parents before children."""
        queues = tuple(queue_row(row) for row in rows)
        with self._lock:
            self._write("queues", queues=queues)

    def set_pending_gangs(self, rows: Iterable[PendingGang]) -> None:
        """All gangs that wait now."""
        with self._lock:
            self._write("gangs", gangs=tuple(rows))

    def set_reasons(self, reasons: Mapping[str, str]) -> None:
        """Per node, the sentence of its 24-hour forecast."""
        with self._lock:
            self._write("reasons", reasons=dict(reasons))

    def set_report(self, rows: Iterable[ReportRow], *, ours: str) -> None:
        """The figures of every policy; `ours` names the row that is this project's."""
        finished = report_table(rows, ours=ours)
        with self._lock:
            self._write("report", report=finished)

    def _write(self, kind: str, **content: object) -> None:
        revisions = self._page.revisions
        grown = replace(revisions, **{kind: getattr(revisions, kind) + 1})
        self._page = replace(self._page, revisions=grown, **content)  # type: ignore[arg-type] # fields by name
