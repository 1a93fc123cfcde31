"""What a decision says: actions for the drivers, the next state, and one sentence for a person.

Always holds: `actions` has only what changes; an action repeated is harmless; `pod` is the UID of
the one that an action is for, empty for all offline pods together.
"""

from __future__ import annotations

from dataclasses import dataclass

from qos_controller.core.state import NodeState


@dataclass(frozen=True, slots=True)
class SetQuota:
    """All offline groups together, or one, may use this much CPU; infinite: as much as is free."""

    cores: float
    pod: str = ""
    period_s: float = 0.1
    """Of the CPU's bandwidth control: short ones pace a writer smoothly."""


@dataclass(frozen=True, slots=True)
class SetCpus:
    """Offline runs on these CPUs alone; empty: on all that its parent has."""

    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Freeze:
    """Stop offline until then; it thaws by itself, whatever becomes of the loop."""

    until_s: float
    pod: str = ""


@dataclass(frozen=True, slots=True)
class SetDisk:
    """What goes to and from the block devices; None lifts a limit."""

    read_bytes_per_s: float | None
    write_bytes_per_s: float | None
    pod: str = ""


@dataclass(frozen=True, slots=True)
class SetDirty:
    """Dirty pages that may pile up on the node before writers wait; None: as the node had it."""

    limit_bytes: float | None


@dataclass(frozen=True, slots=True)
class SetQueue:
    """Whether the block devices take small requests, few at once; False: as the node had it.

    A read then waits behind little (max_sectors_kb, async_depth of mq-deadline).
    """

    small: bool


@dataclass(frozen=True, slots=True)
class Reclaim:
    """Push this much of a pod's memory out; what it needs comes back by itself."""

    reclaim_bytes: float
    pod: str


@dataclass(frozen=True, slots=True)
class SetMemory:
    """A pod's memory may not grow beyond this; None lifts it."""

    limit_bytes: float | None
    pod: str


@dataclass(frozen=True, slots=True)
class SetEgress:
    """All offline pods together may send this much; None lifts the ceiling."""

    bytes_per_s: float | None


@dataclass(frozen=True, slots=True)
class Evict:
    """This task must go; its gang with it where `breaks_gang`."""

    task: str
    cause: str
    freed_cores: float
    freed_bytes: float
    work_lost_core_s: float
    breaks_gang: bool


@dataclass(frozen=True, slots=True)
class SetOpen:
    """Whether new offline tasks may come to this node."""

    open: bool


Action = (
    SetQuota
    | SetCpus
    | Freeze
    | SetDisk
    | SetDirty
    | SetQueue
    | Reclaim
    | SetMemory
    | SetEgress
    | Evict
    | SetOpen
)


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence not yet written: most are never read, and formatting costs more than deciding."""

    template: str
    values: tuple[float | str, ...] = ()

    def __str__(self) -> str:
        return self.template.format(*self.values)


@dataclass(frozen=True, slots=True)
class Decision:
    """One tick's outcome."""

    actions: tuple[Action, ...]
    state: NodeState
    reason: Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one resource's law came to."""

    stage: int
    level: float
    """Its worst signal over its limit."""
    reason: Reason
