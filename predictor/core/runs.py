"""Jobs and CronJobs: one workload over many short runs, each a pod that is soon gone.

Hours say little about a run of five minutes; runs do. So a Job is answered from the runs that were
seen, and told how many are missing. Runs of one CronJob have it as their owner already; Jobs that
something else creates are put together by `job_groups`.
"""

from __future__ import annotations

from dataclasses import dataclass

from predictor.core.circumstances import Circumstances
from predictor.core.recommend import MIB, SizingSettings
from predictor.core.use import Key
from predictor.core.whole_steps import whole_bytes, whole_cores
from slacktide.messages import Recommendation


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How runs become a request."""

    least_runs: int = 3
    """Runs before there is an answer: with fewer the largest is often still to come."""
    many_runs: int = 10
    """Runs for full confidence: the next exceeds the highest of n with a chance of 1 in n + 1."""
    memory_headroom: float = 0.15
    """Share above the highest run's peak: inputs grow between runs, and no second chance is had."""


def advice_from_runs(
    key: Key,
    known: Circumstances,
    *,
    now_s: int,
    sizing: SizingSettings,
    settings: JobSettings = JobSettings(),
) -> Recommendation:
    """What a Job's container should request, from its runs.

    CPU is the 95th percentile within the hungriest run: the rest borrows. Memory is the highest
    run's peak and a headroom. With too few runs there is no number, and how many are missing.
    """
    runs, declared = known.runs or 0, known.memory_request_bytes
    cpu, memory = known.cpu_typical_cores, known.memory_highest_bytes
    enough = runs >= settings.least_runs
    cores = _cores(cpu, sizing) if enough and cpu is not None else None
    size = _bytes(memory, sizing, settings) if enough and memory is not None else None
    namespace, workload, kind, container, cluster = key
    return Recommendation(
        workload=workload,
        namespace=namespace,
        kind=kind,
        container=container,
        cluster=cluster,
        at_s=now_s,
        replicas=1,
        cpu_request_cores=known.cpu_request_cores,
        recommended_cpu_request_cores=cores,
        cpu_lower_cores=cores,
        cpu_upper_cores=None if cores is None else max(cores, known.cpu_highest_cores or 0.0),
        memory_request_bytes=None if declared is None else int(declared),
        recommended_memory_request_bytes=size,
        memory_lower_bytes=None if size is None else min(int(memory or 0), size),
        memory_upper_bytes=None if size is None else max(int(2 * (memory or 0)), size),
        confidence=min(1.0, runs / settings.many_runs),
        reason=_reason(runs, cores, size, known, settings),
    )


def _cores(typical: float, sizing: SizingSettings) -> float:
    return max(whole_cores(typical), sizing.least_cpu_cores)


def _bytes(highest: float, sizing: SizingSettings, settings: JobSettings) -> int:
    wanted = whole_bytes(highest * (1 + settings.memory_headroom))
    return max(wanted, sizing.least_memory_bytes)


def _reason(
    runs: int, cores: float | None, size: int | None, known: Circumstances, settings: JobSettings
) -> str:
    if runs < settings.least_runs:
        return f"not enough runs: {runs} of {settings.least_runs}; the declared request stands"
    parts = []
    if cores is not None:
        parts.append(f"CPU {cores:.3f} cores: p95 within the hungriest of {runs} runs")
    if size is not None:
        peak = (known.memory_highest_bytes or 0.0) / MIB
        parts.append(
            f"memory {size / MIB:.0f} MiB: the highest peak of {runs} runs {peak:.0f}"
            f" and {100 * settings.memory_headroom:g} %"
        )
    return "; ".join(parts) or f"not enough data: {runs} runs without a sample"
