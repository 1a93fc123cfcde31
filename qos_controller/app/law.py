"""The loop's judgement: `decide_node`, the memory it asks for, and what of it is worth a sentence.

Always holds: a sentence is made only where a stage changes, so the steady loop formats nothing.
"""

from __future__ import annotations

import time
from typing import Final

from qos_controller.adapters.recording import Recording
from qos_controller.adapters.ticks import Event, Tick
from qos_controller.core.decision import Action, SetDisk, SetEgress, SetQuota
from qos_controller.core.node import NodeDecision, NodeMemory, Verdicts, begin_node, decide_node
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.sample import Sample
from qos_controller.core.state import NEVER

RESOURCES: Final = ("cpu", "disk", "memory", "network")
CALM: Final = (0, 0, 0, 0)
_NONE: Final = float("nan")


class NodeLaw:
    """The law with its memory."""

    def __init__(
        self, settings: NodeSettings | None = None, *, recording: Recording | None = None
    ) -> None:
        self._settings = settings or NodeSettings()
        self._recording = recording
        self._memory: NodeMemory | None = None
        self._stages = CALM
        self._limits = [_NONE, _NONE, _NONE]

    @property
    def pressed(self) -> bool:
        """Whether any resource is above calm: then the senses look closer."""
        return self._stages != CALM

    @property
    def at_ease(self) -> bool:
        """Not pressed, and what online's CPU stall was a moment ago is evidence of nothing."""
        memory = self._memory
        if memory is None or self._stages != CALM or memory.cpu.breath.pauses:
            return False
        return memory.cpu_level <= 0.5 * self._settings.evident_level

    @property
    def wake_s(self) -> float:
        """When batch's pause ends; long ago where there is none."""
        return NEVER if self._memory is None else self._memory.cpu.breath.pause_until_s

    def decide(self, sample: Sample, now_s: float) -> NodeDecision:
        """What to do now; the memory of it is kept here."""
        if self._recording is not None:
            self._recording.tell(sample, now_s)
        memory = self._memory
        if memory is None:
            memory = begin_node(
                capacity_cores=sample.signals.capacity_cores,
                now_s=now_s,
                settings=self._settings,
            )
        decision = decide_node(sample, memory, now_s, self._settings)
        self._memory = decision.memory
        for action in decision.actions:
            self._note(action)
        return decision

    def forget(self) -> None:
        """Begin anew, as with a node just met."""
        self._memory = None
        self._stages = CALM
        self._limits = [_NONE, _NONE, _NONE]

    def told(self, decision: NodeDecision, now_s: float) -> list[Event]:
        """One sentence for each resource whose stage changed; none in nearly every tick."""
        stages = stages_of(decision.verdicts)
        if stages == self._stages:
            return []
        before, self._stages = self._stages, stages
        return [
            Event(
                monotonic_s=now_s,
                unix_s=time.time(),
                kind=resource,
                pod="",
                text=str(getattr(decision.verdicts, resource).reason),
            )
            for resource, was, now in zip(RESOURCES, before, stages, strict=True)
            if was != now
        ]

    def describe(self, tick: Tick, decision: NodeDecision) -> None:
        """Fills the stages, the level and the limits in."""
        verdicts = decision.verdicts
        tick.cpu_stage, tick.disk_stage, tick.memory_stage, tick.network_stage = self._stages
        tick.level = max(
            verdicts.cpu.level, verdicts.disk.level, verdicts.memory.level, verdicts.network.level
        )
        limits = self._limits
        tick.quota_cores, tick.disk_write_limit_bytes_per_s, tick.egress_limit_bytes_per_s = limits

    def _note(self, action: Action) -> None:
        """The limits in force, for the diary: those of all batch together."""
        if isinstance(action, SetQuota) and not action.pod:
            self._limits[0] = action.cores if action.cores < float("inf") else _NONE
        elif isinstance(action, SetDisk) and not action.pod:
            self._limits[1] = _or_none(action.write_bytes_per_s)
        elif isinstance(action, SetEgress):
            self._limits[2] = _or_none(action.bytes_per_s)


def stages_of(verdicts: Verdicts) -> tuple[int, int, int, int]:
    """Of each resource, in the order of `RESOURCES`."""
    return (
        verdicts.cpu.stage,
        verdicts.disk.stage,
        verdicts.memory.stage,
        verdicts.network.stage,
    )


def _or_none(limit: float | None) -> float:
    return _NONE if limit is None else limit
