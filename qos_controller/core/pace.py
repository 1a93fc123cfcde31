"""Whom the disk's law holds back, and how far: a rate, and for buffered writers a share of the CPU.

A throttle in bytes sees direct I/O only; what goes through the page cache is written by the kernel.
So a buffered writer gets a CPU quota with a short period, which paces its writes smoothly: measured
0.1, 0.2, 0.3 cores give 96, 190, 270 MB/s, where freezing by turns comes in bursts.
Above the share that hurt last, growth is only a probe, as in CUBIC (Ha, Rhee, Xu, 2008), so that
recovery does not hurt again and again.
Always holds: only pods that use the disk are held back; each keeps `min_bytes_per_s`, `min_cores`.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Final

from qos_controller.core.decision import Action, SetDisk
from qos_controller.core.node_settings import DiskSettings
from qos_controller.core.sample import PodUse


@dataclass(frozen=True, slots=True)
class Held:
    """One that is held back, and what it did before."""

    pod: str
    """Empty: all, where nobody can tell them apart."""
    bytes_per_s: float
    """The larger of reads and writes that a throttle can see."""
    cores: float
    buffered: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """Who is held back, and the share of what they did that they may do."""

    held: tuple[Held, ...] = ()
    share: float = 1.0
    """1: nobody is held back."""
    hurt_share: float = 1.0
    """Share at which it hurt last."""
    is_least: bool = False
    """Stage 2 or above: the floors alone."""

    @property
    def is_of_writers(self) -> bool:
        """Whether any of them writes through the page cache, and so is held by its CPU."""
        return any(held.buffered for held in self.held)


FREE: Final = Pace()


def users(pods: Iterable[PodUse], settings: DiskSettings) -> tuple[Held, ...]:
    """The pods that use the disk enough to hurt anybody."""
    found = (_held(pod, settings) for pod in pods)
    return tuple(held for held in found if _uses(held, settings))


def everybody(bytes_per_s: float, cores: float, *, buffered: bool) -> tuple[Held, ...]:
    """All batch together, where the pods cannot be told apart."""
    return (Held("", bytes_per_s, cores, buffered),)


def begun(held: tuple[Held, ...], settings: DiskSettings) -> Pace:
    """The first answer to harm."""
    return Pace(held, settings.ladder.backoff)


def tightened(pace: Pace, held: tuple[Held, ...], settings: DiskSettings) -> Pace:
    """Half again, and for all who use the disk now: the first one alone was not enough."""
    held = _joined(pace.held, held)
    share = max(_least_share(held, settings), settings.ladder.backoff * pace.share)
    return Pace(held, share, pace.share)


def least(pace: Pace, held: tuple[Held, ...]) -> Pace:
    """The floors."""
    if pace.is_least and len(held) <= len(pace.held):
        return pace
    return Pace(_joined(pace.held, held), pace.share, pace.share, is_least=True)


def grown(pace: Pace, dt_s: float, settings: DiskSettings) -> Pace:
    """One step back; `FREE` once the share is whole."""
    share = pace.share
    if pace.is_least:
        share = settings.floor_run_share if pace.is_of_writers else settings.start_share
    is_probe = share >= settings.safe_share * pace.hurt_share
    rate = settings.growth_share_per_s * (settings.probe_share if is_probe else 1.0)
    share += rate * dt_s
    return FREE if share >= 1.0 else Pace(pace.held, share, pace.hurt_share)


def named(pace: Pace, pods: Iterable[PodUse], settings: DiskSettings) -> Pace:
    """All together become those who really use the disk, as soon as they are known.

    They are seen while they are held back, so what they did before is reckoned from the share.
    """
    if not pace.held or pace.held[0].pod:
        return pace
    ran_share = pace.share if pace.is_of_writers else 1.0
    held = tuple(
        replace(one, bytes_per_s=one.bytes_per_s / pace.share, cores=one.cores / ran_share)
        for one in users(pods, settings)
    )
    return replace(pace, held=held) if held else pace


def without(pace: Pace, gone: Container[str]) -> Pace:
    """Who has left is held back no more."""
    held = tuple(one for one in pace.held if one.pod not in gone)
    return pace if held == pace.held else replace(pace, held=held)


def quotas(pace: Pace, settings: DiskSettings) -> dict[str, float]:
    """Cores of each paced writer, by pod."""
    return {
        held.pod: max(settings.min_cores, _share_of(held, pace, settings) * held.cores)
        for held in pace.held
        if held.buffered and held.cores > 0.0
    }


def mostly_writes(pods: Iterable[PodUse], settings: DiskSettings) -> bool:
    """Whether at least half of the CPU that batch uses is that of pods which use the disk.

    A writer in the kernel is not preempted (without CONFIG_PREEMPT), so online stalls on the CPU
    for its sake however little it runs; what helps is to write less, which the disk's law decides.
    """
    writing = others = 0.0
    for pod in pods:
        if _uses(_held(pod, settings), settings):
            writing += pod.cpu_cores or 0.0
        else:
            others += pod.cpu_cores or 0.0
    return writing >= others


def limits(pace: Pace, settings: DiskSettings) -> dict[str, float]:
    """Bytes a second of each whose I/O a throttle can see, by pod."""
    return {
        held.pod: max(settings.min_bytes_per_s, _share_of(held, pace, settings) * held.bytes_per_s)
        for held in pace.held
        if held.bytes_per_s >= settings.idle_bytes_per_s
    }


def limit_changes(before: Pace, after: Pace, settings: DiskSettings) -> list[Action]:
    """What is to be written; those no longer held are let go."""
    if before == after:
        return []
    old, new = limits(before, settings), limits(after, settings)
    let_go: list[Action] = [SetDisk(None, None, pod) for pod in old if pod not in new]
    return let_go + [
        SetDisk(limit, limit, pod) for pod, limit in new.items() if old.get(pod) != limit
    ]


def _held(pod: PodUse, settings: DiskSettings) -> Held:
    rate = max(pod.read_bytes_per_s or 0.0, pod.written_bytes_per_s or 0.0)
    buffered = (pod.dirty_bytes or 0.0) >= settings.buffered_bytes
    buffered = buffered or (pod.buffered_bytes_per_s or 0.0) > max(
        0.5 * rate, settings.idle_bytes_per_s
    )
    return Held(pod.uid, rate, pod.cpu_cores or 0.0, buffered)


def _uses(held: Held, settings: DiskSettings) -> bool:
    return held.buffered or held.bytes_per_s >= settings.idle_bytes_per_s


def _share_of(held: Held, pace: Pace, settings: DiskSettings) -> float:
    """A buffered writer keeps more: its writes cost online less, and its owner waits for them."""
    if pace.is_least:
        return settings.floor_run_share if held.buffered else 0.0
    share = _in_steps(pace.share)
    return max(settings.min_run_share, share) if held.buffered else share


def _in_steps(share: float) -> float:
    """A smaller step is not worth a write."""
    return math.ceil(100.0 * share) / 100.0


def _least_share(held: tuple[Held, ...], settings: DiskSettings) -> float:
    """Below it a share would hold nobody back any further."""
    direct = any(not one.buffered for one in held)
    return settings.start_share if direct else settings.min_run_share


def _joined(old: tuple[Held, ...], new: tuple[Held, ...]) -> tuple[Held, ...]:
    """Who is held already keeps the measure of what it did before it was."""
    known = {held.pod for held in old} | {""}
    return (*old, *(held for held in new if held.pod not in known))
