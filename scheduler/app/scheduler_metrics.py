"""What the scheduler tells of itself to Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

SECONDS: Final = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class SchedulerMetrics:
    """One process' counters, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._rounds = Histogram(
            "slacktide_scheduler_round_seconds",
            "How long a planning round took",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._placed = Counter(
            "slacktide_scheduler_gangs_placed",
            "Gangs that got a place, topped-up ones included",
            registry=self._registry,
        )
        self._asking = self._gauge("gangs_asking", "Gangs that asked in the last round")
        self._tasks = self._gauge("tasks", "Batch tasks that there are")
        self._assumed = self._gauge("tasks_assumed", "Decided and not read back yet")
        self._withdrawn = self._gauge("gangs_withdrawn", "Taken back since the process began")
        self._evicted = self._gauge("tasks_evicted", "Evicted since the process began")
        self._written = Gauge(
            "slacktide_scheduler_writes",
            "Sent since the process began, by kind",
            ["kind"],
            registry=self._registry,
        )

        self._forecasts = Gauge(
            "slacktide_scheduler_forecasts",
            "Nodes' forecasts, by how far they aged: fresh, stale, decaying, closed",
            ["rung"],
            registry=self._registry,
        )

    def round(
        self,
        *,
        asked: int,
        placed: int,
        tasks: int,
        assumed: int,
        withdrawn: int,
        evicted: int,
        written: Mapping[str, int],
        took_s: float,
    ) -> None:
        """After one."""
        self._rounds.observe(took_s)
        self._placed.inc(placed)
        self._asking.set(asked)
        self._tasks.set(tasks)
        self._assumed.set(assumed)
        self._withdrawn.set(withdrawn)
        self._evicted.set(evicted)
        for kind, count in written.items():
            self._written.labels(kind).set(count)

    def forecasts(self, by_rung: Mapping[str, int]) -> None:
        """How old nodes' forecasts are."""
        for rung, count in by_rung.items():
            self._forecasts.labels(rung).set(count)

    def page(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, said: str) -> Gauge:
        return Gauge(f"slacktide_scheduler_{name}", said, registry=self._registry)
