"""Clients wait too long: for which resource? The one whose own pressure rose with it.

Always holds: a resource that batch does not use is never the culprit; where no pressure rose, the
CPU is suspected (caches and siblings show nowhere), but nothing is proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CPU: Final = "cpu"
DISK: Final = "disk"
MEMORY: Final = "memory"
NETWORK: Final = "network"


@dataclass(frozen=True, slots=True)
class Suspect:
    """One resource at the time of the alarm."""

    resource: str
    level: float
    """Its own pressure over its limit."""
    batch_uses_it: bool


@dataclass(frozen=True, slots=True)
class Culprit:
    """Where an alarm is laid."""

    resource: str = ""
    proven: bool = False
    """Its own pressure speaks against it, too."""


NOBODY: Final = Culprit()


def culprit_of(suspects: tuple[Suspect, ...], *, evident_level: float) -> Culprit:
    """The used resource with the highest level; unproven, the first used one, if any."""
    used = [suspect for suspect in suspects if suspect.batch_uses_it]
    if not used:
        return NOBODY
    loudest = max(used, key=lambda suspect: suspect.level)
    if loudest.level >= evident_level:
        return Culprit(loudest.resource, proven=True)
    return Culprit(used[0].resource)
