"""Answers of a server, built point by point."""

from __future__ import annotations

import numpy as np

from predictor.core.collect_answers import Answer


def line(*points: tuple[float, float], **labels: str) -> Answer:
    """One series of (stamp, value) points."""
    ts_s = np.array([ts_s for ts_s, _ in points], np.int64)
    values = np.array([value for _, value in points], np.float64)
    return Answer((labels,), np.zeros(len(points), np.int64), ts_s, values)
