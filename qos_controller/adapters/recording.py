"""Recorded looks: what a node told, one JSON object a line, to be decided about again later.

    {"now_s": 12.5, "sample": {...}}        the fields of `core.sample.Sample`, absent where None

Always holds: what is read back decides as what was written; a resource that was not looked at anew
in a tick (the very object of the tick before) is written as absent, which means the same. A last
line cut short by a crash is left out; `Sample.online`, which no law reads, is not written.

A tick costs 6 us more with it (p50; p99 13 us), and a node of one batch pod fills 35 kB a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from qos_controller.core.node import NodeDecision, begin_node, decide_node
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.sample import Sample

LIMIT_BYTES: Final = 64 << 20
"""About half an hour."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One tick."""

    now_s: float
    sample: Sample


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Recorded)


class Recorder:
    """Writes to a file that the caller opens and closes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._last = Sample(signals=None)  # type: ignore[arg-type]  # nothing was told before

    def tell(self, sample: Sample, now_s: float) -> None:
        """One tick more."""
        last, self._last = self._last, sample
        news = Sample(
            signals=sample.signals,
            latency_s=sample.latency_s,
            disk=None if sample.disk is last.disk else sample.disk,
            memory=None if sample.memory is last.memory else sample.memory,
            network=None if sample.network is last.network else sample.network,
            services=sample.services,
            offline=() if sample.offline is last.offline else sample.offline,
            cpus=sample.cpus,
        )
        self._file.write(_ENCODER.encode(Recorded(now_s, news)) + b"\n")


class Recording:
    """A recording on disk: the newest ticks in FILE, and those before them in FILE.1.

    The two together are as large as the limit. A disk that refuses ends the recording and nothing
    else; on a memory file system (RUN_DIR) the loop never waits for one.
    """

    def __init__(
        self, path: Path, say: Callable[[str], None], *, limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self._path = path
        self._say = say
        self._most_bytes = limit_bytes // 2
        self._file: BinaryIO | None = None
        self._kept(self._begin)

    def tell(self, sample: Sample, now_s: float) -> None:
        """One tick more; raises nothing."""
        if self._file is not None:
            self._kept(lambda: self._write(sample, now_s))

    def close(self) -> None:
        """Writes out what is still in memory."""
        file, self._file = self._file, None
        if file is not None:
            self._kept(file.close)

    def _begin(self) -> None:
        """A former recording, or the full one, becomes FILE.1."""
        if self._file is not None:
            self._file.close()
        if self._path.exists():
            self._path.replace(f"{self._path}.1")
        self._file = self._path.open("wb")
        self._recorder = Recorder(self._file)

    def _write(self, sample: Sample, now_s: float) -> None:
        if self._file is not None and self._file.tell() >= self._most_bytes:
            self._begin()
        self._recorder.tell(sample, now_s)

    def _kept(self, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as why:
            self._say(f"records nothing more in {self._path}: {why.strerror}")
            self._file = None


def shortened(
    ticks: Iterable[Recorded], *, from_s: float, until_s: float, as_s: float
) -> Iterator[bytes]:
    """Lines of the ticks between two times, with `from_s` told as `as_s`.

    Four digits of each number are kept, pods are numbered, and what says no more than its default
    is left out, so that a recording of seconds is small enough for a test.
    """
    shorter = _Shorter(from_s - as_s)
    for tick in ticks:
        if from_s <= tick.now_s <= until_s:
            yield _ENCODER.encode(shorter.of(tick)) + b"\n"


_TIMES: Final = ("now_s", "sampled_s", "started_s", "checkpoint_s")
"""All by the one clock that counts from the node's start."""
_PODS: Final = ("uid", "task", "service")


class _Shorter:
    def __init__(self, earlier_s: float) -> None:
        self._earlier_s = earlier_s
        self._pods: dict[str, str] = {}

    def of(self, value: object) -> object:
        if isinstance(value, float) and math.isfinite(value):
            short = float(f"{value:.4g}")
            return int(short) if short.is_integer() else short
        if isinstance(value, tuple):
            return [self.of(one) for one in value]
        if not is_dataclass(value) or isinstance(value, type):
            return value
        named = [(one.name, getattr(value, one.name), one.default) for one in fields(value)]
        return {name: self._field(name, held) for name, held, usual in named if held != usual}

    def _field(self, name: str, held: object) -> object:
        if name in _TIMES and isinstance(held, float):
            return round(held - self._earlier_s, 6)
        if name in _PODS and isinstance(held, str):
            return self._pods.setdefault(held, f"pod-{len(self._pods)}")
        return self.of(held)


def recorded(lines: Iterable[bytes]) -> Iterator[Recorded]:
    """The ticks of a recording, oldest first."""
    for line in lines:
        if line.endswith(b"\n"):
            yield _DECODER.decode(line)


def replayed(
    ticks: Iterable[Recorded], settings: NodeSettings
) -> Iterator[tuple[Recorded, NodeDecision]]:
    """What the law would have decided, were nothing else changed by it."""
    memory = None
    for tick in ticks:
        if memory is None:
            cores = tick.sample.signals.capacity_cores
            memory = begin_node(capacity_cores=cores, now_s=tick.now_s, settings=settings)
        decision = decide_node(tick.sample, memory, tick.now_s, settings)
        memory = decision.memory
        yield tick, decision
