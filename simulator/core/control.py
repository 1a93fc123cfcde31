"""The control loop of a simulated node: the real core, or Koordinator's formulas as a baseline.

The contention model calls `react` at the loop's own tick with what an agent could have sensed.
`RealCore` runs `qos_controller.core.decide`, the function that the agent runs on a real node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from qos_controller.core.decide import decide
from qos_controller.core.decision import Evict
from qos_controller.core.settings import Settings
from qos_controller.core.signals import OfflineTask, Signals
from qos_controller.core.state import CALM, MINIMUM, NOT_NOW, NodeState, begin


@dataclass(frozen=True, slots=True)
class Sensed:
    """What a node agent can measure at a tick."""

    capacity_cores: float
    online_cores: float  # used, not demanded
    offline_cores: float
    online_full_share: float  # of the covered time that online was stalled
    covered_s: float  # how long this sample covers
    held_cores: float  # by offline tasks
    memory_used_bytes: float
    memory_capacity_bytes: float


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the loop sets, and whom it sent away (ids of tasks)."""

    quota_cores: float
    evicted: tuple[str, ...] = ()
    freed_cores: float = 0.0
    freed_bytes: float = 0.0


class Control(Protocol):
    """A node's control loop; it keeps its own state."""

    tick_s: float
    resting: bool  # whether further ticks with equal signals would change nothing

    def calm_below_cores(self, capacity_cores: float) -> float:
        """Online and offline together below this never make the loop act."""
        ...

    def react(
        self, sensed: Sensed, tasks: Callable[[], tuple[OfflineTask, ...]], now_s: float
    ) -> Reaction:
        """One tick; `tasks` are the node's offline tasks, built only when somebody must go."""
        ...


@dataclass(slots=True)
class RealCore:
    """The node agent's own `decide`, one state a node."""

    state: NodeState
    settings: Settings
    tick_s: float = field(init=False)
    resting: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        """The loop's period is the agent's."""
        self.tick_s = self.settings.tick_s

    @staticmethod
    def of(capacity_cores: float, now_s: float, settings: Settings) -> RealCore:
        """The loop of a node just met."""
        return RealCore(
            begin(capacity_cores=capacity_cores, now_s=now_s, settings=settings), settings
        )

    def calm_below_cores(self, capacity_cores: float) -> float:
        """The feed-forward quota binds above capacity less the reserve."""
        return capacity_cores * (1.0 - self.settings.reserve_share)

    def _may_evict(self, sensed: Sensed) -> bool:
        """Whether the core could want a victim now: it reads the tasks in no other case."""
        state = self.state
        over = self.settings.memory_limit_share * sensed.memory_capacity_bytes
        starving = state.starved_since_s != NOT_NOW
        return state.ladder.stage >= MINIMUM or starving or sensed.memory_used_bytes > over

    def react(
        self, sensed: Sensed, tasks: Callable[[], tuple[OfflineTask, ...]], now_s: float
    ) -> Reaction:
        """Asks the core; a freeze is a quota of 0 while it lasts."""
        signals = Signals(
            sampled_s=now_s,
            covered_s=sensed.covered_s,
            capacity_cores=sensed.capacity_cores,
            online_used_cores=sensed.online_cores,
            offline_used_cores=sensed.offline_cores,
            online_full_share=sensed.online_full_share,
            memory_used_bytes=sensed.memory_used_bytes,
            memory_capacity_bytes=sensed.memory_capacity_bytes,
            offline_held_cores=sensed.held_cores,
            offline_tasks=tasks() if self._may_evict(sensed) else (),
        )
        before = self.state
        decision = decide(signals, before, now_s, self.settings)
        self.state = after = decision.state
        calm = after.ladder.stage == CALM and not after.ladder.breaches
        self.resting = calm and after.quota_cores == before.quota_cores
        quota = 0.0 if now_s < after.ladder.frozen_until_s else after.quota_cores
        gone = [action for action in decision.actions if isinstance(action, Evict)]
        return Reaction(
            quota_cores=quota,
            evicted=tuple(action.task for action in gone),
            freed_cores=sum(action.freed_cores for action in gone),
            freed_bytes=sum(action.freed_bytes for action in gone),
        )


@dataclass(slots=True)
class KoordinatorSuppress:
    """Koordinator's CPU suppression: 65 % of the node less what online uses, once a second.

    Source: koordlet's cpusuppress with its defaults: at least 2 cores, growth of at most 10 % of
    the node a second, falling at once; its evictions are off by default.
    """

    quota_cores: float
    threshold_share: float = 0.65
    floor_cores: float = 2.0
    growth_share: float = 0.10
    tick_s: float = 1.0
    resting: bool = True

    def calm_below_cores(self, capacity_cores: float) -> float:
        """Suppression binds above the threshold."""
        return capacity_cores * self.threshold_share

    def react(
        self, sensed: Sensed, tasks: Callable[[], tuple[OfflineTask, ...]], now_s: float
    ) -> Reaction:
        """One second of suppression."""
        del tasks, now_s
        capacity = sensed.capacity_cores
        target = max(self.floor_cores, capacity * self.threshold_share - sensed.online_cores)
        before = self.quota_cores
        self.quota_cores = min(target, before + self.growth_share * capacity)
        self.resting = self.quota_cores == before
        return Reaction(quota_cores=self.quota_cores)
