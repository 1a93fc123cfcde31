"""Which seconds of an episode say nothing: the machine or the client made them slow.

Always holds: a rule looks at the machine and at sending alone, never at latency, so no second is
dropped for being slow; what is dropped is counted by its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bench.qos.usage import FIELDS

MOST_STOLEN = 0.02
"""Of the node's time, taken by the hypervisor."""
MOST_OTHERS_CORES = 0.25
"""CPU of processes that are not the bench's."""
LATE_MS = 2.0
MOST_LATE = 0.01
"""Of a second's requests, sent more than 2 ms after they were meant to be."""

Row = Sequence[float]
Request = Sequence[float | None]


def void_seconds(
    usage: Sequence[Row],
    requests: Sequence[Request],
    cores: int,
    *,
    most_others_cores: float = MOST_OTHERS_CORES,
) -> dict[int, str]:
    """Seconds from the step, rounded down, and the first reason found for each."""
    void: dict[int, str] = {}
    for second, reason in _machine(usage, cores, most_others_cores):
        void.setdefault(second, reason)
    for second, reason in _client(requests):
        void.setdefault(second, reason)
    return void


def _machine(usage: Sequence[Row], cores: int, most_others_cores: float) -> list[tuple[int, str]]:
    found = []
    ours, busy, steal = (FIELDS.index(name) for name in ("ours", "busy", "steal"))
    for second, (first, last) in _by_second(usage).items():
        seconds = last[0] - first[0]
        if seconds < 0.3:  # too short a piece for counters of 10 ms
            continue
        if (last[steal] - first[steal]) / (cores * seconds) > MOST_STOLEN:
            found.append((second, "steal"))
        elif (last[busy] - first[busy] - last[ours] + first[ours]) / seconds > most_others_cores:
            found.append((second, "others"))
    return found


def _by_second(usage: Sequence[Row]) -> dict[int, tuple[Row, Row]]:
    """First and last row of each second; the last is the next second's first where there is one."""
    pieces: dict[int, tuple[Row, Row]] = {}
    for row, following in pairwise(usage):
        second = int(row[0] // 1)
        pieces[second] = (pieces.get(second, (row, row))[0], following)
    return pieces


def _client(requests: Sequence[Request]) -> list[tuple[int, str]]:
    sent: dict[int, int] = {}
    late: dict[int, int] = {}
    for meant_s, _, late_ms in requests:
        assert meant_s is not None  # noqa: S101 -- it is when the request was meant to go
        second = int(meant_s // 1)
        sent[second] = sent.get(second, 0) + 1
        late[second] = late.get(second, 0) + (late_ms is None or late_ms > LATE_MS)
    # One late request alone proves nothing where a second has fewer than a hundred.
    return [(s, "client late") for s in sent if late[s] > max(MOST_LATE * sent[s], 1)]
