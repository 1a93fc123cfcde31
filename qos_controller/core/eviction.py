"""Who must leave the node, if anybody: the last step of every ladder, one at a time.

Always holds: memory comes first and has a shorter cooldown, since the next one may be the kernel's
choice; a wish needs news of its own resource in this very tick; the one to blame goes rather than
the cheapest, where one is to blame (for memory: who holds more than it asked for).
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import replace

from qos_controller.core import disk, memory
from qos_controller.core.batch_io import bytes_of
from qos_controller.core.cpu import CpuMemory
from qos_controller.core.decision import Evict
from qos_controller.core.disk import DiskMemory
from qos_controller.core.guard import is_to_blame
from qos_controller.core.memory import RoomMemory
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.sample import PodUse, Sample
from qos_controller.core.signals import OfflineTask
from qos_controller.core.starvation import is_starved
from qos_controller.core.state import EVICT
from qos_controller.core.tick import Tick
from qos_controller.core.victims import least_lost


def cause_to_evict(
    cpu: CpuMemory,
    tick: Tick | None,
    on_disk: DiskMemory,
    room: RoomMemory,
    *,
    now_s: float,
    settings: NodeSettings,
) -> str:
    """Why one must go now; empty where none must, or the last one left too short a time ago."""
    state, law = cpu.state, settings.cpu
    cooled_s = now_s - state.evicted_s
    if memory.wants_eviction(room, now_s):
        return "memory" if cooled_s >= settings.memory.cooldown_s else ""
    ladder = state.ladder
    pressed = ladder.stage == EVICT and ladder.breached_s == now_s
    if tick is not None and pressed and is_to_blame(tick):
        return tick.pressure.cause if cooled_s >= law.cooldown_s else ""
    if disk.wants_eviction(on_disk, now_s):
        return "io" if cooled_s >= law.cooldown_s else ""
    if tick is not None and is_starved(state.starved_since_s, now_s=now_s, settings=law):
        return "starvation" if cooled_s >= law.starved_cooldown_s else ""
    return ""


def chosen(
    cause: str,
    sample: Sample,
    pods: tuple[PodUse, ...],
    blamed: str,
    *,
    now_s: float,
    settings: NodeSettings,
) -> Evict | None:
    """The one that goes for this cause; None where nobody is there to go."""
    tasks = sample.signals.offline_tasks
    victim = least_lost(
        _as_used(tasks, pods) if cause == "memory" else tasks,
        for_memory=cause == "memory",
        now_s=now_s,
        settings=settings.cpu,
        among=_guilty(cause, tasks, pods, blamed, settings),
    )
    if victim is None:
        return None
    return Evict(
        victim.task,
        cause,
        victim.freed_cores,
        victim.freed_bytes,
        victim.work_lost_core_s,
        victim.breaks_gang,
    )


def _guilty(
    cause: str,
    tasks: tuple[OfflineTask, ...],
    pods: tuple[PodUse, ...],
    blamed: str,
    settings: NodeSettings,
) -> Container[str] | None:
    """Those that may go: the one to blame, or those that use the disk; None: any."""
    names = {task.task for task in tasks}
    if cause == "memory":
        asked = {task.task: task.memory_bytes for task in tasks}
        over = {pod.uid for pod in pods if (pod.memory_bytes or 0.0) > asked.get(pod.uid, math.inf)}
        return over or None
    if blamed in names and cause != "starvation":
        return {blamed}
    if cause != "io":
        return None
    least = settings.disk.idle_bytes_per_s
    users = {pod.uid for pod in pods if bytes_of(pod) >= least} & names
    return users or None


def _as_used(tasks: tuple[OfflineTask, ...], pods: tuple[PodUse, ...]) -> tuple[OfflineTask, ...]:
    """With the memory that each really holds, which is what its going frees."""
    used = {pod.uid: pod.memory_bytes for pod in pods if pod.memory_bytes is not None}
    return tuple(
        replace(task, memory_bytes=used.get(task.task, task.memory_bytes)) for task in tasks
    )
