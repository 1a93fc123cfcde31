"""Recorded looks: what a node told, one JSON object a line, to be decided about again later.

    {"now_s": 12.5, "sample": {...}}        the fields of `core.sample.Sample`, absent where None

Always holds: what is read back decides as what was written; a resource that was not looked at anew
in a tick (the very object of the tick before) is written as absent, which means the same. A last
line cut short by a crash is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from qos_controller.core.node import NodeDecision, begin_node, decide_node
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.sample import Sample


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
