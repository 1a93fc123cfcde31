"""A finding as people read it, `(-1.8) 2 -> 200m`: the one spelling that table and page share.

A cluster stands first where there are several, money last where there are prices.
"""

from __future__ import annotations

from collections.abc import Callable

from predictor.core.confidence import in_words
from predictor.core.ranking import Change, Finding
from predictor.core.report import Report
from slacktide.quantity import format_cpu_cores

GIB = 1 << 30
MIB = 1 << 20

CLUSTER = "cluster"
MONEY = "saves a month"
COLUMNS = (
    "namespace",
    "workload",
    "kind",
    "container",
    "replicas",
    "CPU request",
    "CPU limit",
    "memory request",
    "memory limit",
    "frees cores",
    "frees GiB",
    "confidence",
    "severity",
)
NAMING = COLUMNS[:5]  # who it is, before what would change
NUMBERS = frozenset({"replicas", "frees cores", "frees GiB", MONEY})


def columns_of(report: Report) -> tuple[str, ...]:
    """The columns that this report needs."""
    first = (CLUSTER,) if report.several_clusters else ()
    return (*first, *COLUMNS[:-2], *((MONEY,) if report.prices else ()), *COLUMNS[-2:])


def cells(found: Finding, report: Report) -> tuple[str, ...]:
    """One text for each of the report's columns."""
    texts = dict(zip(COLUMNS, _plain(found), strict=True))
    texts |= {CLUSTER: found.advice.cluster}
    if report.prices is not None:
        texts[MONEY] = f"{report.prices.saving(found):+,.2f}"
    return tuple(texts[column] for column in columns_of(report))


def _plain(found: Finding) -> tuple[str, ...]:
    """One text for each of `COLUMNS`."""
    advice = found.advice
    return (
        advice.namespace,
        advice.workload,
        advice.kind,
        advice.container,
        str(advice.replicas),
        change_text(found.cpu_request, cores_text),
        change_text(found.cpu_limit, cores_text),
        change_text(found.memory_request, bytes_text),
        change_text(found.memory_limit, bytes_text),
        f"{found.freed_cores:+.2f}",
        f"{found.freed_bytes / GIB:+.2f}",
        in_words(advice.confidence),
        str(found.severity),
    )


def change_text(change: Change, as_text: Callable[[float], str]) -> str:
    """`(diff) current -> recommended`; "?" without an answer, one value where they agree."""
    current = "unset" if change.current is None else as_text(change.current)
    if not change.answered:
        return f"{current} -> ?"
    recommended = "unset" if change.recommended is None else as_text(change.recommended)
    if current == recommended:
        return current
    if change.current is None or change.recommended is None:
        return f"{current} -> {recommended}"
    apart = change.recommended - change.current
    sign = "+" if apart > 0 else "-"
    return f"({sign}{as_text(abs(apart))}) {current} -> {recommended}"


def cores_text(cores: float) -> str:
    """Milli-cores below ten cores, else cores with two digits at most."""
    if cores >= 10:
        return f"{cores:.2f}".rstrip("0").rstrip(".")
    return format_cpu_cores(round(cores, 3))


def bytes_text(size_bytes: float) -> str:
    """MiB below ten GiB, else GiB with one digit at most."""
    if size_bytes >= 10 * GIB:
        return f"{size_bytes / GIB:.1f}".removesuffix(".0") + "Gi"
    return f"{size_bytes / MIB:.0f}Mi"
