"""Node agents' diaries, each from the address or the folder that was named when we started.

Always holds: nobody but the configured place is asked, no redirect is followed, an answer has at
most `MOST_BYTES` and comes within `DEADLINE_S` or is none; what was read is kept, so each look asks
only for what is new; an agent that began anew is read from its beginning.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from qos_controller.adapters.ticks import EVENTS, TICKS, Event, Tick, TickReader
from slacktide.errors import BadInput

MOST_BYTES: Final = 4 << 20
DEADLINE_S: Final = 3.0
FULL_ANSWER: Final = 1_000  # an agent gives 2,000 ticks an answer, and keeps 8,192
MOST_TURNS: Final = 6
_TICK_DEFAULT: Final = dict.fromkeys(Tick.__slots__, math.nan)
_STAGES: Final = frozenset({"cpu_stage", "disk_stage", "memory_stage", "network_stage"})


@dataclass(frozen=True, slots=True)
class Part:
    """What is new since a number of ticks and of events."""

    node: str
    started_s: float
    heartbeat_age_s: float | None
    ticks: list[Tick]
    next_tick: int
    events: list[Event]
    next_event: int


class Place(Protocol):
    """Where a diary is read."""

    where: str

    def read(self, after: int, events_after: int) -> Part:
        """Raises OSError or ValueError, with a sentence, where it cannot be read."""


class AgentDiary:
    """One agent's diary as far as it is known here; any thread may look."""

    def __init__(self, place: Place) -> None:
        self.where = place.where
        self._place = place
        self._lock = threading.Lock()
        self._begin()

    def look(self) -> str:
        """Reads what is new; a sentence where that failed, else nothing."""
        with self._lock:
            try:
                for _ in range(MOST_TURNS):
                    if not self._read_on():
                        break
            except (OSError, ValueError, httpx.HTTPError) as error:
                return f"{self.where} cannot be read: {error or type(error).__name__}"
        return ""

    def known(self) -> tuple[Part | None, list[Tick], list[Event]]:
        """The newest part, and all ticks and events that are kept."""
        with self._lock:
            return self._last, list(self._ticks), list(self._events)

    def _begin(self) -> None:
        self._last: Part | None = None
        self._ticks: deque[Tick] = deque(maxlen=TICKS)
        self._events: deque[Event] = deque(maxlen=EVENTS)

    def _read_on(self) -> bool:
        """One answer; True where more may be waiting."""
        last = self._last
        part = self._place.read(last.next_tick if last else 0, last.next_event if last else 0)
        if last is not None and part.started_s != last.started_s:
            self._begin()
            return True
        self._last = part
        self._ticks.extend(part.ticks)
        self._events.extend(part.events)
        return len(part.ticks) >= FULL_ANSWER


class RunDir:
    """The diary of an agent on this node."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    def read(self, after: int, events_after: int) -> Part:
        """Opened anew for each look: an agent that starts again makes a new one."""
        with closing(TickReader(self._folder / "ticks")) as reader:
            ticks, events = reader.counts
            beat = reader.heartbeat_s
            return Part(
                node=_node_of(self._folder),
                started_s=reader.started_s,
                heartbeat_age_s=time.monotonic() - beat if beat else None,
                ticks=reader.ticks(after),
                next_tick=ticks,
                events=reader.events(events_after),
                next_event=events,
            )


class Remote:
    """The diary of an agent by its own HTTP port."""

    def __init__(self, url: str) -> None:
        self.where = url.rstrip("/")
        self._client = httpx.Client(timeout=DEADLINE_S, trust_env=False, follow_redirects=False)

    def read(self, after: int, events_after: int) -> Part:
        """One GET of /ticks."""
        asked = {"after": after, "events_after": events_after}
        body = bytearray()
        ends_s = time.monotonic() + DEADLINE_S
        with self._client.stream("GET", f"{self.where}/ticks", params=asked) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES or time.monotonic() > ends_s:
                    raise ValueError("its answer is too large or too slow")
        if response.status_code != httpx.codes.OK:
            raise ValueError(f"it answers {response.status_code}")
        return part_of(bytes(body))


def part_of(body: bytes) -> Part:
    """An agent's answer. Raises ValueError where it is none."""
    try:
        told = json.loads(body)
        return Part(
            node=str(told["node"]),
            started_s=float(told["started_s"]),
            heartbeat_age_s=None if (age := told.get("heartbeat_age_s")) is None else float(age),
            ticks=[_tick(row) for row in _rows(told["ticks"])],
            next_tick=int(told["ticks"]["next"]),
            events=[_event(row) for row in _rows(told["events"])],
            next_event=int(told["events"]["next"]),
        )
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"its answer is no diary ({type(error).__name__}: {error})") from error


def places(wheres: Iterable[str]) -> list[AgentDiary]:
    """Of each URL or folder. Raises `BadInput` where one is neither."""
    return [AgentDiary(_place(where)) for where in wheres]


def _place(where: str) -> Place:
    if where.startswith(("http://", "https://")):
        return Remote(where)
    if "://" in where or not Path(where).is_dir():
        raise BadInput(
            f"--agent {where}: neither an http(s) address of an agent nor its run directory "
            "(/run/slacktide on a node)"
        )
    return RunDir(Path(where))


def _node_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "pods.json").read_bytes())["node"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    names = table["columns"]
    return [dict(zip(names, row, strict=True)) for row in table["rows"]]


def _tick(row: dict[str, Any]) -> Tick:
    """Columns of a newer agent are left out, those that an older one lacks are unknown."""
    known = {name: row.get(name) for name in Tick.__slots__}
    numbers = {name: math.nan if value is None else float(value) for name, value in known.items()}
    stages = {name: int(numbers[name]) if numbers[name] >= 0 else 0 for name in _STAGES}
    return Tick(**(_TICK_DEFAULT | numbers | stages))  # type: ignore[arg-type]  # stages are whole


def _event(row: dict[str, Any]) -> Event:
    return Event(
        monotonic_s=float(row["monotonic_s"]),
        unix_s=float(row["unix_s"]),
        kind=str(row["kind"])[:16],
        pod=str(row["pod"])[:64],
        text=str(row["text"])[:400],
    )
