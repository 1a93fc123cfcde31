"""Recommendations beside what is declared: how far apart, what that frees, and what comes first.

A container is *under* where either resource should grow, *over* where it only hands back, so that
a saving in cores never hides a lack of memory. What is freed counts every replica; cores and bytes
are weighed by the fleet's own bytes per core. Severity and score are KRR's, so that its users keep
their thresholds (robusta-dev/krr, `core/models/severity.py` and `result.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from predictor.core.circumstances import UNKNOWN, Circumstances
from predictor.core.recommend import MIB
from predictor.core.use import Containers, Key
from slacktide.messages import FloatArray, Recommendation
from slacktide.trace import Trace

LEAST_CHANGE_SHARE = 0.1  # of what is declared: VPA's updater leaves smaller changes alone
BYTES_PER_CORE = float(4 << 30)  # where no node tells its memory


class Severity(StrEnum):
    """How far declared and recommended lie apart, the worst first."""

    CRITICAL = "CRITICAL"
    WARNING = "WARNING"
    OK = "OK"
    GOOD = "GOOD"
    UNKNOWN = "UNKNOWN"


class Side(StrEnum):
    """Which way a container should go, the most urgent first."""

    UNDER = "under-provisioned"
    OVER = "over-provisioned"
    FITS = "fits"
    UNKNOWN = "not enough data"


_CPU_STEPS = ((0.5, Severity.CRITICAL), (0.25, Severity.WARNING), (0.1, Severity.OK))
_MEMORY_STEPS = (
    (500.0 * MIB, Severity.CRITICAL),
    (250.0 * MIB, Severity.WARNING),
    (100.0 * MIB, Severity.OK),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One request or limit: as declared and as recommended, in cores or bytes."""

    current: float | None  # None: none is declared
    recommended: float | None  # None: leave it unset, or not answered
    answered: bool
    severity: Severity

    @property
    def frees(self) -> float:
        """What one replica hands back; negative where it needs more, 0 without an answer."""
        return (self.current or 0.0) - (self.recommended or 0.0) if self.answered else 0.0

    @property
    def notable(self) -> bool:
        """Whether it is worth a restart: a tenth of what is declared, or nothing is declared."""
        return abs(self.frees) > LEAST_CHANGE_SHARE * (self.current or 0.0)


@dataclass(frozen=True, slots=True)
class Declared:
    """What stands beside the requests of a container that runs now."""

    pods: tuple[str, ...]
    clusters: tuple[str, ...]
    cpu_limit_cores: float | None
    memory_limit_bytes: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One container's recommendation, held against what is declared."""

    advice: Recommendation
    declared: Declared
    cpu_request: Change
    cpu_limit: Change
    memory_request: Change
    memory_limit: Change
    severity: Severity
    side: Side
    freed_cores: float  # of all replicas; negative where they need more
    freed_bytes: float
    known: Circumstances = UNKNOWN


def declared_by_container(
    trace: Trace, containers: Containers, now_s: int
) -> Mapping[Key, Declared]:
    """Pods, clusters and limits of each container that runs at `now_s`; a pod's limit is shared."""
    pods, pod = trace.pods, trace.usage.pod
    shares = np.bincount(pod, minlength=len(pods.pod))[pod]
    cpu, memory = pods.cpu_limit_cores[pod] / shares, pods.memory_limit_bytes[pod] / shares
    runs = (pods.node >= 0) & (pods.start_s <= now_s) & (now_s < pods.end_s)
    rows: dict[Key, list[int]] = {}
    names = zip(
        containers.namespace,
        containers.workload,
        containers.kind,
        containers.container,
        containers.cluster,
        strict=True,
    )
    for row, key in enumerate(names):
        if runs[pod[row]]:
            rows.setdefault(key, []).append(row)
    return {
        key: Declared(
            pods=tuple(pods.pod[pod[row]] for row in found),
            clusters=tuple(sorted({trace.nodes.cluster[pods.node[pod[row]]] for row in found})),
            cpu_limit_cores=_most(cpu[found]),
            memory_limit_bytes=_most(memory[found]),
        )
        for key, found in rows.items()
    }


