"""Which answer stands: a new recommendation, or the one given before.

Each change costs a restart or a resize, and most daily changes are noise. An answer given before,
or what is declared where none was given, stands while the new one lies within a dead band around
it; growth beyond the band acts at once, shrinking waits some days after the last change. What must
be (the lower bound) is never held under. Autopilot pays for changes in the same way (Rzadca et
al., EuroSys 2020, section 3.2.2: a cost for each changed limit), but by a weight; a band can be
said in a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from slacktide.messages import Recommendation

DAY_S = 86_400
MIB = 1 << 20
LONG_AGO_S: Final = -(2**62)  # when what is declared was decided, for all we know


@dataclass(frozen=True, slots=True)
class SteadySettings:
    """When an answer given before stands."""

    band_share: float = 0.10
    """Of the standing answer: smaller changes are noise; VPA's updater uses the same."""
    shrink_wait_s: int = 3 * DAY_S
    """Seconds after a change before a request shrinks: a quiet weekend is no new habit."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands for one container, and since when; None where nothing does."""

    cpu_cores: float | None
    cpu_since_s: int
    memory_bytes: int | None
    memory_since_s: int


def declared(advice: Recommendation) -> Standing:
    """What stands before anything was recommended."""
    cores, size = advice.cpu_request_cores, advice.memory_request_bytes
    return Standing(cores, LONG_AGO_S, size, LONG_AGO_S)


def standing(advice: Recommendation, before: Standing) -> Standing:
    """What stands after a steady recommendation; an unchanged number keeps its age."""
    cores, size = advice.recommended_cpu_request_cores, advice.recommended_memory_request_bytes
    return Standing(
        cores,
        before.cpu_since_s if cores == before.cpu_cores else advice.at_s,
        size,
        before.memory_since_s if size == before.memory_bytes else advice.at_s,
    )


def steady(
    advice: Recommendation, before: Standing, settings: SteadySettings = SteadySettings()
) -> Recommendation:
    """The recommendation with each number that stood before and still may, and why."""
    cores, size = advice.recommended_cpu_request_cores, advice.recommended_memory_request_bytes
    why = _why_held(
        cores,
        before.cpu_cores,
        least=advice.cpu_lower_cores,
        age_s=advice.at_s - before.cpu_since_s,
        settings=settings,
    )
    if why and before.cpu_cores is not None:
        advice = replace(
            advice,
            recommended_cpu_request_cores=before.cpu_cores,
            cpu_upper_cores=max(advice.cpu_upper_cores or 0.0, before.cpu_cores),
            reason=f"{advice.reason}; CPU stays at {before.cpu_cores:.3f} cores: {why}",
        )
    why = _why_held(
        size,
        before.memory_bytes,
        least=advice.memory_lower_bytes,
        age_s=advice.at_s - before.memory_since_s,
        settings=settings,
    )
    if why and before.memory_bytes is not None:
        advice = replace(
            advice,
            recommended_memory_request_bytes=before.memory_bytes,
            memory_upper_bytes=max(advice.memory_upper_bytes or 0, before.memory_bytes),
            reason=f"{advice.reason}; memory stays at {before.memory_bytes / MIB:.0f} MiB: {why}",
        )
    return advice


def _why_held(
    new: float | None,
    old: float | None,
    *,
    least: float | None,
    age_s: int,
    settings: SteadySettings,
) -> str:
    """Why the old number stands; empty where it does not, or is the new one."""
    if new is None or old is None or new == old or old < (least or 0.0):
        return ""
    if abs(new - old) <= settings.band_share * old:
        return f"the new number lies within {100 * settings.band_share:g} % of it"
    if new < old and age_s < settings.shrink_wait_s:
        waits = settings.shrink_wait_s / DAY_S
        return f"it is {age_s / DAY_S:.1f} days old, and shrinking waits {waits:g} days"
    return ""
