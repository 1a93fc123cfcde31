"""Who must go: the task whose going loses the least work for what it frees.

Always holds: the choice depends only on the tasks and the time, not on their order. A member of a
gang without slack takes the whole gang with it, so it costs the work of all members on all nodes,
and frees what all members on this node hold.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from qos_controller.core.settings import Settings
from qos_controller.core.signals import OfflineTask

_GIB = float(2**30)


@dataclass(frozen=True, slots=True)
class Victim:
    """One choice with its price."""

    task: str
    freed_cores: float
    freed_bytes: float
    work_lost_core_s: float
    breaks_gang: bool
    started_s: float


def least_lost(
    tasks: Iterable[OfflineTask],
    *,
    for_memory: bool,
    now_s: float,
    settings: Settings,
    among: Container[str] | None = None,
) -> Victim | None:
    """The victim with the least work lost per core (or GiB) freed; None where none frees any.

    Among equals the youngest goes, then the first by name. `among` names those that may go, where
    only some are to blame; what their gangs lose is still counted over all.
    """
    tasks = tuple(tasks)
    victims = [_priced(t, tasks, now_s) for t in tasks if among is None or t.task in among]
    useful = [v for v in victims if _freed(v, for_memory=for_memory) > 0.0]
    return min(
        useful,
        key=lambda v: (
            (v.work_lost_core_s + settings.restart_core_s) / _freed(v, for_memory=for_memory),
            -v.started_s,
            v.task,
        ),
        default=None,
    )


def work_lost_core_s(task: OfflineTask, now_s: float) -> float:
    """What killing this one task throws away: its work since the last checkpoint."""
    if task.work_lost_core_s is not None:
        return task.work_lost_core_s
    saved_s = task.started_s if task.checkpoint_s is None else task.checkpoint_s
    return task.cpu_cores * max(0.0, now_s - max(task.started_s, saved_s))


def _freed(victim: Victim, *, for_memory: bool) -> float:
    return victim.freed_bytes / _GIB if for_memory else victim.freed_cores


def _priced(task: OfflineTask, tasks: tuple[OfflineTask, ...], now_s: float) -> Victim:
    breaks_gang = bool(task.gang) and task.gang_slack <= 0
    gone = [t for t in tasks if t.gang == task.gang] if breaks_gang else [task]
    lost = sum(work_lost_core_s(t, now_s) for t in gone)
    # Members elsewhere are as far as those seen here: a gang starts and checkpoints together.
    elsewhere = max(0, task.gang_members - len(gone)) if breaks_gang else 0
    return Victim(
        task=task.task,
        freed_cores=sum(t.cpu_cores for t in gone),
        freed_bytes=sum(t.memory_bytes for t in gone),
        work_lost_core_s=lost * (1.0 + elsewhere / len(gone)),
        breaks_gang=breaks_gang,
        started_s=task.started_s,
    )
