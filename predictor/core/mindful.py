"""A recommendation minded by what its container lives with, each change in a clause of its own.

Use alone misleads: an autoscaler divides by the request, a heap grows to its limit, a throttled
container would use more, a killed one needed more, a start is not the work. One small function
for each circumstance takes a recommendation and gives one back, changed where it must be, with its
clause added to the reason. Always holds: where nothing is known nothing changes, what has no number
gets one from a kill alone, lower <= request <= upper, and request <= limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from predictor.core.circumstances import DAY_S, Circumstances
from predictor.core.confidence import covered
from predictor.core.recommend import MIB
from predictor.core.whole_steps import whole_bytes, whole_cores
from slacktide.messages import Recommendation

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SIDECARS: Final = frozenset(
    {"istio-proxy", "linkerd-proxy", "envoy", "envoy-sidecar", "consul-dataplane", "daprd"}
    | {"cloud-sql-proxy", "cloudsql-proxy", "vault-agent", "kuma-sidecar"}
)


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that a container is given; None where the default stands."""

    cpu_cores: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class MindfulSettings:
    """How circumstances change a number."""

    allow_hpa: bool = False
    """Size what an autoscaler scales too; by default its request is held."""
    least_throttled_share: float = 0.05
    """Of the scheduler periods: from here on use is taken to hide demand."""
    oom_factor: float = 1.2
    """Times the limit at a kill, as VPA and KRR have it."""
    oom_extra_bytes: int = 100 * MIB
    """Above the limit at a kill at least, as VPA has it: a fifth of a small limit is nothing."""
    oom_half_life_s: int = 7 * DAY_S
    """In which half of what a kill added is given back: a week without one is some evidence."""
    heap_overhead_share: float = 0.10
    """Of the heap, what a JVM needs beside it at least: metaspace, code, stacks, buffers."""
    heap_overhead_bytes: int = 128 * MIB
    """The same in bytes: a small heap has the same classes and threads."""
    idle_heap_share: float = 0.5
    """Of the heap: a process that never held more than this has too large an -Xmx."""
    working_hours: float = 12.0
    """Hours seen on working days before a weekend's quiet may shrink anything."""
    weekend: frozenset[int] = frozenset({5, 6})
    """Days off, Monday is 0, in UTC."""
    sidecars: frozenset[str] = SIDECARS
    """Containers that serve the others of their pod."""
    sidecar: Floor = Floor(0.01, 64.0 * MIB)
    """Their floor: a proxy grows with the mesh's endpoints, which its own two weeks do not show."""
    floors: Mapping[str, Floor] = field(default_factory=dict)
    """By container's name, before every other floor."""
    limit_ratio: float = 1.0
    """Memory limit over request; 1 keeps a pod from being killed for what it was promised."""


DEFAULTS: Final = MindfulSettings()

Step = Callable[[Recommendation, Circumstances, MindfulSettings], Recommendation]


def mindful(
    advice: Recommendation, known: Circumstances, settings: MindfulSettings = DEFAULTS
) -> Recommendation:
    """The recommendation after every circumstance, in an order in which the stronger comes last.

    What was measured (starts, throttling, kills, heaps) changes the need; floors, days not seen
    and autoscalers then bound the change; the largest node bounds everything.
    """
    for step in STEPS:
        advice = step(advice, known, settings)
    return advice


def start_borrows(
    advice: Recommendation, known: Circumstances, _: MindfulSettings
) -> Recommendation:
    """A CPU peak of the first minutes alone does not set the request; a memory peak does."""
    cores, start, settled = (
        advice.recommended_cpu_request_cores,
        known.cpu_start_cores,
        known.cpu_settled_cores,
    )
    if cores is not None and start is not None and settled is not None and cores > settled:
        kept = max(whole_cores(settled), advice.cpu_lower_cores or 0.0)
        clause = (
            f"CPU start-up: {start:.3f} cores in a pod's first minutes and never above"
            f" {settled:.3f} after them, so the start borrows and does not set the request"
        )
        advice = _cpu(advice, kept, clause, upper=kept) if kept < cores else advice
    first, later = known.memory_start_bytes, known.memory_settled_bytes
    if first is not None and later is not None and first > later and _sized(advice):
        clause = (
            f"memory start-up: the peak {_mib(first)} came in a pod's first minutes"
            f" ({_mib(later)} after them) and counts, since memory cannot be borrowed"
        )
        size = max(advice.recommended_memory_request_bytes or 0, whole_bytes(first))
        advice = _memory(advice, size, clause)
    return advice


def throttled(
    advice: Recommendation, known: Circumstances, settings: MindfulSettings
) -> Recommendation:
    """Use under a limit hides demand: use / (1 - throttled share), of the samples' p95."""
    cores, share, demand = (
        advice.recommended_cpu_request_cores,
        known.cpu_throttled_share,
        known.cpu_demand_cores,
    )
    if cores is None or share is None or demand is None or share < settings.least_throttled_share:
        return advice
    limit = known.cpu_limit_cores
    under = "a CPU limit" if limit is None else f"a CPU limit of {limit:g} cores"
    clause = (
        f"CPU throttled in {100 * share:.0f} % of the periods under {under}, so use hides demand:"
        f" p95 of use / (1 - throttled) is {demand:.3f} cores; remove the limit"
    )
    return _cpu(advice, max(cores, whole_cores(demand)), clause)


