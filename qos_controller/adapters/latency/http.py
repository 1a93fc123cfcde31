"""A service's latency seen by asking it: one GET at a time, with a deadline.

For services that tell nothing of themselves. A probe a second sees one request in a thousand, so it
is a thermometer and no alarm bell: an SLO that is broken for a second may pass between two probes.
Always holds: one question in flight a service; a deadline passed is told as a request of that
length, since somebody did wait; a refused connection or an error answer tells nothing, since
a service that fails fast is not slow. Runs beside Kubernetes' half of the agent, never in the fast
loop. Cost: 1.5 ms of CPU a probe there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from qos_controller.adapters.latency.web import Failed, get

Tell = Callable[[bytes], None]


async def probe(
    url: str,
    uid: str,
    tell: Tell,
    *,
    interval_s: float = 1.0,
    deadline_s: float = 1.0,
    counts: Counter[str] | None = None,
) -> None:
    """Asks for ever, until cancelled.

    Args:
        url: With the pod's address.
        uid: Whose latency it is.
        tell: Sends one datagram's text to the fast loop.
        interval_s: From one question to the next.
        deadline_s: How long an answer is waited for; above the SLO's bound, or all look fast.
        counts: Probes by outcome: answered, late, failed.
    """
    clock = asyncio.get_running_loop().time
    counts = Counter() if counts is None else counts
    while True:
        began_s = clock()
        took_s = await _ask(url, deadline_s, counts)
        if took_s is not None:
            tell(f"slacktide {uid} {took_s * 1e3:.3f}".encode())
        await asyncio.sleep(max(0.01, interval_s - (clock() - began_s)))


async def _ask(url: str, deadline_s: float, counts: Counter[str]) -> float | None:
    clock = asyncio.get_running_loop().time
    began_s = clock()
    try:
        answer = await get(url, deadline_s=deadline_s)
    except TimeoutError:
        counts["late"] += 1
        return deadline_s
    except Failed:
        counts["failed"] += 1
        return None
    if answer.status >= 400:
        counts["failed"] += 1
        return None
    counts["answered"] += 1
    return clock() - began_s
