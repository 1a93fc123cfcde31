"""What a decision says: actions for the drivers, the next state, and one sentence for a person.

Always holds: `actions` has only what changes; an action repeated is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass

from qos_controller.core.state import NodeState


@dataclass(frozen=True, slots=True)
class SetQuota:
    """All offline groups together may use this much CPU."""

    cores: float


@dataclass(frozen=True, slots=True)
class Freeze:
    """Stop all offline groups until then; they thaw by themselves, whatever becomes of the loop."""

    until_s: float


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


Action = SetQuota | Freeze | Evict | SetOpen


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