def oom_killed(
    advice: Recommendation, known: Circumstances, settings: MindfulSettings
) -> Recommendation:
    """After a kill the larger of 1.2 times and 100 MiB above the limit it met, less with time.

    What that adds to the law's number halves with each half-life. Source of the step: VPA's
    `OOMBumpUpRatio` and `OOMMinBumpUp`.
    """
    if not known.oom_kills or known.oom_bytes is None or known.oom_last_s is None:
        return advice
    limit, age_s = known.oom_bytes, max(advice.at_s - known.oom_last_s, 0.0)
    bumped = max(settings.oom_factor * limit, limit + settings.oom_extra_bytes)
    size = advice.recommended_memory_request_bytes
    law = bumped if size is None else float(size)
    need = law + max(bumped - law, 0.0) * 0.5 ** (age_s / settings.oom_half_life_s)
    times = "once" if known.oom_kills == 1 else f"{known.oom_kills:.0f} times"
    clause = (
        f"memory: OOM-killed {times}, last {age_s / DAY_S:.1f} days ago at {_mib(limit)}:"
        f" {_mib(bumped)} then ({settings.oom_factor:g} x or"
        f" +{settings.oom_extra_bytes / MIB:.0f} MiB), of which what is above the law halves"
        f" in {settings.oom_half_life_s / DAY_S:g} days"
    )
    return _memory(advice, whole_bytes(max(law, need)), clause)


def java_heap(
    advice: Recommendation, known: Circumstances, settings: MindfulSettings
) -> Recommendation:
    """A JVM grows to its -Xmx sooner or later: the heap and what was measured beside it."""
    heap, held = known.jvm_heap_bytes, known.memory_highest_bytes
    if not heap or held is None or not _sized(advice):
        return advice
    least = max(settings.heap_overhead_share * heap, float(settings.heap_overhead_bytes))
    beside = max(held - heap, least)
    clause = (
        f"memory: a JVM with -Xmx {_mib(heap)} grows to it, so at least heap + {_mib(beside)}"
        " beside it"
    )
    if held < settings.idle_heap_share * heap:
        clause += (
            f"; memory: the heap itself is what is oversized, the process never held more than"
            f" {_mib(held)}: lower -Xmx first, and the request follows"
        )
    wanted = max(advice.recommended_memory_request_bytes or 0, whole_bytes(heap + beside))
    return _memory(advice, wanted, clause)


def floored(
    advice: Recommendation, known: Circumstances, settings: MindfulSettings
) -> Recommendation:
    """A sidecar's floor, and the one asked for by the container's name."""
    sidecar = advice.container in settings.sidecars and known.cluster is not None
    named = settings.floors.get(advice.container, Floor())
    default = settings.sidecar if sidecar else Floor()
    cores = default.cpu_cores if named.cpu_cores is None else named.cpu_cores
    size = default.memory_bytes if named.memory_bytes is None else named.memory_bytes
    whose = "sidecar" if sidecar else "container"
    law, law_bytes = advice.recommended_cpu_request_cores, advice.recommended_memory_request_bytes
    if cores is not None and law is not None and law < cores:
        advice = _cpu(advice, cores, f"CPU: this {whose}'s floor is {cores:g} cores")
    if size is not None and law_bytes is not None and law_bytes < size:
        advice = _memory(advice, whole_bytes(size), f"memory: this {whose}'s floor is {_mib(size)}")
    return advice


def weekend_quiet(
    advice: Recommendation, known: Circumstances, settings: MindfulSettings
) -> Recommendation:
    """Nothing shrinks on what a weekend shows: working days must have been seen."""
    if known.weekday_hours is None:
        return advice
    working = sum(
        hours for day, hours in enumerate(known.weekday_hours) if day not in settings.weekend
    )
    if working >= settings.working_hours:
        return advice
    days = ", ".join(name for name, n in zip(WEEKDAYS, known.weekday_hours, strict=True) if n)
    clause = (
        f"seen on {days} with {working:.0f} of the {settings.working_hours:g} hours of working days"
        " needed, so nothing shrinks yet"
    )
    held = _hold_cpu(advice, f"CPU: {clause}", only_shrinking=True)
    return _hold_memory(held, f"memory: {clause}", only_shrinking=True)


def autoscaled(
    advice: Recommendation, known: Circumstances, settings: MindfulSettings
) -> Recommendation:
    """An autoscaler divides use by the request, so a smaller request is more replicas.

    While the busiest replica stays below target x request, the autoscaler stands at its least
    replicas; the request may fall to use / target and no replica is added. Elsewhere it is held.
    Source: Kubernetes, `HorizontalPodAutoscaler`, replicas x (use / request) / target.
    """
    if settings.allow_hpa:
        return advice
    for resource, target, highest in (
        ("CPU", known.hpa_cpu_target_share, known.cpu_highest_cores),
        ("memory", known.hpa_memory_target_share, known.memory_highest_bytes),
    ):
        if target:
            advice = _scaled(advice, resource, target=target, highest=highest)
    return advice


