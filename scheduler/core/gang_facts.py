"""What a person wants to know about one gang, as a row: command lines and pages show the same.

    state      where it is in its life (`lifecycle.Phase`)
    have/need  pods that it may count on, pods without which it does not start
    cause      the one thing that keeps it waiting, as a code; the sentence has the numbers
    position   its place in the line of its queue
    start      when it is predicted to start (`foresee.py`)

Always holds: a gang that waits has exactly one cause and one sentence; one that does not has none.
Rows are in the order in which a person on call reads them: who is stuck halfway, who waits (in the
order of turns), who runs, who has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scheduler.core.explain import Blocked
from scheduler.core.lifecycle import Life, LifecycleSettings, Phase, step
from scheduler.core.member import Member, Stage
from scheduler.core.members import Gang
from scheduler.core.standing import Standing
from scheduler.core.ways_in.shape import MOST_MEMBERS

MILLI: Final = 1_000.0
GONE: Final = frozenset({Stage.DONE, Stage.FAILED, Stage.LEAVING})


class Cause(StrEnum):
    """What keeps a gang waiting that the planner is not asked about, or has just answered."""

    INCOMPLETE = "not all that it needs is there"
    SUSPENDED = "its owner suspended it"
    BACKING_OFF = "it lost its place, or failed, and is tried again later"
    BEING_BOUND = "it has its places and is being bound"
    NEXT_ROUND = "there is room: it starts in the next round"
    UNSEEN = "what the planner goes by may not be read here"


HELPS: Final[Mapping[str, str]] = {
    Blocked.LARGER_THAN_CLUSTER.name: "a smaller gang or smaller tasks, or bigger nodes",
    Blocked.NO_NODE_ALLOWED.name: "other labels, tolerations or volumes on its pods, or on nodes",
    Blocked.GPUS.name: "GPUs that are given back, fewer for each task, or another model",
    Blocked.QUEUE_AT_MAX.name: "work of that queue that ends, or a higher maximum for it",
    Blocked.HOLDS_RESERVATION.name: "nothing: room is being kept for it",
    Blocked.NEIGHBOURS.name: "less spread, affinity or packing, or neighbours elsewhere",
    Blocked.NOT_TOGETHER.name: "room for all its roles at once: fewer or smaller tasks",
    Blocked.BEHIND_RESERVATION.name: "a shorter slacktide.io/expected-duration, if it is true",
    Blocked.NODES_CLOSED.name: "opening nodes that are cordoned or not ready",
    Blocked.NO_ROOM_NOW.name: "running batch tasks that end; starting with fewer tasks",
    Blocked.ONLINE_NEEDS_THE_ROOM.name: "online's ebb; starting with fewer or smaller tasks",
    Cause.INCOMPLETE.name: "the pods that are missing, from whoever makes them",
    Cause.SUSPENDED.name: "resuming it",
    Cause.BACKING_OFF.name: "nothing: it is tried again when its back-off ends",
    Cause.BEING_BOUND.name: "nothing: kube-scheduler is at it; see the pods' Events if it stays so",
    Cause.NEXT_ROUND.name: "nothing; if it stays so, see whether a planner runs: slacktide top",
    Cause.UNSEEN.name: "the right to list nodes, and pods of all namespaces",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GangFact:
    """One gang now."""

    namespace: str
    gang: str
    way_in: str
    queue: str
    state: Phase
    have: int
    need: int
    wanted: int
    placed: int  # have a node
    cpu_cores: float  # of all its pods that are there
    memory_bytes: int
    priority: int
    submit_s: float
    waiting_s: float | None  # None: it does not wait
    position: int | None  # in the line of its queue, 1 is next
    line: int | None  # how many stand in that line
    cause: str  # a code, empty where it does not wait
    reason: str
    start_s: float | None  # predicted; None: it does not wait, or no start is foreseen
    start_after_s: float | None  # where none is: it was looked ahead no further than that
    duration_s: float | None
    nodes: tuple[str, ...]
    decided_s: int | None  # when its newest places were decided
    preemptions: int  # how often it lost its place as a whole
    evicted_s: float | None  # when any of its pods was evicted for others last

    @property
    def id(self) -> str:
        """As commands take it."""
        return f"{self.namespace}/{self.gang}"

    @property
    def waits(self) -> bool:
        """Whether it wants to start and has not."""
        return self.waiting_s is not None

    @property
    def asks(self) -> bool:
        """Whether it wants a place of the planner."""
        return self.position is not None or self.cause == Cause.NEXT_ROUND.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the planner says about a gang that asked."""

    cause: str
    reason: str
    position: int | None = None
    line: int | None = None
    start_s: float | None = None
    start_after_s: float | None = None


