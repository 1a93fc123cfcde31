"""A gang or a pod in a few plain sentences: where it is, what it has, what blocks it, its start.

Always holds: a sentence says one thing with its numbers; what is not known is not said; the one
that names what blocks a gang is the planner's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from scheduler.core.explain import duration_text
from scheduler.core.gang_facts import HELPS, GangFact
from scheduler.core.lifecycle import ENDED, LIVE
from scheduler.core.member import Member, Stage
from scheduler.core.picture import PlannerFact
from scheduler.core.queue_facts import QueueFact
from scheduler.core.why_here import WhyHere

GIB: Final = 2**30
MILLI: Final = 1_000.0
SHOWN: Final = 3  # nodes that a sentence names
WAYS: Final = {
    "slacktide": "its annotations",
    "native": "a PodGroup (scheduling.k8s.io)",
    "coscheduling": "a PodGroup (scheduling.x-k8s.io)",
    "koordinator": "Koordinator's annotations",
    "light": "its labels",
    "kueue": "Kueue's labels",
    "volcano": "a PodGroup (Volcano)",
    "jobset": "a JobSet",
    "ray": "a RayCluster",
    "spark": "Spark's labels",
    "training": "a training operator's labels",
    "job": "a Job",
    "pod": "a pod of its own",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An Event about it."""

    at_s: float
    reason: str
    message: str
    about: str  # the pod's name


def gang_told(
    fact: GangFact,
    queue: QueueFact | None,
    events: Sequence[Told],
    planner: PlannerFact | None,
    *,
    now_s: float,
) -> tuple[str, ...]:
    """The sentences about a gang, the most wanted first."""
    sentences = [_where(fact), _has(fact)]
    if fact.waits:
        sentences += _waiting(fact, queue, planner, now_s=now_s)
    elif fact.state in LIVE:
        sentences.append(_running(fact, now_s=now_s))
    elif fact.state in ENDED and fact.reason:
        sentences.append(f"{fact.reason[0].upper()}{fact.reason[1:]}.")
    sentences += _lost(fact, now_s=now_s)
    return (*sentences, *happened(events))


def pod_told(
    one: Member, fact: GangFact, why: WhyHere | None, events: Sequence[Told], *, now_s: float
) -> tuple[str, ...]:
    """The sentences about one task of a gang; those about the gang are `gang_told`'s."""
    sentences = [_stage(one, fact, now_s=now_s)]
    if why is not None:
        sentences.append(_why_here(why))
    return (*sentences, *happened(events))


def happened(events: Sequence[Told]) -> list[str]:
    """What Events say, the newest first; those that say the same are one line."""
    same: dict[tuple[str, str], list[Told]] = {}
    for told in sorted(events, key=lambda told: -told.at_s):
        same.setdefault((told.reason, told.message), []).append(told)
    return [_line(own) for own in same.values()]


def _line(own: Sequence[Told]) -> str:
    newest = own[0]
    again = f", {len(own)} times" if len(own) > 1 else ""
    said = f"{newest.reason}: {newest.message}"
    return f"{_clock(newest.at_s)} {said} ({newest.about}{again})"


def size_text(cpu_cores: float, memory_bytes: int) -> str:
    """`2 cores and 4 GiB`; what is not asked for is not said."""
    cores = f"{cpu_cores:.6g} {'core' if cpu_cores == 1 else 'cores'}" if cpu_cores else ""
    memory = f"{memory_bytes / GIB:.4g} GiB" if memory_bytes else ""
    return " and ".join(filter(None, (cores, memory))) or "nothing"


def nodes_text(nodes: Sequence[str]) -> str:
    """`n1, n2, n3 and 4 more`."""
    more = f" and {len(nodes) - SHOWN} more" if len(nodes) > SHOWN else ""
    return ", ".join(nodes[:SHOWN]) + more


def _where(fact: GangFact) -> str:
    so_long = "" if fact.waiting_s is None else f"; it has waited {_so_long(fact.waiting_s)}"
    by = WAYS.get(fact.way_in, fact.way_in)
    return f"{fact.id} is {fact.state.value} in queue {fact.queue}, a gang by {by}{so_long}."


