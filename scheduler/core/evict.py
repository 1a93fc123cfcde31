"""Who may have running tasks evicted, whose, and for how much.

Two claims are heard, of the gang whose turn it is:

    guarantee   its queue (or one above) ends within its guarantee with the gang: gangs of others
                may go, as long as no queue falls below its own guarantee
    priority    gangs of its own queue that have a lower priority may go, for room or for quota

Neither can be turned around: who was evicted for a guarantee belongs to a queue that has at least
its own, and priorities only rise. With a cool-down on top, nobody is evicted back and forth.

One claim a round: the caller evicts, keeps the reservation, and the next round places the gang.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from scheduler.core.contenders import least_cores
from scheduler.core.explain import Aftermath, duration_text
from scheduler.core.fit import Room, task_of
from scheduler.core.harm import RunningGangs, RunningTasks, stakes
from scheduler.core.least_harm import Need, Victims, least_harm
from scheduler.core.plan import Plan
from scheduler.core.queue_order import in_line
from scheduler.core.queues import CORES_TOLERANCE
from scheduler.core.reserve import Reservation
from slacktide.messages import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class EvictionSettings:
    """What an operator may turn; each default with its reason."""

    cool_down_s: int = 1800  # half an hour: an evicted gang gets at least that far again
    restart_s: int = 60  # what a start costs beside the work lost: images, executors, warm caches
    claims_tried: int = 10  # a round; the next round tries the next ones


@dataclass(frozen=True, slots=True)
class Eviction:
    """What to evict for whom."""

    gang: int  # row of the claiming gang in this round
    need: Need  # what was asked for it
    victims: Victims
    reservation: Reservation  # hand it to the next round as kept
    reason: str


def eviction(
    outcome: Plan,
    gangs: RunningGangs,
    running: RunningTasks,
    *,
    settings: EvictionSettings | None = None,
) -> Eviction | None:
    """The least harmful eviction for the first pending gang that has a claim and can be helped.

    Gangs of one role, whose tasks do not bind each other and ask for no GPUs, are helped; others
    wait for room to come. Victims may hold GPUs: those return with the rest.
    """
    settings = settings or EvictionSettings()
    after = outcome.aftermath
    for gang in _claimants(after, outcome.pending, tried=settings.claims_tried):
        found = _for_gang(after, gang, gangs, running, settings)
        if found is not None:
            return found
    return None


def may_claim(outcome: Plan, least_priority: Mapping[int, int]) -> bool:
    """Whether any pending gang could have a claim, by its queue and priority alone.

    Cheap, so that who runs is looked at only where it may matter. `least_priority` is that of
    running gangs, by queue.
    """
    after, columns = outcome.aftermath, outcome.aftermath.snapshot.gangs
    cores = least_cores(columns)
    for row in _claimants(after, outcome.pending, tried=EvictionSettings().claims_tried):
        queue = int(columns.queue[row])
        if least_priority.get(queue, int(columns.priority[row])) < int(columns.priority[row]):
            return True
        if _guarantor(after, queue, float(cores[row])) is not None:
            return True
    return False


def _claimants(after: Aftermath, pending: IntArray, *, tried: int) -> Iterator[int]:
    """Pending gangs by turn of their queue, the first of each queue."""
    columns = after.snapshot.gangs
    roles = np.bincount(columns.leads, minlength=len(columns.ids))
    line = in_line(columns, pending[(roles[pending] == 1) & ~columns.asks_gpus[pending]])
    _, first = np.unique(columns.queue[line], return_index=True)
    heads = sorted(line[first].tolist(), key=lambda row: after.shares.turn(int(columns.queue[row])))
    yield from heads[:tried]


def _for_gang(
    after: Aftermath,
    gang: int,
    gangs: RunningGangs,
    running: RunningTasks,
    settings: EvictionSettings,
) -> Eviction | None:
    columns, tree = after.snapshot.gangs, after.snapshot.queues
    queue, cores = int(columns.queue[gang]), float(least_cores(columns)[gang])
    if cores > after.shares.most_cpu_cores()[queue] + CORES_TOLERANCE or _binds_itself(after, gang):
        return None
    cooled = after.now_s - gangs.evicted_s >= settings.cool_down_s
    lower = (gangs.queue == queue) & (gangs.priority < int(columns.priority[gang]))
    may_go = cooled & (lower | _outside_guarantee(after, queue, cores, gangs.queue))
    if not may_go.any():
        return None
    nodes, level = after.snapshot.nodes, int(after.level[gang])
    need = Need(
        task=task_of(columns, gang, level=level, constraints=nodes.constraints),
        tasks=int(columns.min_available[gang]),
        room=Room(after.room.cpu_cores, after.room.memory_bytes, constraints=nodes.constraints),
        stakes=stakes(
            gangs,
            running,
            may_go=may_go,
            spare_cores=_spare(after, queue),
            tree=tree,
            horizons_s=nodes.horizons_s,
            now_s=after.now_s,
            restart_s=settings.restart_s,
        ),
        owed_cores=_owed(after, queue, cores),
    )
    victims = least_harm(need)
    if victims is None or not victims.evicted.any():
        return None
    return Eviction(
        gang=gang,
        need=need,
        victims=victims,
        reservation=_kept(after, gang, need, victims),
        reason=_reason(after, gang, need, victims, gangs),
    )


def _binds_itself(after: Aftermath, gang: int) -> bool:
    kind, near = after.snapshot.gangs.kind, after.near
    return near is not None and kind is not None and bool(near.constraints.wide[kind[gang]])


def _outside_guarantee(after: Aftermath, queue: int, cores: float, queue_of: IntArray) -> BoolArray:
    """[R] gangs outside the first queue, from the gang's own up, whose guarantee covers it."""
    above, paths = _guarantor(after, queue, cores), after.snapshot.queues.paths
    if above is None:
        return np.zeros(len(queue_of), np.bool_)
    return np.array([above not in paths[other] for other in queue_of.tolist()], np.bool_)


