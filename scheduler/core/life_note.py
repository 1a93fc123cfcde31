"""A gang's life as it is written on its eldest pod, for people and for the next scheduler.

What can be seen from pods (waits, has a place, runs) needs no note; what cannot is its phase's
reason, its age, its setbacks and since when it runs.

Always holds: what cannot be read, or is no life, counts as not written.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from scheduler.core.lifecycle import LIVE, Life, Phase

LONGEST_TEXT: Final = 4_096  # characters; a longer one is not ours


class _Note(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    phase: Phase
    reason: str
    submitted: datetime
    since: datetime
    not_before: datetime | None = None
    runs: int = 0
    preemptions: int = 0
    setbacks: int = 0
    failed_pods: int = 0
    evicted: datetime | None = None


_NOTE: Final = msgspec.json.Decoder(_Note)


def life_text(life: Life) -> str:
    """As it is written on the pod."""
    note = _Note(
        phase=life.phase,
        reason=life.reason,
        submitted=_stamp(life.submit_s),
        since=_stamp(life.since_s),
        not_before=_stamp(life.not_before_s) if life.not_before_s else None,
        runs=life.runs,
        preemptions=life.preemptions,
        setbacks=life.setbacks,
        failed_pods=life.failed_pods,
        evicted=None if life.evicted_s is None else _stamp(life.evicted_s),
    )
    return msgspec.json.encode(note).decode()


def life_of(text: str | None) -> Life | None:
    """What stands on a pod; None where nothing does, or nothing of ours."""
    if not text or len(text) > LONGEST_TEXT:
        return None
    try:
        note = _NOTE.decode(text)
        return Life(
            phase=note.phase,
            reason=note.reason,
            submit_s=note.submitted.timestamp(),
            since_s=note.since.timestamp(),
            not_before_s=note.not_before.timestamp() if note.not_before else 0.0,
            runs=max(note.runs, 0),
            preemptions=max(note.preemptions, 0),
            setbacks=max(note.setbacks, 0),
            failed_pods=max(note.failed_pods, 0),
            evicted_s=note.evicted.timestamp() if note.evicted else None,
        )
    except (msgspec.DecodeError, ValueError, OverflowError):
        return None


def is_worth_writing(life: Life, *, tasks: int) -> bool:
    """Whether it says more than its pods do. Most single pods never need a note."""
    if life.setbacks or life.preemptions or life.evicted_s is not None:
        return True
    if life.phase in LIVE:
        return tasks > 1
    return life.phase in {Phase.SUSPENDED, Phase.FAILED}


def _stamp(at_s: float) -> datetime:
    return datetime.fromtimestamp(int(at_s), UTC)
