"""The life of a gang: queued, admitted, running, preempted, resumed, done, failed.

    queued ──planned──> admitted ──all bound──> running / resumed ──> done, failed
      ^  ^                 │                        │
      │  └── taken back ───┘                        │ members lost, evicted or failed
      │                                             v
      └───────────── after a back-off ───────── preempted
    suspended: by its owner; from anywhere, and back to queued

`step` looks at what is there now, never at single events, so missed or doubled events change
nothing. Always holds: a gang that comes back keeps the age of its first submission; it is not
planned before its back-off ends; what has ended stays as it is until a gang of that name is
submitted anew; every phase has a sentence.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, TypeVar

from scheduler.core.members import Gang


class Phase(StrEnum):
    """Where a gang is in its life."""

    QUEUED = "queued"
    SUSPENDED = "suspended"  # by its owner
    ADMITTED = "admitted"  # it has a place, and is being bound
    RUNNING = "running"
    RESUMED = "resumed"  # running again
    PREEMPTED = "preempted"  # it lost its place, and backs off
    DONE = "done"
    FAILED = "failed"


LIVE = frozenset({Phase.RUNNING, Phase.RESUMED})
ENDED = frozenset({Phase.DONE, Phase.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleSettings:
    """How patient the scheduler is with a gang."""

    first_backoff_s: float = 10.0
    """Wait after the first loss of its place or failure; doubles with each. Kubernetes' own for
    restarts of containers and for Jobs."""
    longest_backoff_s: float = 300.0
    """No wait is longer. As kubelet's for containers."""
    healthy_after_s: float = 600.0
    """A run of this length forgets earlier losses and failures. As kubelet's for containers."""
    gone_after_s: float = 60.0
    """A gang without pods and object for so long is over. Owners make new pods within seconds."""
    finished_kept_s: float = 7 * 86_400.0
    """How long the story of a finished gang is kept, for `explain`."""
    finished_kept: int = 10_000
    """How many of them at most: some 5 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What is remembered of a gang."""

    phase: Phase
    reason: str
    submit_s: float  # its age counts from here, whatever happens to its pods
    since_s: float  # in this phase
    not_before_s: float = 0.0  # it backs off until then
    runs: int = 0
    preemptions: int = 0
    setbacks: int = 0  # losses and failures since it last ran well
    failed_pods: int = 0  # seen so far
    evicted_s: float | None = None  # when we last evicted any of its pods
    gone_s: float | None = None  # nothing of it was there since


class Step(NamedTuple):
    """One step of a life."""

    life: Life
    stop: bool = False  # its time is up: its Job, or else its pods, get an activeDeadlineSeconds


def begun(gang: Gang, *, now_s: float, ran_since_s: float | None = None) -> Life:
    """A gang that is seen for the first time, or by a scheduler that has just started.

    `ran_since_s` is when it began to run, if it runs and anybody knows.
    """
    life = Life(
        phase=Phase.QUEUED,
        reason=gang.reason or "waits for its turn",
        submit_s=gang.submit_s,
        since_s=now_s,
        failed_pods=gang.failed,
    )
    if not gang.whole:
        return life
    return _running(life, now_s=now_s if ran_since_s is None else ran_since_s)


def step(
    life: Life | None,
    gang: Gang | None,
    *,
    now_s: float,
    settings: LifecycleSettings,
    planned: bool = False,
    lost: str = "",
) -> Step:
    """The life after looking at the gang as it is now.

    Args:
        life: as it was; None for a gang never seen.
        gang: None where neither pods nor an object are there.
        now_s: since the epoch.
        settings: how patient to be.
        planned: it has a place in the plan that stands.
        lost: why the scheduler took its place from it as a whole since the last step, if so.

    Raises:
        ValueError: neither a life nor a gang.
    """
    if gang is None:
        if life is None:
            raise ValueError("a life needs a gang to begin with")
        return Step(_gone(life, now_s=now_s, settings=settings))
    if life is None or (life.phase in ENDED and gang.made_s > life.since_s):
        life = begun(gang, now_s=now_s)
    life = replace(life, gone_s=None)
    taken = gang.outcome is not None or gang.suspended  # its owner says where it stands
    if life.phase is Phase.ADMITTED and not taken:
        admitted = _admitted(life, gang, now_s=now_s, settings=settings, planned=planned, lost=lost)
        return Step(admitted)
    if life.phase in LIVE and not taken:
        return _live(life, gang, now_s=now_s, settings=settings, lost=lost)
    ended = life.phase in ENDED
    return Step(life if ended else _waiting(life, gang, now_s=now_s, planned=planned))


Name = TypeVar("Name", bound=Hashable)


