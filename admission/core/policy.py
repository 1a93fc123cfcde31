"""What the operator decides about the pods' door, each value with its reason.

Always holds: the defaults change no pod that nobody called offline and nobody recommends for.
"""

from __future__ import annotations

from dataclasses import dataclass

from slacktide import contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings of the reviews."""

    reject_conflicts: bool = False
    """Refuse a pod whose labels disagree; else the most careful class wins, with a warning, since
    a pod that runs with too much care harms nobody and a refused one is an outage."""
    batch_priority_class: str = contract.PRIORITY_CLASS_BATCH
    """Given to offline pods that are in no offline priority band."""
    batch_scheduler: str = contract.SCHEDULER_OFFLINE
    """Given to offline pods that name no scheduler of their own."""
    gate_gangs: bool = True
    """Members of a gang wait at a gate until the planner has a place for all of them."""
    right_size: bool = True
    """Apply recommendations to online pods."""
    min_change_share: float = 0.10
    """A smaller change of a request is not worth a restart's surprise."""
    min_confidence: float = 0.5
    """Below it a workload is too young: the first days give absurd numbers."""
    min_cpu_cores: float = 0.005
    """Floor of a request: 5 milli-cores, low enough for sidecars."""
    max_cpu_cores: float = 64.0
    """Cap of a request: larger than any node is never scheduled."""
    min_memory_bytes: int = 16 * 2**20
    """Floor of a request: what a small runtime needs to start."""
    max_memory_bytes: int = 512 * 2**30
    """Cap of a request, as above."""