def _guarantor(after: Aftermath, queue: int, cores: float) -> int | None:
    """The first queue, from the gang's own up, whose guarantee covers it; None for none."""
    tree, used = after.snapshot.queues, after.shares.used_cpu_cores
    for above in reversed(tree.paths[queue]):
        if used[above] + cores <= float(tree.guaranteed_cpu_cores[above]) + CORES_TOLERANCE:
            return above
    return None


def _spare(after: Aftermath, queue: int) -> FloatArray:
    """[Q] cores above its guarantee in each queue; those on the gang's own path get them back."""
    tree = after.snapshot.queues
    spare = np.maximum(np.array(after.shares.used_cpu_cores) - tree.guaranteed_cpu_cores, 0.0)
    spare[list(tree.paths[queue])] = np.inf
    return spare


def _owed(after: Aftermath, queue: int, cores: float) -> FloatArray:
    """[Q] cores by which the gang would take each queue on its path beyond its maximum."""
    tree, path = after.snapshot.queues, list(after.snapshot.queues.paths[queue])
    owed = np.zeros(len(tree.names))
    used = np.array(after.shares.used_cpu_cores)
    owed[path] = np.maximum(used[path] + cores - tree.max_cpu_cores[path], 0.0)
    return owed


def _kept(after: Aftermath, gang: int, need: Need, victims: Victims) -> Reservation:
    fits = need.fits(victims.evicted)
    nodes = np.flatnonzero(fits)
    count = np.minimum(fits[nodes], need.tasks)
    return Reservation(gang, after.snapshot.gangs.ids[gang], after.now_s, nodes, count)


def _reason(after: Aftermath, gang: int, need: Need, victims: Victims, gangs: RunningGangs) -> str:
    columns, tree, stake = after.snapshot.gangs, after.snapshot.queues, need.stakes
    queue = int(columns.queue[gang])
    lost = np.bincount(stake.running.gang, weights=victims.evicted, minlength=len(stake.size))
    hit = np.flatnonzero(lost)
    first = ", ".join(f"{int(lost[g])} of {stake.size[g]} tasks of {gangs.ids[g]}" for g in hit[:3])
    more = f" and of {len(hit) - 3} gangs more" if len(hit) > 3 else ""
    judged = "nothing less harmful would do" if victims.proven else "the least harm found"
    work = duration_text(int(victims.harm_core_s))
    return (
        f"evicts {first}{more} so that {columns.ids[gang]} starts: {work} of one core's work are "
        f"lost, {judged}; queue {tree.names[queue]} uses "
        f"{after.shares.used_cpu_cores[queue]:.6g} cores of "
        f"{float(tree.guaranteed_cpu_cores[queue]):.6g} guaranteed"
    )
