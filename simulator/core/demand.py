"""What online really used on every node, step by step: the world that a replay plays back.

Always holds: a missing sample is no demand (the machine was off or nobody knows better), and a
peak is never below its mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.core.history import Samples, node_sums
from slacktide.messages import FloatArray
from slacktide.trace import Trace

CHUNK = 2_016  # samples summed at once: bounds the memory of a long trace


@dataclass(frozen=True, slots=True)
class Demand:
    """Online's side of N nodes over T samples; column k is the interval that ends at its stamp."""

    mean_cores: FloatArray  # [N, T]
    peak_cores: FloatArray  # [N, T] highest within the interval
    memory_bytes: FloatArray  # [N, T] 0 where unknown


def demand_of(trace: Trace) -> Demand:
    """The demand of a trace.

    A node's peak within an interval is not the sum of its pods' maxima, which do not coincide. For
    independent pods deviations add as squares: peak = mean + sqrt(sum of (max - mean)^2).
    """
    usage = trace.usage
    node = trace.pods.node[usage.pod]
    mean = _sums(usage.cpu_cores, node, trace)
    peak = mean
    if usage.cpu_max_cores is not None:
        above = np.maximum(usage.cpu_max_cores - usage.cpu_cores, 0)
        peak = mean + np.sqrt(_sums(above**2, node, trace))
    memory = np.zeros_like(mean)
    if usage.memory_bytes is not None:
        memory = _sums(usage.memory_bytes, node, trace)
    return Demand(mean, peak, memory)


def _sums(samples: Samples, node: np.ndarray, trace: Trace) -> FloatArray:
    everyone = np.ones(len(node), np.bool_)
    nodes = len(trace.nodes.node)
    parts = [
        node_sums(samples[:, at : at + CHUNK], everyone, node, nodes=nodes)
        for at in range(0, samples.shape[1], CHUNK)
    ]
    return np.concatenate(parts, axis=1) if parts else np.zeros((nodes, 0))
