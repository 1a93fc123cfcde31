"""One JSON object a line on stdout, the same fields for every benchmark."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Sequence

# As the command line does, before scikit-learn is loaded: OpenMP threads would spin for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def machine() -> str:
    """What this was measured on, without naming it."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, Python {platform.python_version()}"


def say(
    bench: str,
    figure: str,
    values: Sequence[float],
    unit: str,
    *,
    goal: str = "",
    baseline: str = "",
    baseline_values: Sequence[float] = (),
    seed: int | None = None,
) -> None:
    """Prints one figure: the median of its runs beside the baseline's, and the spread."""
    value = statistics.median(values)
    beside = statistics.median(baseline_values) if baseline_values else None
    print(
        json.dumps(
            {
                "bench": bench,
                "figure": figure,
                "value": _rounded(value),
                "unit": unit,
                "baseline": baseline or None,
                "baseline_value": _rounded(beside),
                "ratio": _rounded(value / beside) if beside else None,
                "goal": goal or None,
                "seed": seed,
                "machine": machine(),
                "runs": len(values),
                "spread": [_rounded(min(values)), _rounded(max(values))],
            },
            allow_nan=False,
        ),
        flush=True,
    )


def _rounded(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")
