"""The model of contention between two samples of a trace, in which the real control loop acts.

A trace knows one mean per interval. Between two samples a node is modelled so:

1. Online demand steps to its new value at the start of the interval. Where the trace knows the
   interval's maximum, demand first stands at `peak_cores` for `burst_s`, then at the mean that is
   left; elsewhere it is flat.
2. Offline tasks use what they hold, up to the quota in force. Where online and offline together
   exceed the capacity, **online loses all of the excess** until the control loop has reacted: no
   help from kernel weights is assumed, which is the worst case (on a kernel with weights the
   excess costs online far less).
3. The control loop runs at its own tick on what it could have sensed, and sets the quota. When a
   phase holds no excess and the quota has come to rest, the remainder is summed at once.

Always holds: online lost <= online demanded, offline used <= offline held, used <= capacity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Control(Protocol):
    """A node's control loop as the model sees it: a peer's formula or the real core."""

    tick_s: float

    def react(self, sensed: Sensed, now_s: float) -> float:
        """The quota in cores for all offline tasks of the node until the next tick."""
        ...

    def at_rest(self, sold_cores: float) -> bool:
        """Whether further ticks with equal signals would not change the quota below `sold`."""
        ...


@dataclass(frozen=True, slots=True)
class Sensed:
    """What a node agent can measure at a tick."""

    capacity_cores: float
    online_cores: float  # used, not demanded
    offline_cores: float
    online_full_share: float  # of the tick's time that online was stalled


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of constant online demand."""

    demand_cores: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one interval on one node."""

    online_lost_core_s: float
    offline_core_s: float
    quota_cores: float  # in force at the end
    contended_s: float  # how long demand exceeded the capacity


def phases(
    mean_cores: float, peak_cores: float, *, interval_s: float, burst_s: float
) -> list[Phase]:
    """An interval as a burst and what is left, so that its mean stays the trace's."""
    if peak_cores <= mean_cores or burst_s <= 0:
        return [Phase(mean_cores, interval_s)]
    rest_s = interval_s - burst_s
    rest_cores = max(0.0, (mean_cores * interval_s - peak_cores * burst_s) / rest_s)
    return [Phase(peak_cores, burst_s), Phase(rest_cores, rest_s)]


def contend(
    control: Control,
    stretch: list[Phase],
    *,
    capacity_cores: float,
    sold_cores: float,
    quota_cores: float,
    now_s: float,
) -> Outcome:
    """Runs one interval of one node under its control loop.

    Args:
        control: the node's loop, which keeps its own state.
        stretch: online demand over the interval.
        capacity_cores: the node's.
        sold_cores: what offline tasks hold and would use.
        quota_cores: in force when the interval begins.
        now_s: when it begins.
    """
    lost = served = contended = 0.0
    for phase in stretch:
        done_s = 0.0
        demand = min(phase.demand_cores, capacity_cores)
        while done_s < phase.length_s:
            offline = min(sold_cores, quota_cores)
            excess = max(0.0, demand + offline - capacity_cores)
            step_s = min(control.tick_s, phase.length_s - done_s)
            if excess == 0.0 and control.at_rest(sold_cores) and done_s > 0.0:
                step_s = phase.length_s - done_s
            lost += min(excess, demand) * step_s
            contended += step_s if excess else 0.0
            served += offline * step_s
            done_s += step_s
            sensed = Sensed(
                capacity_cores=capacity_cores,
                online_cores=demand - min(excess, demand),
                offline_cores=offline,
                online_full_share=min(1.0, excess / demand) if demand else 0.0,
            )
            quota_cores = control.react(sensed, now_s + done_s)
        now_s += phase.length_s
    return Outcome(lost, served, quota_cores, contended)
