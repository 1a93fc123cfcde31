"""What would make the next answer another one: for a person who wonders whether to wait.

Each sentence stands on a number of the finding, so it says when, and not only what.
"""

from __future__ import annotations

from collections.abc import Iterator

from predictor.core.mindful import DEFAULTS, MindfulSettings
from predictor.core.ranking import Finding
from predictor.core.recommend import MIB


def would_change(found: Finding, settings: MindfulSettings = DEFAULTS) -> Iterator[str]:
    """One sentence for each thing that would change the request, the likeliest first."""
    advice = found.advice
    if advice.recommended_cpu_request_cores is None and found.memory_request.recommended is None:
        yield "more history: " + advice.reason.split("; ")[0]
        return
    yield from _use(found)
    yield from _circumstances(found, settings)
    if advice.confidence < 0.5:
        yield "more history: each day seen may show a peak that was not seen yet"


def _use(found: Finding) -> Iterator[str]:
    """Use above what is recommended."""
    advice, cores = found.advice, found.cpu_request.recommended
    if cores is not None and advice.cpu_upper_cores is not None:
        yield (
            f"CPU: longer use above {cores:.3f} cores raises it; short peaks, up to"
            f" {advice.cpu_upper_cores:.3f} so far, borrow from the node"
        )
    size = found.memory_request.recommended
    if size is not None:
        yield f"memory: a peak close to {size / MIB:.0f} MiB, or a kill, raises it"


def _circumstances(found: Finding, settings: MindfulSettings) -> Iterator[str]:
    known = found.known
    if (known.hpa_cpu_target_share or known.hpa_memory_target_share) and not settings.allow_hpa:
        yield "autoscaler: with --allow-hpa, or without the autoscaler, the law's number stands"
    if (known.cpu_throttled_share or 0.0) >= settings.least_throttled_share:
        yield "throttling: without the CPU limit the real demand is measured, not estimated"
    if known.oom_kills:
        days = settings.oom_half_life_s // 86_400
        yield f"OOM kills: another raises it, each {days} days without one halve what they added"
    if known.jvm_heap_bytes:
        yield "JVM: another -Xmx moves the request with it"
    if known.weekday_hours is not None and min(known.weekday_hours) == 0:
        yield "weekdays: some were not seen yet, and may need more"