def _has(fact: GangFact) -> str:
    most = f" ({fact.wanted} at most)" if fact.wanted != fact.need else ""
    pods = "pod" if fact.need == 1 else "pods"
    size = size_text(fact.cpu_cores, fact.memory_bytes)
    return (
        f"It has {fact.have} of the {fact.need} {pods} that it needs{most}, {fact.placed} with a "
        f"node; all that are there ask for {size}."
    )


def _waiting(
    fact: GangFact, queue: QueueFact | None, planner: PlannerFact | None, *, now_s: float
) -> list[str]:
    found = []
    if fact.position is not None:
        turn = "" if queue is None or queue.turn is None else f"; the queue's turn is {queue.turn}"
        why = "" if queue is None or not queue.why else f" ({queue.why})"
        found.append(f"It is number {fact.position} of {fact.line} in its queue{turn}{why}.")
    found.append(f"What blocks it is {fact.cause}: {fact.reason}.")
    help_ = HELPS.get(fact.cause)
    if help_:
        found.append(f"What would help: {help_}.")
    if fact.asks:
        found.append(_start(fact, now_s=now_s))
    if planner is not None and not planner.alive:
        heard = duration_text(int(planner.heard_s))
        found.append(f"No planner is at work: the last one was heard of {heard} ago.")
    return found


def _so_long(seconds: float) -> str:
    return duration_text(max(int(seconds), 0))


def _lost(fact: GangFact, *, now_s: float) -> list[str]:
    """How often it lost its place; the Events say why."""
    found = []
    if fact.preemptions:
        times = "once" if fact.preemptions == 1 else f"{fact.preemptions} times"
        found.append(f"It lost its place {times} and kept its age.")
    if fact.evicted_s is not None:
        ago = _so_long(now_s - fact.evicted_s)
        found.append(f"Pods of it were evicted for a better claim, last {ago} ago.")
    return found


def _start(fact: GangFact, *, now_s: float) -> str:
    if fact.start_s is None and fact.start_after_s is not None:
        further = duration_text(int(fact.start_after_s - now_s))
        return f"No start is foreseen within {further}, and no further was looked."
    if fact.start_s is None:
        return "No start is foreseen: nothing that is expected to end makes way for it."
    ahead_s = int(fact.start_s - now_s)
    if ahead_s <= 0:
        return "It starts in the planner's next round."
    return (
        f"It is predicted to start in about {duration_text(ahead_s)} ({_clock(fact.start_s)}), if "
        "running work ends as expected and nobody goes before it who is not there yet."
    )


def _running(fact: GangFact, *, now_s: float) -> str:
    decided = ""
    if fact.decided_s is not None:
        decided = f", decided {duration_text(max(int(now_s - fact.decided_s), 0))} ago"
    return f"It runs on {nodes_text(fact.nodes)}{decided}: {fact.reason}."


def _stage(one: Member, fact: GangFact, *, now_s: float) -> str:
    name = f"{one.namespace}/{one.name}"
    size = size_text(one.cpu_milli / MILLI, one.memory_bytes)
    said = {
        Stage.GATED: "is held back by somebody else's scheduling gate",
        Stage.WAITING: "waits for a place together with its gang",
        Stage.RELEASED: f"has its place on node {one.node} and is not bound yet",
        Stage.BOUND: f"runs on node {one.node}",
        Stage.DONE: f"is done; it ran on node {one.node}" if one.node else "is done",
        Stage.FAILED: f"has failed; it was on node {one.node}" if one.node else "has failed",
        Stage.LEAVING: "is being deleted",
    }[one.stage]
    decided = ""
    if one.decision is not None:
        ago = duration_text(max(int(now_s - one.decision.at_s), 0))
        decided = f", decided {ago} ago with {one.decision.tasks} tasks by plan {one.decision.plan}"
    return f"{name} ({size}) of gang {fact.id} {said}{decided}."


def _why_here(why: WhyHere) -> str:
    if why.fitting == 0:
        return f"Node {why.node} has no room for such a task now beside what runs there."
    best = "no node costs less" if why.rank == 1 else f"{why.best} costs {why.best_cost:.3g}"
    return (
        f"As nodes are now, {why.fitting} would fit such a task and {why.node} is number "
        f"{why.rank} of them by cost: {why.cost:.3g} = {why.lifetime:.3g} long room taken + "
        f"{why.emptiness:.3g} left empty + {why.imbalance:.3g} left out of balance; {best}."
    )


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
