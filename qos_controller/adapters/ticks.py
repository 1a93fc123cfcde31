"""The fast loop's diary in shared memory: a ring of ticks and a ring of sentences, read by anyone.

    HEADER | TICKS x Tick | EVENTS x Event        in RUN_DIR/ticks, mapped by each reader

The loop writes; the watchdog reads the heartbeat, and `top node`, the metrics, the dashboard and
the bench read the rest. Always holds: one writer; a record is complete before the header counts
it; a reader that is slower than a whole ring misses records and nothing else.
Monotonic times are of CLOCK_MONOTONIC, so every process of the node can compare them.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

MAGIC: Final = b"sltk0001"
TICKS: Final = 8_192
"""At 25 ms a tick: 200 s."""
EVENTS: Final = 512
TEXT_BYTES: Final = 392

# magic, heartbeat_s (monotonic), started_s (Unix), pid, ticks written, events written
_HEADER: Final = struct.Struct("<8sddqQQ")
_COUNTS: Final = struct.Struct("<QQ")
_BEAT: Final = struct.Struct("<d")
_BEAT_AT: Final = 8
_COUNTS_AT: Final = 32
_TICK: Final = struct.Struct("<dd4B4x15f")
_EVENT: Final = struct.Struct(f"<dd16s36sH{TEXT_BYTES}s")
_FIRST_TICK: Final = 4_096
_FIRST_EVENT: Final = _FIRST_TICK + TICKS * _TICK.size
SIZE: Final = _FIRST_EVENT + EVENTS * _EVENT.size


@dataclass(slots=True, kw_only=True)
class Tick:
    """One tick as people and machines look at it later. NaN: not known, or no limit."""

    monotonic_s: float
    unix_s: float
    cpu_stage: int
    disk_stage: int
    memory_stage: int
    network_stage: int
    level: float
    quota_cores: float
    online_used_cores: float
    offline_used_cores: float
    system_used_cores: float
    online_full_share: float
    requests_per_s: float
    slow_share: float
    latency_s: float
    io_full_share: float
    disk_write_limit_bytes_per_s: float
    memory_used_share: float
    egress_limit_bytes_per_s: float
    frozen: float
    """Share of offline pods that are frozen now, 0..1."""
    tick_cost_s: float
    """What sensing, deciding and writing took."""


_values = attrgetter(*Tick.__slots__)
_TIMES: Final = struct.Struct("<dd")
_COST: Final = struct.Struct("<f")
_COST_AT: Final = _TICK.size - _COST.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One sentence: a stage changed, somebody was evicted, a signal was lost."""

    monotonic_s: float
    unix_s: float
    kind: str
    """cpu, disk, memory, network, eviction, signal, drift, agent."""
    pod: str
    text: str


class TickWriter:
    """The loop's side. Close it when done; a second writer must not exist."""

    def __init__(self, path: Path, *, unix_s: float) -> None:
        """Makes the file anew; readers of an older one keep seeing that."""
        fresh = path.with_name(path.name + ".new")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.ftruncate(fd, SIZE)
            self._map = mmap.mmap(fd, SIZE)
        finally:
            os.close(fd)
        self._ticks = self._events = 0
        self._last = bytearray(_TICK.size)
        _HEADER.pack_into(self._map, 0, MAGIC, 0.0, unix_s, os.getpid(), 0, 0)
        fresh.replace(path)

    def beat(self, monotonic_s: float) -> None:
        """Says that the loop is alive."""
        _BEAT.pack_into(self._map, _BEAT_AT, monotonic_s)

    def tick(self, tick: Tick) -> None:
        """Adds one tick, and a heartbeat with it."""
        _TICK.pack_into(self._last, 0, *_values(tick))
        self._add(tick.monotonic_s)

    def again(self, monotonic_s: float, unix_s: float, tick_cost_s: float) -> None:
        """Adds a tick in which all is as in the one before it, at a third of the cost."""
        _TIMES.pack_into(self._last, 0, monotonic_s, unix_s)
        _COST.pack_into(self._last, _COST_AT, tick_cost_s)
        self._add(monotonic_s)

    def event(self, event: Event) -> None:
        """Adds one sentence, cut to the record's length."""
        text = event.text.encode()[:TEXT_BYTES]
        at = _FIRST_EVENT + self._events % EVENTS * _EVENT.size
        _EVENT.pack_into(
            self._map,
            at,
            event.monotonic_s,
            event.unix_s,
            event.kind.encode()[:16],
            event.pod.encode()[:36],
            len(text),
            text,
        )
        self._events += 1
        self._counted()

    def close(self) -> None:
        """Lets go of the file; it stays for readers."""
        self._map.close()

    def _add(self, monotonic_s: float) -> None:
        at = _FIRST_TICK + self._ticks % TICKS * _TICK.size
        self._map[at : at + _TICK.size] = self._last
        self._ticks += 1
        self._counted()
        self.beat(monotonic_s)

    def _counted(self) -> None:
        _COUNTS.pack_into(self._map, _COUNTS_AT, self._ticks, self._events)


class TickReader:
    """Anybody's side."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where there is no diary, ValueError where it is not one."""
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(self._map) < SIZE or self._map[:8] != MAGIC:
            self._map.close()
            raise ValueError(f"{path} is not an agent's diary of this version")

    @property
    def heartbeat_s(self) -> float:
        """CLOCK_MONOTONIC of the loop's last sign of life."""
        beat: float = _BEAT.unpack_from(self._map, _BEAT_AT)[0]
        return beat

    @property
    def started_s(self) -> float:
        """Unix time when the loop began."""
        began: float = _HEADER.unpack_from(self._map, 0)[2]
        return began

    @property
    def pid(self) -> int:
        """The loop's process."""
        pid: int = _HEADER.unpack_from(self._map, 0)[3]
        return pid

    @property
    def counts(self) -> tuple[int, int]:
        """Ticks and events written since the loop began."""
        ticks, events = _COUNTS.unpack_from(self._map, _COUNTS_AT)
        return ticks, events

    def ticks(self, after: int = 0) -> list[Tick]:
        """Those still in the ring whose number (from 0) is at least `after`, oldest first."""
        written = self.counts[0]
        # The oldest record may be overwritten while it is read, so it is left out.
        return [self._tick(n) for n in range(max(after, written - TICKS + 1), written)]

    def events(self, after: int = 0) -> list[Event]:
        """As `ticks`, for the sentences."""
        written = self.counts[1]
        return [self._event(n) for n in range(max(after, written - EVENTS + 1), written)]

    def close(self) -> None:
        """Lets go of the file."""
        self._map.close()

    def _tick(self, number: int) -> Tick:
        values = _TICK.unpack_from(self._map, _FIRST_TICK + number % TICKS * _TICK.size)
        return Tick(**dict(zip(Tick.__slots__, values, strict=True)))

    def _event(self, number: int) -> Event:
        at = _FIRST_EVENT + number % EVENTS * _EVENT.size
        monotonic_s, unix_s, kind, pod, length, text = _EVENT.unpack_from(self._map, at)
        return Event(
            monotonic_s=monotonic_s,
            unix_s=unix_s,
            kind=kind.rstrip(b"\0").decode(),
            pod=pod.rstrip(b"\0").decode(),
            text=text[:length].decode(errors="replace"),
        )
