"""Long work in an event loop, done in turns with the rest of it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

TURN_S: Final = 0.002  # as long as an answer may be kept waiting


class Turns:
    """One long work; call `next` after each small part of it."""

    def __init__(self) -> None:
        self._until_s = time.perf_counter() + TURN_S

    async def next(self) -> None:
        """Lets the others go on, once this turn has been long enough."""
        if time.perf_counter() >= self._until_s:
            await asyncio.sleep(0)
            self._until_s = time.perf_counter() + TURN_S
