"""What is offered to batch of what a forecast keeps free: less a reserve where a node kills.

CPU is compressible: a forecast that was wrong slows batch down, and the forecast's own risk is the
margin. Memory is not: an agent evicts when a node's memory passes a watermark, so what lies above
that watermark must never be sold, or every full node would evict.

Always holds: offered <= reclaimable, and offered + kept <= watermark x capacity for memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from slacktide.messages import FloatArray, NodeForecasts


@dataclass(frozen=True, slots=True)
class SupplySettings:
    """The colocation policy's watermarks."""

    memory_watermark_share: float = 0.93
    """Share of a node's memory that online and batch may use together: 2 points below where the
    agent evicts, so that a forecast missed by a little evicts nobody."""


def offered(
    forecasts: NodeForecasts,
    node_memory_bytes: FloatArray,
    settings: SupplySettings = SupplySettings(),
) -> NodeForecasts:
    """The forecasts with what may be sold as reclaimable.

    Args:
        forecasts: of N nodes.
        node_memory_bytes: [N] capacity, NaN where unknown.
        settings: the watermarks.
    """
    below = settings.memory_watermark_share * node_memory_bytes[:, None]
    room = np.maximum(below - forecasts.peak_memory_bytes, 0.0)
    return replace(
        forecasts,
        reclaimable_memory_bytes=np.minimum(forecasts.reclaimable_memory_bytes, room),
    )
