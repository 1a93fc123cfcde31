"""How far a recommendation can be trusted, as a number and as a word, and what it comes from.

The number starts as the share of the window that was seen (of the runs wanted, for Jobs). Holes
between the first and the last sample take their share, and silence at the end halves it: what is
not heard of may have changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from predictor.core.circumstances import HOUR_S, Circumstances
from slacktide.messages import Recommendation

WORDS: Final = ((0.9, "high"), (0.5, "fair"), (0.25, "low"), (0.0, "very low"))
SILENT_S: Final = HOUR_S  # an hour without a sample is silence, one missed scrape is not
SILENT_FACTOR: Final = 0.5


def in_words(confidence: float) -> str:
    """The word for a confidence of 0..1."""
    return next(word for least, word in WORDS if confidence >= least)


def covered(advice: Recommendation, known: Circumstances, _settings: object) -> Recommendation:
    """Less confidence for holes and for silence, told in a clause; the request stays."""
    if known.coverage_share is None or known.last_sample_s is None:
        return advice
    silent_s = max(advice.at_s - known.last_sample_s, 0.0)
    silent = silent_s > SILENT_S and advice.replicas > 0
    share = advice.confidence * known.coverage_share * (SILENT_FACTOR if silent else 1.0)
    parts = [f"{sum(known.weekday_hours or ()):.0f} hours seen"] if known.weekday_hours else []
    parts += [f"{known.runs} pods"] if known.runs else []
    parts += [f"{100 * known.coverage_share:.0f} % of the hours between first and last"]
    parts += [f"silent for {silent_s / HOUR_S:.0f} hours"] if silent else []
    clause = f"confidence {share:.2f}, {in_words(share)}: {', '.join(parts)}"
    return replace(advice, confidence=share, reason=f"{advice.reason}; {clause}")
