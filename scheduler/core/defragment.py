"""Moving running tasks together so that a large gang fits into what lies scattered.

Free cores in sum, and none of the nodes with enough of them: the gang waits until tasks end where
it needs them to. A move (evict, and start again elsewhere at once) ends the wait now and costs the
work since the last checkpoint. It is proposed only where all three hold:

    everybody has a place    the gang where room was made, and all that moved elsewhere
    it pays                  work lost < cores of the gang x seconds it would wait for endings
    it is small              at most so many tasks move

Always holds: a gang is moved whole or keeps `min_available`; nobody is moved twice within the
cool-down. The caller evicts, keeps the reservation, and the next round carries the moves out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scheduler.core.contenders import least_cores
from scheduler.core.endings import Endings
from scheduler.core.explain import Aftermath, Blocked, duration_text
from scheduler.core.fit import Room, Task, TaskClasses, task_of
from scheduler.core.gang import nodes_for_gang
from scheduler.core.harm import RunningGangs, RunningTasks, Stakes, stakes
from scheduler.core.least_harm import Need, Victims, least_harm
from scheduler.core.plan import Plan
from scheduler.core.reserve import Reservation
from slacktide.messages import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class MoveSettings:
    """What an operator may turn; each default with its reason."""

    most_tasks: int = 50  # a round: more at once is an outage of its own
    cool_down_s: int = 6 * 3600  # a quarter of a day: moving is for those that stay
    restart_s: int = 60  # what a start costs beside the work lost
    gangs_tried: int = 5  # the largest first
    choices_tried: int = 5  # other victims, where one finds no place again


@dataclass(frozen=True, slots=True)
class Moves:
    """Who makes way for whom, and where they go."""

    gang: int  # row of the gang that gets the room
    victims: Victims
    back: tuple[tuple[int, IntArray, IntArray], ...]  # (bundle, nodes, tasks on each)
    waiting_saved_core_s: float
    reservation: Reservation  # hand it to the next round as kept
    reason: str


def defragment(
    outcome: Plan,
    gangs: RunningGangs,
    running: RunningTasks,
    *,
    settings: MoveSettings | None = None,
) -> Moves | None:
    """Moves for the largest pending gang that they help and that they pay for; None for none.

    Gangs of one role, whose tasks do not bind each other and ask for no GPUs, are considered. No
    task of `running` holds GPUs, unless its gang may lose nobody: devices are not looked at.
    """
    settings = settings or MoveSettings()
    after = outcome.aftermath
    for gang in _largest_first(outcome)[: settings.gangs_tried]:
        found = _for_gang(after, gang, gangs, running, settings)
        if found is not None:
            return found
    return None


def _largest_first(outcome: Plan) -> list[int]:
    """Pending gangs that only other batch tasks keep out, by the cores they need."""
    columns, near = outcome.aftermath.snapshot.gangs, outcome.aftermath.near
    roles = np.bincount(columns.leads, minlength=len(columns.ids))
    alone = outcome.pending[roles[outcome.pending] == 1]
    alone = alone[~columns.asks_gpus[alone]]
    if near is not None and columns.kind is not None:
        alone = alone[~near.constraints.wide[columns.kind[alone]]]
    order = alone[np.argsort(-least_cores(columns)[alone], kind="stable")]
    helped = {Blocked.NO_ROOM_NOW, Blocked.HOLDS_RESERVATION}
    free_cores = float(np.maximum(outcome.aftermath.room.cpu_cores[0], 0.0).sum())
    fits_sum = [row for row in order.tolist() if least_cores(columns)[row] <= free_cores]
    return [row for row in fits_sum[:50] if outcome.blocked(row) in helped]


def _for_gang(
    after: Aftermath,
    gang: int,
    gangs: RunningGangs,
    running: RunningTasks,
    settings: MoveSettings,
) -> Moves | None:
    columns, nodes = after.snapshot.gangs, after.snapshot.nodes
    saved_core_s = _waiting(after, gang) * float(least_cores(columns)[gang])
    may_go = after.now_s - gangs.evicted_s >= settings.cool_down_s
    for _ in range(settings.choices_tried):
        need = Need(
            task=task_of(
                columns, gang, level=int(after.level[gang]), constraints=nodes.constraints
            ),
            tasks=int(columns.min_available[gang]),
            room=Room(after.room.cpu_cores, after.room.memory_bytes, constraints=nodes.constraints),
            stakes=_stakes(after, gangs, running, may_go, settings),
            owed_cores=np.zeros(len(after.snapshot.queues.names)),
        )
        victims = least_harm(need)
        if victims is None or victims.harm_core_s >= saved_core_s:
            return None  # any other choice would cost more still
        if int(victims.evicted.sum()) > settings.most_tasks:
            return None
        claim, back, homeless = _places_for_all(need, victims)
        if homeless is None:
            kept = Reservation(gang, columns.ids[gang], after.now_s, *claim)
            reason = _reason(after, gang, need.stakes, victims, saved_core_s)
            return Moves(gang, victims, back, saved_core_s, kept, reason)
        may_go = may_go.copy()
        may_go[homeless] = False
    return None


def _waiting(after: Aftermath, gang: int) -> int:
    """Seconds until running tasks are predicted to have made room."""
    nodes, columns = after.snapshot.nodes, after.snapshot.gangs
    endings = Endings.of(nodes, after.snapshot.running, now_s=after.now_s)
    if not len(endings.end_s):
        return 0
    task = task_of(columns, gang, level=int(after.level[gang]), constraints=nodes.constraints)
    kind = TaskClasses.one(task)
    return endings.first_fit_s(kind, tasks=int(columns.min_available[gang])) - after.now_s


def _stakes(
    after: Aftermath,
    gangs: RunningGangs,
    running: RunningTasks,
    may_go: BoolArray,
    settings: MoveSettings,
) -> Stakes:
    tree = after.snapshot.queues
    return stakes(
        gangs,
        running,
        may_go=may_go,
        spare_cores=np.full(len(tree.names), np.inf),  # they come back: no queue loses anything
        tree=tree,
        horizons_s=after.snapshot.nodes.horizons_s,
        now_s=after.now_s,
        restart_s=settings.restart_s,
    )


def _places_for_all(
    need: Need, victims: Victims
) -> tuple[tuple[IntArray, IntArray], tuple[tuple[int, IntArray, IntArray], ...], int | None]:
    """Places for the gang and for each bundle that made way; or the gang that finds none."""
    room, running = need.room_after(victims.evicted), need.stakes.running
    room = replace(room, cpu_cores=room.cpu_cores.copy(), memory_bytes=room.memory_bytes.copy())
    claim = _fullest(room, need.task, need.tasks)
    room.take(*claim, need.task)
    back: list[tuple[int, IntArray, IntArray]] = []
    moved = np.flatnonzero(victims.evicted)
    for bundle in moved[np.argsort(-running.cpu_cores[moved], kind="stable")].tolist():
        task = Task(
            float(running.cpu_cores[bundle]),
            float(running.memory_bytes[bundle]),
            int(need.stakes.level[bundle]),
            0 if running.row is None else int(running.row[bundle]),
        )
        free = room if running.row is not None else replace(room, constraints=None)
        nodes, count = _fullest(free, task, int(victims.evicted[bundle]))
        if not len(nodes):
            return claim, (), int(running.gang[bundle])
        room.take(nodes, count, task)
        back.append((bundle, nodes, count))
    return claim, tuple(back), None


def _fullest(room: Room, task: Task, tasks: int) -> tuple[IntArray, IntArray]:
    """The fullest nodes that fit, so that what lies together stays together."""

    def cost(able: IntArray) -> FloatArray:
        left: FloatArray = room.cpu_cores[task.level, able]
        return left

    fits = room.tasks_per_node(TaskClasses.one(task))[0]
    return nodes_for_gang(fits, cost, tasks=tasks, min_available=tasks)


def _reason(
    after: Aftermath, gang: int, stake: Stakes, victims: Victims, saved_core_s: float
) -> str:
    columns = after.snapshot.gangs
    moved, hit = int(victims.evicted.sum()), np.flatnonzero(victims.evicted)
    return (
        f"moves {moved} {'task' if moved == 1 else 'tasks'} of "
        f"{len(np.unique(stake.running.gang[hit]))} running gangs to other nodes so that "
        f"{columns.ids[gang]} starts now and not in {duration_text(_waiting(after, gang))}: "
        f"{duration_text(int(victims.harm_core_s))} of one core's work are lost, "
        f"{duration_text(int(saved_core_s))} of waiting are saved"
    )