def gang_fact(
    gang: Gang,
    standing: Standing | None,
    members: Sequence[Member],
    answer: Answer | None,
    life: Life | None = None,
    *,
    now_s: float,
) -> GangFact:
    """The row of one gang.

    Args:
        gang: as its way in tells it.
        standing: where it stands; None for one that has no pods.
        members: its tasks.
        answer: what the planner says; None where it was not asked.
        life: what is remembered of it; None where nobody does.
        now_s: since the epoch.
    """
    there = [one for one in members if one.stage not in GONE]
    with_place = [one for one in there if one.node]
    life = life or _as_seen(gang, placed=bool(with_place), now_s=now_s)
    phase = life.phase
    waits = phase in WAITING
    said = answer or _unasked(gang, standing, life, now_s=now_s)
    return GangFact(
        namespace=gang.key.namespace,
        gang=gang.key.name,
        way_in=gang.key.source,
        queue=gang.queue,
        state=phase,
        have=gang.have,
        need=gang.least,
        wanted=wanted(gang),
        placed=len(with_place),
        cpu_cores=sum(one.cpu_milli for one in there) / MILLI,
        memory_bytes=sum(one.memory_bytes for one in there),
        priority=gang.priority,
        submit_s=gang.submit_s,
        waiting_s=max(now_s - gang.submit_s, 0.0) if waits else None,
        position=said.position if waits else None,
        line=said.line if waits else None,
        cause=said.cause if waits else "",
        reason=said.reason if waits else _settled(gang, phase, said),
        start_s=said.start_s if waits else None,
        start_after_s=said.start_after_s if waits and said.start_s is None else None,
        duration_s=gang.duration_s,
        nodes=tuple(sorted({one.node for one in with_place})),
        decided_s=max((one.decision.at_s for one in with_place if one.decision), default=None),
        preemptions=life.preemptions,
        evicted_s=life.evicted_s,
    )


WAITING: Final = frozenset({Phase.QUEUED, Phase.SUSPENDED, Phase.ADMITTED, Phase.PREEMPTED})
_ORDER: Final = (
    Phase.ADMITTED,
    Phase.PREEMPTED,
    Phase.QUEUED,
    Phase.SUSPENDED,
    Phase.RESUMED,
    Phase.RUNNING,
    Phase.FAILED,
    Phase.DONE,
)


def _as_seen(gang: Gang, *, placed: bool, now_s: float) -> Life:
    """Its life as far as the objects that are there tell."""
    return step(None, gang, now_s=now_s, settings=LifecycleSettings(), planned=placed).life


def wanted(gang: Gang) -> int:
    """With how many pods it would be complete; those that are there, where nobody says."""
    most = [role.most for role in gang.roles]
    said = most[0] if len(most) == 1 and most[0] < MOST_MEMBERS else 0
    return max(gang.least, gang.have, said)


def in_reading_order(facts: Sequence[GangFact], turns: Mapping[str, int]) -> list[GangFact]:
    """As a person on call reads them; `turns` says when each queue's turn is, 1 first."""
    return sorted(facts, key=lambda fact: _place(fact, turns))


def _place(fact: GangFact, turns: Mapping[str, int]) -> tuple[float | str, ...]:
    return (
        _ORDER.index(fact.state),
        not fact.asks,  # who cannot be planned yet stands behind those in line
        turns.get(fact.queue, len(turns) + 1),
        fact.position or 0,
        fact.submit_s if fact.waits else -fact.submit_s,
        fact.namespace,
        fact.gang,
    )


def _unasked(gang: Gang, standing: Standing | None, life: Life, *, now_s: float) -> Answer:
    """What keeps a gang waiting that did not ask the planner."""
    if gang.suspended:
        return Answer(cause=Cause.SUSPENDED.name, reason=gang.reason)
    if now_s < life.not_before_s:
        return Answer(cause=Cause.BACKING_OFF.name, reason=life.reason)
    if not gang.ready:
        return Answer(cause=Cause.INCOMPLETE.name, reason=gang.reason)
    if standing is not None and not standing.asks:
        reason = f"{standing.placed} of the {gang.least} pods it needs are bound to their nodes"
        return Answer(cause=Cause.BEING_BOUND.name, reason=reason)
    return Answer(cause=Cause.UNSEEN.name, reason=Cause.UNSEEN.value)


def _settled(gang: Gang, phase: Phase, said: Answer) -> str:
    """The sentence of one that does not wait."""
    if gang.outcome is not None:
        return gang.outcome.reason
    more = "" if said.cause in Cause.__members__ else f"; its other pods: {said.reason}"
    return f"all that it needs is {phase.value}{more}"
