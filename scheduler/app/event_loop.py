"""The event loop of a process that answers calls while it plans.

A call waits for the interpreter's lock whenever planning holds it, for one turn of a thread: turns
are shorter than Python's, since a call is answered in less than one of those.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import uvloop

TURN_S: Final = 0.0005  # Python's own is 5 ms


def runner() -> asyncio.Runner:
    """Runs one coroutine; leave it to close the loop."""
    sys.setswitchinterval(TURN_S)
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
