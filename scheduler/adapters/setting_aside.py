"""Room and quota that are kept for a gang while those who make way for it are leaving.

Always holds: what is set aside is seen by nobody but the gang it is for, and only while its round's
columns are made; the board's own books are the same before and after. No GPUs are: a gang that asks
for any makes no claim (`core/evict`, `core/defragment`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from scheduler.adapters.board import Board


class Hold(NamedTuple):
    """So much of one node, for a gang of that queue."""

    node: str
    queue: str
    cpu_milli: int
    memory_bytes: int


@contextmanager
def set_aside(board: Board, holds: Iterable[Hold]) -> Iterator[None]:
    """While it lasts, the board counts them as taken."""
    kept = [hold for hold in holds if hold.node in board.nodes]
    for hold in kept:
        _take(board, hold, 1)
    try:
        yield
    finally:
        for hold in kept:
            _take(board, hold, -1)


def _take(board: Board, hold: Hold, sign: int) -> None:
    amounts = (sign * hold.cpu_milli, sign * hold.memory_bytes)
    board.nodes.hold(hold.node, cpu_milli=amounts[0], memory_bytes=amounts[1])
    used = board.used.setdefault(hold.queue, [0, 0])
    used[0] += amounts[0]
    used[1] += amounts[1]
