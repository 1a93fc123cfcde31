"""The model of contention between two samples of a trace, in which the real control loop acts.

A trace knows one mean per interval. Between two samples a node is modelled so:

1. Online demand steps to its new value at the start of the interval. Where the trace knows the
   interval's maximum, demand first stands at that peak for `burst_s`, then at the mean that is
   left; elsewhere it is flat.
2. Offline tasks use what they hold, up to the quota in force. Where online and offline together
   exceed the capacity, **online loses all of the excess** until the control loop has reacted: no
   help from kernel weights is assumed, which is the worst case (on a kernel with weights the
   excess costs online far less).
3. The control loop runs at its own tick on what it could have sensed, and sets the quota. Once it
   is at rest under a phase's demand, the remainder of the phase is summed at once: nothing it
   senses will change, and neither will it.

Always holds: online lost <= online demanded, offline used <= offline held, used <= capacity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from qos_controller.core.signals import OfflineTask
from simulator.core.control import Control, Sensed


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of constant online demand."""

    demand_cores: float
    length_s: float


@dataclass(slots=True)
class NodeLoad:
    """The offline side of one node during one interval, and the memory of both sides."""

    capacity_cores: float
    held_cores: float
    quota_cores: float  # in force when the interval begins
    memory_used_bytes: float
    memory_capacity_bytes: float
    tasks: Callable[[], tuple[OfflineTask, ...]]


@dataclass(slots=True)
class Outcome:
    """What became of one interval on one node."""

    online_lost_core_s: float = 0.0
    offline_core_s: float = 0.0
    contended_s: float = 0.0  # how long demand exceeded the capacity
    quota_cores: float = 0.0  # in force at the end
    evicted: tuple[str, ...] = ()


def phases(
    mean_cores: float, peak_cores: float, *, interval_s: float, burst_s: float
) -> tuple[Phase, ...]:
    """An interval as a burst and what is left, so that its mean stays the trace's."""
    if peak_cores <= mean_cores or burst_s <= 0:
        return (Phase(mean_cores, interval_s),)
    rest_s = interval_s - burst_s
    rest_cores = max(0.0, (mean_cores * interval_s - peak_cores * burst_s) / rest_s)
    return (Phase(peak_cores, burst_s), Phase(rest_cores, rest_s))


def contend(
    control: Control, load: NodeLoad, stretch: tuple[Phase, ...], *, now_s: float
) -> Outcome:
    """Runs one interval of one node under its control loop.

    Args:
        control: the node's loop, which keeps its own state.
        load: what offline holds; what is evicted on the way is taken off it.
        stretch: online demand over the interval.
        now_s: when the interval begins.
    """
    outcome = Outcome(quota_cores=load.quota_cores)
    for phase in stretch:
        _run_phase(control, load, phase, outcome, now_s)
        now_s += phase.length_s
    return outcome


def _run_phase(
    control: Control, load: NodeLoad, phase: Phase, outcome: Outcome, begin_s: float
) -> None:
    demand = min(phase.demand_cores, load.capacity_cores)
    done_s = 0.0
    while done_s < phase.length_s:
        offline = min(load.held_cores, outcome.quota_cores)
        excess = min(demand, max(0.0, demand + offline - load.capacity_cores))
        left_s = phase.length_s - done_s
        settled = done_s > 0.0 and control.resting
        step_s = left_s if settled else min(control.tick_s, left_s)
        outcome.online_lost_core_s += excess * step_s
        outcome.contended_s += step_s if excess else 0.0
        outcome.offline_core_s += offline * step_s
        done_s += step_s
        sensed = Sensed(
            capacity_cores=load.capacity_cores,
            online_cores=demand - excess,
            offline_cores=offline,
            online_full_share=excess / demand if excess else 0.0,
            covered_s=step_s,
            held_cores=load.held_cores,
            memory_used_bytes=load.memory_used_bytes,
            memory_capacity_bytes=load.memory_capacity_bytes,
        )
        reaction = control.react(sensed, load.tasks, begin_s + done_s)
        outcome.quota_cores = reaction.quota_cores
        if reaction.evicted:
            outcome.evicted += reaction.evicted
            load.held_cores = max(0.0, load.held_cores - reaction.freed_cores)
            load.memory_used_bytes -= reaction.freed_bytes
            left = tuple(task for task in load.tasks() if task.task not in reaction.evicted)
            load.tasks = partial(tuple, left)
