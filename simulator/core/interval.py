"""One interval on every node: who got how much CPU, who lost, who was sent away.

Nodes where nothing can happen (online and offline fit, the control loop is at rest, memory is
enough) are summed in one vector step; the others go through the contention model one by one, with
their real control loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from qos_controller.core.signals import OfflineTask
from simulator.core.contention import NodeLoad, contend, phases
from simulator.core.control import Control, Sensed
from slacktide.messages import BoolArray, FloatArray

MEMORY_WATCH_SHARE = 0.9  # below it no loop acts on memory


@dataclass(frozen=True, slots=True)
class Online:
    """Online's demand in the interval before and in this one, [N] each."""

    before_cores: FloatArray
    mean_cores: FloatArray
    peak_cores: FloatArray
    memory_bytes: FloatArray


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the interval, [N] each; `evicted` are task ids."""

    offline_cores: FloatArray  # mean over the interval
    lost_core_s: FloatArray
    speed: FloatArray  # share of what is held that was delivered
    evicted: tuple[str, ...]


@dataclass(slots=True)
class Machines:
    """The nodes and their control loops, which live as long as the replay."""

    cpu_cores: FloatArray  # [N]
    memory_bytes: FloatArray  # [N] NaN where unknown
    controls: Sequence[Control]
    burst_s: float
    quota_cores: FloatArray = field(init=False)  # [N] in force
    calm_cores: FloatArray = field(init=False)  # [N]

    def __post_init__(self) -> None:
        """Before anything runs every loop is at rest."""
        self.quota_cores = np.full(len(self.cpu_cores), np.inf)
        self.calm_cores = np.array(
            [
                control.calm_below_cores(float(cores))
                for control, cores in zip(self.controls, self.cpu_cores, strict=True)
            ]
        )

    def pass_interval(
        self,
        online: Online,
        held_cores: FloatArray,
        held_bytes: FloatArray,
        tasks_of: Callable[[int], tuple[OfflineTask, ...]],
        *,
        now_s: float,
        length_s: float,
    ) -> Result:
        """Lets one interval pass that begins at `now_s`."""
        offline = held_cores.copy()
        lost = np.zeros_like(held_cores)
        evicted: list[str] = []
        used_bytes = online.memory_bytes + held_bytes
        for node in np.flatnonzero(self._stirred(online, held_cores, used_bytes)).tolist():
            load = NodeLoad(
                capacity_cores=float(self.cpu_cores[node]),
                held_cores=float(held_cores[node]),
                quota_cores=float(self.quota_cores[node]),
                memory_used_bytes=float(used_bytes[node]),
                memory_capacity_bytes=float(np.nan_to_num(self.memory_bytes[node], nan=np.inf)),
                tasks=_once(tasks_of, node),
            )
            control = self.controls[node]
            if control.resting:
                load.quota_cores = _settle(control, load, float(online.before_cores[node]), now_s)
            stretch = phases(
                float(online.mean_cores[node]),
                float(online.peak_cores[node]),
                interval_s=length_s,
                burst_s=self.burst_s,
            )
            outcome = contend(control, load, stretch, now_s=now_s)
            offline[node] = outcome.offline_core_s / length_s
            lost[node] = outcome.online_lost_core_s
            self.quota_cores[node] = outcome.quota_cores
            evicted.extend(outcome.evicted)
        speed = np.divide(offline, held_cores, out=np.ones_like(offline), where=held_cores > 0)
        return Result(offline, lost, np.minimum(speed, 1.0), tuple(evicted))

    def _stirred(self, online: Online, held_cores: FloatArray, used_bytes: FloatArray) -> BoolArray:
        """[N] where the control loop may have to act."""
        together = np.maximum(online.peak_cores, online.before_cores) + held_cores
        restless = np.array([not control.resting for control in self.controls])
        full = used_bytes > MEMORY_WATCH_SHARE * np.nan_to_num(self.memory_bytes, nan=np.inf)
        return np.asarray((held_cores > 0) & ((together > self.calm_cores) | restless | full))


def _settle(control: Control, load: NodeLoad, online_cores: float, now_s: float) -> float:
    """Tells a loop that was not asked for a while what stood before the interval began."""
    sensed = Sensed(
        capacity_cores=load.capacity_cores,
        online_cores=min(online_cores, load.capacity_cores),
        offline_cores=min(load.held_cores, max(0.0, load.capacity_cores - online_cores)),
        online_full_share=0.0,
        covered_s=1.0,
        held_cores=load.held_cores,
        memory_used_bytes=0.0,
        memory_capacity_bytes=load.memory_capacity_bytes,
    )
    return control.react(sensed, tuple, now_s).quota_cores


def _once(
    tasks_of: Callable[[int], tuple[OfflineTask, ...]], node: int
) -> Callable[[], tuple[OfflineTask, ...]]:
    """The node's tasks, built at the first call and kept for the interval."""
    kept: list[tuple[OfflineTask, ...]] = []

    def tasks() -> tuple[OfflineTask, ...]:
        if not kept:
            kept.append(tasks_of(node))
        return kept[0]

    return tasks
