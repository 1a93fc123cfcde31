"""What batch does on the disk, all pods together, as the disk's law wants to know it.

Always holds: what nobody could read counts as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from qos_controller.core.node_settings import DiskSettings
from qos_controller.core.sample import PodUse


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOnDisk:
    """What batch does there."""

    pods: tuple[PodUse, ...] = ()
    blamed: str = ""
    offline_cores: float = 0.0
    bytes_per_s: float = 0.0
    """The larger of reads and writes, all together."""
    buffered_bytes_per_s: float = 0.0
    dirty_bytes: float = 0.0
    dirty_growth_bytes_per_s: float = 0.0


def summed(pods: tuple[PodUse, ...], *, blamed: str, offline_cores: float) -> BatchOnDisk:
    """The sums over all batch pods."""
    read = written = buffered = dirty = 0.0
    for pod in pods:
        read += pod.read_bytes_per_s or 0.0
        written += pod.written_bytes_per_s or 0.0
        buffered += pod.buffered_bytes_per_s or 0.0
        dirty += pod.dirty_bytes or 0.0
    return BatchOnDisk(
        pods=pods,
        blamed=blamed,
        offline_cores=offline_cores,
        bytes_per_s=max(read, written),
        buffered_bytes_per_s=buffered,
        dirty_bytes=dirty,
    )


def bytes_of(pod: PodUse) -> float:
    """What it does a second, and what it has piled up: buffered writes are nobody's once queued."""
    moved = (pod.read_bytes_per_s or 0.0) + (pod.written_bytes_per_s or 0.0)
    return moved + (pod.dirty_bytes or 0.0)


def is_active(batch: BatchOnDisk, settings: DiskSettings) -> bool:
    """Whether batch does enough on the disk to be the cause of anything."""
    return batch.bytes_per_s >= settings.idle_bytes_per_s or is_writing(batch, settings)


def is_writing(batch: BatchOnDisk, settings: DiskSettings) -> bool:
    """Whether batch writes through the page cache."""
    fastest = max(batch.dirty_growth_bytes_per_s, batch.buffered_bytes_per_s)
    fast = fastest >= settings.dirty_growth_bytes_per_s
    return fast or batch.dirty_bytes >= settings.buffered_bytes