def retained(
    lives: Mapping[Name, Life], *, now_s: float, settings: LifecycleSettings
) -> dict[Name, Life]:
    """Those worth keeping: all that have not ended, and the latest and youngest that have."""
    ended = [(life.since_s, name) for name, life in lives.items() if life.phase in ENDED]
    young = [one for one in ended if now_s - one[0] <= settings.finished_kept_s]
    young.sort(key=lambda one: one[0])
    kept = {name for _, name in young[len(young) - min(len(young), settings.finished_kept) :]}
    return {name: life for name, life in lives.items() if life.phase not in ENDED or name in kept}


def _waiting(life: Life, gang: Gang, *, now_s: float, planned: bool) -> Life:
    if gang.outcome is not None:
        phase = Phase.DONE if gang.outcome.done else Phase.FAILED
        return _entered(life, phase, gang.outcome.reason, now_s=now_s)
    if gang.suspended:
        return _entered(life, Phase.SUSPENDED, gang.reason, now_s=now_s)
    if now_s < life.not_before_s:  # what it lost may still be seen for a moment
        return life
    if gang.whole:
        return _running(life, now_s=now_s)
    if planned:
        return _entered(life, Phase.ADMITTED, "has a place: its pods are being bound", now_s=now_s)
    return _entered(life, Phase.QUEUED, gang.reason or "waits for its turn", now_s=now_s)


def _admitted(
    life: Life,
    gang: Gang,
    *,
    now_s: float,
    settings: LifecycleSettings,
    planned: bool,
    lost: str,
) -> Life:
    if lost:
        return _backing_off(life, Phase.QUEUED, lost, now_s=now_s, settings=settings)
    if gang.whole:
        return _running(life, now_s=now_s)
    if gang.failed > life.failed_pods:
        return _pods_failed(life, gang, now_s=now_s, settings=settings)
    if planned:
        return life
    return _entered(life, Phase.QUEUED, "its place in the plan was taken back", now_s=now_s)


def _live(life: Life, gang: Gang, *, now_s: float, settings: LifecycleSettings, lost: str) -> Step:
    ran_s = now_s - life.since_s
    if ran_s >= settings.healthy_after_s and life.setbacks:
        life = replace(life, setbacks=0)
    if gang.limit_s is not None and ran_s >= gang.limit_s:
        reason = f"ran for {gang.limit_s:g} s, which is its time limit"
        return Step(_entered(life, Phase.FAILED, reason, now_s=now_s), stop=True)
    if gang.failed > life.failed_pods and not gang.whole:
        return Step(_pods_failed(life, gang, now_s=now_s, settings=settings))
    life = replace(life, failed_pods=gang.failed)
    if not lost and gang.whole:
        return Step(life)
    reason = lost or f"only {gang.started} of the {gang.least} pods that it needs are left"
    life = replace(life, preemptions=life.preemptions + 1)
    return Step(_backing_off(life, Phase.PREEMPTED, reason, now_s=now_s, settings=settings))


def _pods_failed(life: Life, gang: Gang, *, now_s: float, settings: LifecycleSettings) -> Life:
    life = replace(life, failed_pods=gang.failed)
    reason = f"{gang.failed} of its pods failed"
    return _backing_off(life, Phase.QUEUED, reason, now_s=now_s, settings=settings)


def _running(life: Life, *, now_s: float) -> Life:
    again = life.runs > 0
    phase = Phase.RESUMED if again else Phase.RUNNING
    reason = f"runs again: run {life.runs + 1}" if again else "all that it needs runs"
    ran = replace(life, runs=life.runs + 1, not_before_s=0.0)
    return _entered(ran, phase, reason, now_s=now_s)


def _backing_off(
    life: Life, phase: Phase, reason: str, *, now_s: float, settings: LifecycleSettings
) -> Life:
    doublings = min(life.setbacks, 30)  # beyond, a float overflows for nothing
    wait_s = min(settings.first_backoff_s * 2.0**doublings, settings.longest_backoff_s)
    said = f"{reason}: tried again in {wait_s:g} s"
    life = replace(life, setbacks=life.setbacks + 1, not_before_s=now_s + wait_s)
    return _entered(life, phase, said, now_s=now_s)


def _gone(life: Life, *, now_s: float, settings: LifecycleSettings) -> Life:
    if life.phase in ENDED:
        return life
    if life.gone_s is None:
        return replace(life, gone_s=now_s)
    if now_s - life.gone_s < settings.gone_after_s:
        return life
    return _entered(life, Phase.FAILED, "its pods and its object were deleted", now_s=now_s)


def _entered(life: Life, phase: Phase, reason: str, *, now_s: float) -> Life:
    if phase is life.phase:
        return replace(life, reason=reason)
    return replace(life, phase=phase, reason=reason, since_s=now_s)