def within_node(advice: Recommendation, known: Circumstances, _: MindfulSettings) -> Recommendation:
    """Never more than the largest node has: such a pod would wait for ever."""
    cores, size = advice.recommended_cpu_request_cores, advice.recommended_memory_request_bytes
    most, most_bytes = known.node_cpu_cores, known.node_memory_bytes
    if cores is not None and most is not None and cores > most:
        clause = f"CPU: the largest node has {most:g} cores, so no more can be requested"
        advice = _cpu(advice, most, clause, upper=most)
    if size is not None and most_bytes is not None and size > most_bytes:
        clause = f"memory: the largest node has {_mib(most_bytes)}, so no more can be requested"
        floor = int(most_bytes // MIB * MIB)
        advice = _memory(advice, floor, clause, upper=floor)
    return advice


def limited(advice: Recommendation, _: Circumstances, settings: MindfulSettings) -> Recommendation:
    """The memory limit: the request times the ratio, and never below what a kill or heap needs."""
    size = advice.recommended_memory_request_bytes
    if size is None or settings.limit_ratio <= 1.0:
        return advice
    limit = max(
        whole_bytes(size * settings.limit_ratio), advice.recommended_memory_limit_bytes or 0
    )
    clause = f"memory limit: {settings.limit_ratio:g} x the request"
    return _said(replace(advice, recommended_memory_limit_bytes=limit), clause)


STEPS: Final[tuple[Step, ...]] = (
    start_borrows,
    throttled,
    oom_killed,
    java_heap,
    floored,
    weekend_quiet,
    autoscaled,
    within_node,
    limited,
    covered,
)


def _scaled(
    advice: Recommendation, resource: str, *, target: float, highest: float | None
) -> Recommendation:
    """One resource under an autoscaler: lowered to use / target where that adds no replica."""
    cpu = resource == "CPU"
    law = advice.recommended_cpu_request_cores if cpu else advice.recommended_memory_request_bytes
    declared = advice.cpu_request_cores if cpu else advice.memory_request_bytes
    if law is None or declared is None:
        return advice
    scaler = f"{resource}: an autoscaler keeps it at {100 * target:.0f} % of the request"
    keeps = None if highest is None else highest / target
    if keeps is not None and max(keeps, law) < declared:
        said = f"{keeps:.3f} cores" if cpu else _mib(keeps)
        clause = (
            f"{scaler} and stands at its least replicas, since the highest use / target is {said}:"
            " down to there none is added (--allow-hpa goes below)"
        )
        low = max(keeps, law)
        if cpu:
            return _cpu(advice, min(whole_cores(low), declared), clause)
        return _memory(advice, min(whole_bytes(low), declared), clause)
    clause = f"{scaler}: another request would change the replicas, so it is held (--allow-hpa)"
    return _hold_cpu(advice, clause) if cpu else _hold_memory(advice, clause)


def _hold_cpu(
    advice: Recommendation, clause: str, *, only_shrinking: bool = False
) -> Recommendation:
    law, declared = advice.recommended_cpu_request_cores, advice.cpu_request_cores
    if law is None or declared is None or (only_shrinking and law >= declared):
        return advice
    return _cpu(advice, declared, clause)


def _hold_memory(
    advice: Recommendation, clause: str, *, only_shrinking: bool = False
) -> Recommendation:
    """The request is held; a limit that must be higher is still raised."""
    law, declared = advice.recommended_memory_request_bytes, advice.memory_request_bytes
    if law is None or declared is None or (only_shrinking and law >= declared):
        return advice
    held = _memory(advice, declared, clause)
    return replace(held, recommended_memory_limit_bytes=law) if law > declared else held


def _cpu(
    advice: Recommendation, cores: float, clause: str, *, upper: float | None = None
) -> Recommendation:
    most = max(advice.cpu_upper_cores or cores, cores) if upper is None else upper
    return _said(
        replace(
            advice,
            recommended_cpu_request_cores=cores,
            cpu_lower_cores=min(advice.cpu_lower_cores or cores, cores),
            cpu_upper_cores=most,
        ),
        clause,
    )


def _memory(
    advice: Recommendation, size: float, clause: str, *, upper: int | None = None
) -> Recommendation:
    whole = int(size)
    most = max(advice.memory_upper_bytes or whole, whole) if upper is None else upper
    limit = advice.recommended_memory_limit_bytes
    if limit is not None:
        limit = max(limit, whole) if upper is None else upper
    return _said(
        replace(
            advice,
            recommended_memory_request_bytes=whole,
            memory_lower_bytes=min(advice.memory_lower_bytes or whole, whole),
            memory_upper_bytes=most,
            recommended_memory_limit_bytes=limit,
        ),
        clause,
    )


def _said(advice: Recommendation, clause: str) -> Recommendation:
    return replace(advice, reason=f"{advice.reason}; {clause}")


def _sized(advice: Recommendation) -> bool:
    return advice.recommended_memory_request_bytes is not None


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / MIB:.0f} MiB"