def finding(advice: Recommendation, declared: Declared, known: Circumstances = UNKNOWN) -> Finding:
    """Holds one recommendation against what is declared.

    The recommended memory limit equals the request, as KRR's does, unless the advice says more; no
    CPU limit is recommended.
    """
    cpu, memory = advice.recommended_cpu_request_cores, advice.recommended_memory_request_bytes
    limit = advice.recommended_memory_limit_bytes or memory
    changes = (
        _change(advice.cpu_request_cores, cpu, _CPU_STEPS, answered=cpu is not None),
        _change(declared.cpu_limit_cores, None, _CPU_STEPS, answered=cpu is not None),
        _change(advice.memory_request_bytes, memory, _MEMORY_STEPS, answered=memory is not None),
        _change(declared.memory_limit_bytes, limit, _MEMORY_STEPS, answered=memory is not None),
    )
    return Finding(
        advice=advice,
        declared=declared,
        cpu_request=changes[0],
        cpu_limit=changes[1],
        memory_request=changes[2],
        memory_limit=changes[3],
        severity=min((change.severity for change in changes), key=list(Severity).index),
        side=_side(changes[0], changes[2]),
        freed_cores=changes[0].frees * advice.replicas,
        freed_bytes=changes[2].frees * advice.replicas,
        known=known,
    )


def ranked(findings: Sequence[Finding], bytes_per_core: float) -> tuple[Finding, ...]:
    """By side, then the largest first: what is lacking, freed, or declared, over all replicas."""
    sides = list(Side)

    def place(found: Finding) -> tuple[int, float, Key]:
        cores, size = found.freed_cores, found.freed_bytes
        if found.side is Side.UNDER:
            cores, size = max(-cores, 0.0), max(-size, 0.0)
        if found.side is Side.UNKNOWN:
            cores = (found.cpu_request.current or 0.0) * found.advice.replicas
            size = (found.memory_request.current or 0.0) * found.advice.replicas
        return sides.index(found.side), -(cores + size / bytes_per_core), key_of(found.advice)

    return tuple(sorted(findings, key=place))


def key_of(advice: Recommendation) -> Key:
    """The container's name in full."""
    return advice.namespace, advice.workload, advice.kind, advice.container, advice.cluster


def bytes_per_core(cpu_cores: FloatArray, memory_bytes: FloatArray) -> float:
    """What weighs as much as a core: the bytes that nodes [N] have beside each of theirs."""
    known = np.isfinite(memory_bytes)
    cores = float(cpu_cores[known].sum())
    return float(memory_bytes[known].sum()) / cores if cores > 0 else BYTES_PER_CORE


def score(findings: Sequence[Finding]) -> int:
    """0 to 100: the share of containers at rest, a warning counting as 0.7 of a critical one.

    KRR's `Result.score`: unknown containers count as at rest, and nothing scores 0.
    """
    cost = {Severity.CRITICAL: 1.0, Severity.WARNING: 0.7}
    lost = sum(cost.get(found.severity, 0.0) for found in findings)
    return int((len(findings) - lost) / len(findings) * 100) if findings else 0


def letter(points: int) -> str:
    """KRR's mark for a score."""
    marks = ((90, "A"), (70, "B"), (55, "C"), (30, "D"))
    return next((mark for least, mark in marks if points >= least), "F")


def _change(
    current: float | None,
    recommended: float | None,
    steps: tuple[tuple[float, Severity], ...],
    *,
    answered: bool,
) -> Change:
    return Change(
        current=current,
        recommended=recommended,
        answered=answered,
        severity=_severity(current, recommended, steps) if answered else Severity.UNKNOWN,
    )


def _severity(
    current: float | None, recommended: float | None, steps: tuple[tuple[float, Severity], ...]
) -> Severity:
    if current is None or recommended is None:
        return Severity.GOOD if current == recommended else Severity.WARNING
    apart = abs(current - recommended) + 1e-9
    return next((severity for least, severity in steps if apart >= least), Severity.GOOD)


def _side(cpu: Change, memory: Change) -> Side:
    notable = [change.frees for change in (cpu, memory) if change.answered and change.notable]
    if any(frees < 0 for frees in notable):
        return Side.UNDER
    if notable:
        return Side.OVER
    return Side.FITS if cpu.answered or memory.answered else Side.UNKNOWN


def _most(values: FloatArray) -> float | None:
    """The largest limit; None where any replica has none."""
    most = float(values.max())
    return None if math.isnan(most) else most
