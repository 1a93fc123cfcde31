"""What the door shows: health, readiness, the diary from a number on, and the metrics.

    /healthz              200 while the fast loop gives signs of life, else 503
    /readyz               200 once there is a book and a diary
    /ticks?after=N&events_after=M
                          {"node", "ticks": {"next", "columns", "rows"}, "events": the same}
    /metrics              for Prometheus

Always holds: an answer of /ticks has at most `MOST_ROWS` of each, the oldest first; who is behind
asks again with `next`; numbers that are not known are null.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec

from qos_controller.adapters.ticks import Tick
from qos_controller.app.neighbour.door import Answer, Asked
from qos_controller.app.neighbour.door import Page as DoorPage
from qos_controller.app.neighbour.evicting import Evicting
from qos_controller.app.neighbour.following import Following
from qos_controller.app.neighbour.keeping import Keeping
from qos_controller.app.neighbour.metrics import KIND, Page, named
from qos_controller.app.neighbour.reporting import Reporting
from qos_controller.app.neighbour.telling import Telling
from qos_controller.app.neighbour.wishing import Wishing

MOST_ROWS: Final = 2_000  # some 300 KB
STAGES: Final = ("cpu", "disk", "memory", "network")
PAGE_BYTES: Final = 4_096
_TICK: Final = attrgetter(*Tick.__slots__)
_EVENT: Final = ("monotonic_s", "unix_s", "kind", "pod", "text")


@dataclass(slots=True)
class Pages:
    """Of one node's agent."""

    keeping: Keeping
    following: Following
    reporting: Reporting
    evicting: Evicting
    wishing: Wishing
    telling: Telling
    probed: Callable[[], dict[str, float]]
    heard_s: Callable[[], float | None]
    """When the API server last said anything, on the clock of the wall."""
    now_s: Callable[[], float]

    def all(self) -> dict[str, DoorPage]:
        """By path."""
        return {
            "/healthz": self.health,
            "/readyz": self.ready,
            "/ticks": self.ticks,
            "/metrics": self.metrics,
        }

    def health(self, _asked: Asked) -> Answer:
        """The loop's heartbeat."""
        self.following.look()
        age_s = self.following.beat_age_s
        said = {"ok": self.following.alive, "loop_beat_age_s": None if math.isinf(age_s) else age_s}
        return Answer(200 if self.following.alive else 503, msgspec.json.encode(said))

    def ready(self, _asked: Asked) -> Answer:
        """Whether the loop can protect the pods of this node."""
        self.following.look()
        book, reader = self.keeping.book, self.following.reader
        said = {"ready": bool(book and reader), "book": book is not None, "diary": bool(reader)}
        return Answer(200 if said["ready"] else 503, msgspec.json.encode(said))

    def ticks(self, asked: Asked) -> Answer:
        """The diary."""
        self.following.look()
        reader = self.following.reader
        if reader is None:
            return Answer(503, b'{"error":"the loop has written no diary yet"}')
        after, events_after = _from(asked, "after"), _from(asked, "events_after")
        total, total_events = reader.counts
        ticks = reader.ticks(after)
        first = total - len(ticks)
        events = reader.events(events_after)
        first_event = total_events - len(events)
        rows = [_TICK(one) for one in ticks[:MOST_ROWS]]
        event_rows = [[getattr(one, name) for name in _EVENT] for one in events[:MOST_ROWS]]
        answer = {
            "node": self.keeping.node,
            "started_s": reader.started_s,
            "heartbeat_age_s": self.following.beat_age_s,
            "ticks": {
                "next": first + len(rows),
                "columns": list(Tick.__slots__),
                "rows": rows,
            },
            "events": {
                "next": first_event + len(event_rows),
                "columns": list(_EVENT),
                "rows": event_rows,
            },
        }
        return Answer(200, msgspec.json.encode(answer))  # NaN and infinity are null

    def metrics(self, _asked: Asked) -> Answer:
        """For Prometheus."""
        self.following.look()
        page = Page()
        self._of_the_loop(page)
        self._of_the_node(page)
        self._of_the_cluster(page)
        return Answer(200, page.text(), KIND)

    def _of_the_loop(self, page: Page) -> None:
        diary = self.following
        page.gauge("heartbeat_age_seconds", "Since the loop's last sign of life.", diary.beat_age_s)
        page.counter("ticks_total", "Ticks of the loop seen in its diary.", diary.ticks)
        page.counter("loop_starts_total", "Diaries that a loop began.", diary.starts)
        page.counter("tick_cost_seconds_total", "Spent in ticks.", diary.spent_s)
        page.gauge("tick_cost_worst_seconds", "The dearest tick so far.", diary.worst_tick_cost_s)
        page.family(
            "diary_events_total", "Sentences.", dict(diary.events), label="kind", kind="counter"
        )
        page.family(
            "loop_counts", "As the loop counts.", self.wishing.counts, label="of", kind="gauge"
        )
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        page.gauge("resident_memory_bytes", "Of the process that answers this.", pages * PAGE_BYTES)

    def _of_the_node(self, page: Page) -> None:
        diary = self.following
        stages = named(STAGES, (getattr(diary.stages, one) for one in STAGES))
        page.family(
            "stage", "0 calm to 4 evict, by resource.", stages, label="resource", kind="gauge"
        )
        if tick := diary.tick:
            page.gauge("level", "The worst signal over its limit.", tick.level)
            page.gauge("quota_cores", "What all batch together may use.", tick.quota_cores)
            used = named(
                ("online", "offline", "system"),
                (tick.online_used_cores, tick.offline_used_cores, tick.system_used_cores),
            )
            page.family("used_cores", "CPU used, by whom.", used, label="by", kind="gauge")
            page.gauge("latency_seconds", "The worst that a service told of.", tick.latency_s)
            page.gauge("memory_used_share", "Of the node.", tick.memory_used_share)
            page.gauge("io_full_share", "Online's stall on disks.", tick.io_full_share)
            page.gauge("frozen_share", "Of batch pods, now.", tick.frozen)
        lost = diary.lost
        page.counter("watched_seconds_total", "Time that ticks covered.", lost.watched_s)
        page.counter("online_stalled_seconds_total", "Online waited for CPUs.", lost.stalled_s)
        page.counter("online_requests_total", "Of services with a latency feed.", lost.requests)
        page.counter("online_slow_requests_total", "Beyond their SLO.", lost.slow_requests)

    def _of_the_cluster(self, page: Page) -> None:
        book, heard_s = self.keeping.book, self.heard_s()
        pods = book.pods if book is not None else ()
        classes = dict.fromkeys(("LSE", "LSR", "LS", "BE"), 0.0)
        for pod in pods:
            classes[pod.qos_class] += 1
        page.family("pods", "In the book, by class.", classes, label="qos", kind="gauge")
        page.gauge("off", "1: everything is put back.", float(book is not None and book.off))
        page.gauge("open", "1: new batch pods may come.", float(self.wishing.open))
        page.counter("books_total", "Books written.", self.keeping.written)
        if heard_s is not None:
            page.gauge("api_heard_age_seconds", "Of the API server.", self.now_s() - heard_s)
        outcomes = dict(self.evicting.outcomes)
        page.family(
            "evictions_total", "Wishes, by outcome.", outcomes, label="outcome", kind="counter"
        )
        page.family("probes_total", "Of latency.", self.probed(), label="outcome", kind="counter")
        page.counter("reports_total", "QosReports written.", self.reporting.written)
        page.counter("reports_failed_total", "Not taken.", self.reporting.failed)
        page.counter("events_left_out_total", "Too many to tell.", self.telling.left_out)
        page.counter("wishes_nonsense_total", "Datagrams that are none.", self.wishing.nonsense)


def _from(asked: Asked, name: str) -> int:
    """A number of the diary; the beginning where it is none."""
    text = asked.get(name, "0")[:18]
    return int(text) if text.isascii() and text.isdigit() else 0
