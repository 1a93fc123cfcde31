"""Requests come in whole steps, a milli-core and a MiB, always rounded up."""

from __future__ import annotations

import math

from predictor.core.recommend import MIB


def ceiled(value: float, step: float) -> float:
    """Up to a whole step; the tiny allowance keeps a float32 of 0.3 from becoming 301 m."""
    return math.ceil(value / step - 1e-4) * step


def whole_cores(cores: float) -> float:
    """Up to a milli-core."""
    return ceiled(cores, 0.001)


def whole_bytes(size_bytes: float) -> int:
    """Up to a MiB."""
    return int(ceiled(size_bytes, MIB))
