"""How hard a server is asked: smaller and fewer queries when it suffers, more when it is well.

What a failure means is decided here once: ask again later, ask for less, or stop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from predictor.core.collect_settings import CollectSettings

FEWEST_CELLS: Final = 12  # one container's hour of intervals
GOOD_BEFORE_MORE: Final = 20  # answers in a row before the pace grows


class Failure(Enum):
    """What to do about an answer that is none."""

    TOO_LARGE = "more than one answer may hold"
    OVERLOADED = "the server did not manage in time"
    BUSY = "the server asks for fewer queries"
    BROKEN = "the answer did not arrive whole"
    REFUSED = "the server refuses"


@dataclass(frozen=True, slots=True)
class Pace:
    """What may be asked next."""

    cells: int  # series x points of one query
    in_flight: int  # queries at once
    good: int = 0  # answers in a row


def failure_of(status: int) -> Failure:
    """What an HTTP status means.

    422 is Prometheus' word for too many samples, 413 a gateway's for a large answer; 503 is
    Prometheus' own timeout and 504 a gateway's.
    """
    if status in {413, 422}:
        return Failure.TOO_LARGE
    if status in {503, 504}:
        return Failure.OVERLOADED
    if status == 429:
        return Failure.BUSY
    return Failure.BROKEN if status >= 500 or status == 408 else Failure.REFUSED


def beginning(settings: CollectSettings) -> Pace:
    """The pace of a server that nothing is known of."""
    return Pace(settings.most_cells, settings.most_in_flight)


def slower(pace: Pace, failure: Failure) -> Pace:
    """After a failure: half as much in one query, half as many at once, or both."""
    cells, in_flight = max(pace.cells // 2, FEWEST_CELLS), max(pace.in_flight // 2, 1)
    if failure is Failure.TOO_LARGE:
        return Pace(cells, pace.in_flight)
    if failure is Failure.OVERLOADED:
        return Pace(cells, in_flight)
    return Pace(pace.cells, in_flight if failure is Failure.BUSY else pace.in_flight)


def after_answer(pace: Pace, settings: CollectSettings) -> Pace:
    """After an answer: twice as much once enough came in a row, up to the settings."""
    if pace.good + 1 < GOOD_BEFORE_MORE:
        return replace(pace, good=pace.good + 1)
    return Pace(
        min(pace.cells * 2, settings.most_cells), min(pace.in_flight * 2, settings.most_in_flight)
    )


def halves_help(failure: Failure) -> bool:
    """Whether asking for less may succeed where this failed."""
    return failure in {Failure.TOO_LARGE, Failure.OVERLOADED}


def backoff_s(tries: int, asked_s: float | None, settings: CollectSettings) -> float:
    """Seconds to wait after the given number of tries (1, 2, ...), or what the server asks for."""
    doubled = settings.first_backoff_s * 2.0 ** (tries - 1)
    return min(max(doubled, asked_s or 0.0), settings.longest_backoff_s)
