"""Asks a server until it has answered a whole window: smaller, slower, and not for ever.

What always holds: never more queries at once than the pace allows; after `most_tries` failures in a
row, or `most_requests` in all, it gives up with the last reason.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

from predictor.adapters.prometheus import AnswerFailed, PrometheusClient
from predictor.core.collect_answers import Answer, together
from predictor.core.collect_pace import (
    Failure,
    after_answer,
    backoff_s,
    beginning,
    halves_help,
    slower,
)
from predictor.core.collect_queries import (
    FACTS,
    Ask,
    Query,
    clusters_query,
    every_s,
    least_s,
    metrics_query,
    query,
)
from predictor.core.collect_settings import CollectSettings
from predictor.core.collect_windows import Window, halved, planned

Found = TypeVar("Found")
Wait = Callable[[float], object]

CLOCK: Final = Query("query", {"query": "vector(time())"})


class Asking:
    """Questions to one server by any number of threads, all at one pace."""

    def __init__(
        self, client: PrometheusClient, settings: CollectSettings, wait: Wait | None = None
    ) -> None:
        """`wait` is given seconds and returns after them, or as soon as `end` was called."""
        self._client, self._ended = client, threading.Event()
        self._wait = wait or self._ended.wait
        self.settings = settings
        self.pace = beginning(settings)
        self.requests = 0
        self._flying = 0
        self._changed = threading.Condition()

    def parts(self, ask: Ask, window: Window, series: Mapping[str, int] | int) -> list[Window]:
        """The window cut into what the pace allows to ask for at once."""
        return planned(
            window,
            series=series,
            most_cells=self.pace.cells,
            interval_s=(least := least_s(ask, window, self.settings)),
            every_s=least if ask in FACTS else every_s(ask, self.settings),
        )

    def window(self, ask: Ask, window: Window, series: Mapping[str, int] | int) -> Answer:
        """The whole answer about a window, in which each namespace, or all, has so many series.

        Raises:
            AnswerFailed: when it could not be had; the last reason.
            BadInput: when the server refuses.
        """
        s, todo = self.settings, self.parts(ask, window, series)[::-1]
        found: list[Answer] = []
        tries = requests = 0
        while todo:
            requests += 1
            try:
                found.append(self._once(self._client.ask, query(ask, todo[-1], s)))
                todo.pop()
                tries = 0
            except AnswerFailed as why:
                if requests >= s.most_requests:
                    raise
                halves = self._halves(ask, todo[-1], why.failure)
                if why.failure is not Failure.TOO_LARGE:
                    tries += 1
                    self._rest(why, tries)
                elif not halves:
                    raise
                todo[-1:] = halves or todo[-1:]
        return together(found)

    def now_s(self) -> int:
        """The server's own time: a clock that jumped here must not decide which hours are over.

        Raises:
            AnswerFailed: when it could not be had; the last reason.
            BadInput: when the server refuses.
        """
        return int(self._patiently(self._client.ask, CLOCK).values[-1])

    def alive(self) -> bool:
        """Whether the server answers anything at all."""
        try:
            self._once(self._client.ask, CLOCK)
        except AnswerFailed:
            return False
        return True

    def clusters(self, *, from_s: int, to_s: int) -> tuple[str, ...]:
        """The clusters that the cluster label names; raises as `now_s` does."""
        asked = clusters_query(self.settings, from_s=from_s, to_s=to_s)
        return tuple(self._patiently(self._client.names, asked))

    def metrics(self, window: Window) -> frozenset[str]:
        """Which metrics of the settings the server had in a window; raises as `now_s` does."""
        asked = metrics_query(self.settings, window)
        return frozenset(self._patiently(self._client.names, asked))

    def _patiently(self, how: Callable[[Query], Found], asked: Query) -> Found:
        """The answer to a small question that cannot be halved."""
        tries = 0
        while True:
            try:
                return self._once(how, asked)
            except AnswerFailed as why:
                tries += 1
                self._rest(why, tries)

    def end(self) -> None:
        """Nobody waits for another try any more: the command is being ended."""
        self._ended.set()

    def _halves(self, ask: Ask, window: Window, failure: Failure) -> list[Window]:
        """The later half first, since the last of a list is asked next; none where it is no use."""
        if not halves_help(failure):
            return []
        return list(halved(window, interval_s=least_s(ask, window, self.settings)))[::-1]

    def _rest(self, why: AnswerFailed, tries: int) -> None:
        """Waits before another try, or gives up."""
        if tries >= self.settings.most_tries or self._ended.is_set():
            raise why
        self._wait(backoff_s(tries, why.retry_after_s, self.settings))

    def _once(self, how: Callable[[Query], Found], asked: Query) -> Found:
        with self._turn():
            try:
                answer = how(asked)
            except AnswerFailed as why:
                with self._changed:
                    self.pace = slower(self.pace, why.failure)
                raise
        with self._changed:
            self.pace = after_answer(self.pace, self.settings)
        return answer

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One of the places in flight."""
        with self._changed:
            self._changed.wait_for(lambda: self._flying < self.pace.in_flight)
            self._flying += 1
            self.requests += 1
        try:
            yield
        finally:
            with self._changed:
                self._flying -= 1
                self._changed.notify_all()
