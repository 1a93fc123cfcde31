"""A planner's /metrics, as far as somebody who looks can use it: how fast it plans and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

MOST_BYTES: Final = 1 << 20
PREFIX: Final = "slacktide_scheduler"
ANSWERS_WITHIN_S: Final = 0.5  # nobody waits for what is nice to have


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the planner's process began."""

    rounds: float
    round_s: float  # spent in them
    written: float


async def counters(url: str) -> Counters | None:
    """What stands there now; None where nobody answers, or not as a planner does."""
    try:
        async with (
            httpx.AsyncClient(timeout=ANSWERS_WITHIN_S, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    return None
        return counted(body.decode()) if answer.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None


def counted(page: str) -> Counters | None:
    """The counters of a page; None where they are not on it. Raises `ValueError` for no page."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    if f"{PREFIX}_round_seconds_count" not in found:
        return None
    return Counters(
        rounds=found[f"{PREFIX}_round_seconds_count"],
        round_s=found.get(f"{PREFIX}_round_seconds_sum", 0.0),
        written=found.get(f"{PREFIX}_writes", 0.0),
    )
