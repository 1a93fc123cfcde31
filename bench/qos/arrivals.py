"""When requests are meant to be sent: fixed before the first one goes, whatever the answers do.

An open loop (Schroeder et al., NSDI 2006): a slow server does not slow its callers down, so the
wait that they see is counted. Always holds: times rise, and lie within their phases.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time with one rate of requests."""

    begin_s: float
    end_s: float
    rate_per_s: float


def poisson(phases: Sequence[Phase], seed: int) -> list[float]:
    """Arrival times of a Poisson process, phase after phase."""
    source = random.Random(seed)  # noqa: S311 -- a load, not a secret
    times: list[float] = []
    for phase in phases:
        at_s = phase.begin_s
        while phase.rate_per_s > 0:
            at_s += source.expovariate(phase.rate_per_s)
            if at_s >= phase.end_s:
                break
            times.append(at_s)
    return times
