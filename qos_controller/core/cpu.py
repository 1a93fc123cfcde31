"""The CPU's law on a real node: weights do the work, and the ladder only what weights cannot.

Online's group outweighs batch's so far that the kernel preempts batch at once, so the calm ladder
has no quota (`Settings.feed_forward` brings one back for nodes with shared siblings); beside it
stands `breath`, in which batch pauses. Always holds: while no batch runs nothing climbs;
clients that are well outrank the kernel's stall counters; without proof that batch is to blame the
ladder stays at stage 1, where each further alarm halves the quota again; who hardly runs is neither
frozen nor evicted; while clients suffer nothing grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from qos_controller.core import reasons
from qos_controller.core.breath import Breath, Room, next_breath
from qos_controller.core.decide import blind, remembered
from qos_controller.core.decision import Action, Freeze, Reason, SetCpus, Verdict
from qos_controller.core.feed_forward import kept_for_online, left_for_offline
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.pressure import Pressure
from qos_controller.core.quota import is_at_allowed
from qos_controller.core.sample import Sample
from qos_controller.core.services import Latency
from qos_controller.core.signals import Signals
from qos_controller.core.stale import is_news
from qos_controller.core.state import CALM, EVICT, FREEZE, MINIMUM, THROTTLE, NodeState
from qos_controller.core.tick import Tick

_ABSENT = Reason("cpu calm: no quota; batch does not run, so online's stall of {0:.2f} is its own")
_WEIGHT = "cpu calm: the weight suffices: stall at {0:.2f} of its limit"
_NO_FEED = Reason(_WEIGHT + ", no latency feed to ask")
_WELL = Reason(_WEIGHT + ", clients are well within their SLO")
_WITHIN = Reason(_WEIGHT + ", clients are within their SLO")
_LIMITED = "; batch has {1:.2f} cores, a share of what online leaves"
_PAUSE = "; online waits for itself while batch holds a CPU: batch pauses, at {1:.2f} cores"
_ONLY = "; of batch only {0}, whose use goes with the pressure"
FULL = Breath()


@dataclass(frozen=True, slots=True)
class CpuMemory:
    """What is remembered of the CPU."""

    state: NodeState
    whom: str = ""
    """The one pod that is held back at stage 1; empty: all."""
    cpus: tuple[int, ...] = ()
    """What batch is penned up on; empty: it is not."""
    breath: Breath = FULL

    @property
    def quota_cores(self) -> float:
        """The quota as it is written: a whole node is none at all."""
        cores = self.state.quota_cores
        return math.inf if cores >= self.state.capacity_cores else cores


@dataclass(frozen=True, slots=True)
class CpuEvidence:
    """What the rest of the node knows that the CPU's law must ask."""

    latency: Latency
    alarm: bool = False
    """A latency alarm rang and is laid on the CPU."""
    proven: bool = False
    """The CPU's own pressure rose with it, or one pod's use goes with it."""
    blamed: str = ""
    blamed_cores: float = 0.0


def released(before: CpuMemory) -> CpuMemory:
    """The one that was held back has left: there is nobody to hold back for what it did."""
    state = before.state
    ladder = replace(state.ladder, stage=CALM, since_s=state.decided_s)
    state = replace(state, quota_cores=state.capacity_cores, ladder=ladder)
    return CpuMemory(state, breath=before.breath)


def level_of(signals: Signals, settings: NodeSettings) -> float:
    """Online's `full` stall over its limit."""
    return (signals.online_full_share or 0.0) / settings.cpu.full_limit_share


def batch_runs(signals: Signals, settings: NodeSettings) -> bool:
    """Whether batch uses enough CPU to be the cause of anything."""
    return signals.offline_used_cores >= settings.cpu.innocent_share * signals.capacity_cores


def decide_cpu(
    sample: Sample,
    before: CpuMemory,
    evidence: CpuEvidence,
    *,
    now_s: float,
    settings: NodeSettings,
) -> tuple[CpuMemory, Verdict, Tick | None]:
    """The memory, stage and sentence after one tick; no `Tick` where there was no news."""
    state, law = before.state, settings.cpu
    if not is_news(sample.signals, state, now_s=now_s, settings=law):
        after = blind(state, now_s, law)
        verdict = Verdict(after.ladder.stage, 0.0, reasons.of_no_news(state, after))
        return replace(before, state=after), verdict, None
    tick = _tick(sample.signals, before, evidence, now_s=now_s, settings=settings)
    after = remembered(state, tick)
    if after.ladder.stage == CALM:
        memory = CpuMemory(_whole(after, tick))
    else:
        whom = _whom(before, after, evidence)
        memory = CpuMemory(after, whom, _pen(sample, after, whom, settings))
    memory = replace(memory, breath=_breath(sample.signals, before, tick, settings))
    ladder = after.ladder
    if memory.whom and ladder.stage == THROTTLE and ladder.since_s == ladder.breached_s == now_s:
        memory = replace(memory, state=_half_of_one(after, evidence, tick))
    verdict = Verdict(after.ladder.stage, tick.pressure.level, _reason(memory, evidence, tick))
    return memory, verdict, tick


def actions_of(before: CpuMemory, after: CpuMemory) -> list[Action]:
    """Only what is new; quotas are joined with the disk's in `joined_quota`."""
    actions: list[Action] = []
    if after.cpus != before.cpus:
        actions.append(SetCpus(after.cpus))
    if after.state.ladder.frozen_until_s != before.state.ladder.frozen_until_s:
        actions.append(Freeze(after.state.ladder.frozen_until_s))
    return actions


def _tick(
    signals: Signals,
    before: CpuMemory,
    evidence: CpuEvidence,
    *,
    now_s: float,
    settings: NodeSettings,
) -> Tick:
    state, law = before.state, settings.cpu
    dt_s = max(0.0, now_s - state.decided_s)
    kept_cores = kept_for_online(
        state.kept_cores, signals.online_used_cores, dt_s=dt_s, slow_s=law.slow_down_s
    )
    pressure, highest = _judged(signals, before, evidence, settings)
    allowed_cores = left_for_offline(signals, kept_cores, law)
    return Tick(signals, law, now_s, dt_s, kept_cores, allowed_cores, 0.0, pressure, highest)


def _judged(
    signals: Signals, before: CpuMemory, evidence: CpuEvidence, settings: NodeSettings
) -> tuple[Pressure, int]:
    """The pressure that counts, and the stage that it can justify."""
    level, latency = level_of(signals, settings), evidence.latency
    stage = before.state.ladder.stage
    if stage == CALM and not batch_runs(signals, settings):
        return Pressure(0.0, "cpu"), CALM
    highest = _justified(signals, stage, evidence, settings)
    if evidence.alarm:
        return Pressure(max(level, latency.level), "latency", alarm=True), highest
    if latency.hurt and stage > CALM:
        level = max(level, 1.0)
    if latency.slack:
        # Growth is allowed: clients would say if it hurt.
        level = min(level, 0.9 * settings.cpu.calm_level)
    return Pressure(level, "cpu"), highest


def _justified(signals: Signals, stage: int, evidence: CpuEvidence, settings: NodeSettings) -> int:
    """How far the ladder may climb on what is known.

    Nobody is frozen who hardly runs: online then works off what piled up. Nobody is evicted for the
    CPU on the word of a counter: only clients that still suffer can ask for that.
    """
    cap = FREEZE
    if evidence.alarm:
        cap = EVICT if evidence.proven else THROTTLE
    elif evidence.latency.within:
        cap = THROTTLE
    if stage >= MINIMUM and not _runs_beyond_its_minimum(signals, settings):
        return min(cap, MINIMUM)
    return cap


def _runs_beyond_its_minimum(signals: Signals, settings: NodeSettings) -> bool:
    """A period's whole quota may fall into one short look, so twice the minimum is still it."""
    law = settings.cpu
    least = max(law.innocent_share, 4.0 * law.min_quota_share)
    return signals.offline_used_cores >= least * signals.capacity_cores


def _whole(after: NodeState, tick: Tick) -> NodeState:
    """The last step to no quota at all, which growth leaves out as too small to write."""
    short = after.quota_cores < after.capacity_cores
    if tick.settings.feed_forward or not short or not is_at_allowed(after.quota_cores, tick):
        return after
    return replace(after, quota_cores=after.capacity_cores)


def _whom(before: CpuMemory, after: NodeState, evidence: CpuEvidence) -> str:
    """One pod alone while its use goes with the pressure; all of them as soon as it does not."""
    stage, was = after.ladder.stage, before.state.ladder
    if was.stage == CALM:
        return evidence.blamed
    if stage > MINIMUM:
        return ""
    stepped = after.ladder.since_s > was.since_s and stage >= was.stage
    return "" if stepped and before.whom != evidence.blamed else before.whom


def _half_of_one(after: NodeState, evidence: CpuEvidence, tick: Tick) -> NodeState:
    cores = min(after.quota_cores, tick.settings.backoff * evidence.blamed_cores)
    return replace(after, quota_cores=max(tick.floor_cores, cores))


def _breath(signals: Signals, before: CpuMemory, tick: Tick, settings: NodeSettings) -> Breath:
    room = Room(
        waits_share=signals.online_some_share,
        used_cores=signals.online_used_cores + signals.system_used_cores,
        batch_cores=signals.offline_used_cores,
        capacity_cores=signals.capacity_cores,
        batch_is_here=bool(signals.offline_tasks) or batch_runs(signals, settings),
    )
    law = settings.breath
    return next_breath(before.breath, room, now_s=tick.now_s, dt_s=tick.dt_s, settings=law)


def _pen(sample: Sample, after: NodeState, whom: str, settings: NodeSettings) -> tuple[int, ...]:
    """The few CPUs that batch keeps from stage 2 on, whole cores together."""
    cpus = sample.cpus
    if whom or after.ladder.stage < MINIMUM or len(cpus) < settings.narrow_from_cpus:
        return ()
    return cpus[: max(2, math.ceil(settings.narrow_share * len(cpus)))]


def _reason(memory: CpuMemory, evidence: CpuEvidence, tick: Tick) -> Reason:
    state = memory.state
    if state.ladder.stage == CALM and not tick.settings.feed_forward:
        level = (tick.signals.online_full_share or 0.0) / tick.settings.full_limit_share
        if tick.offline_is_idle:
            template = _ABSENT
        elif evidence.latency.slack:
            template = _WELL
        else:
            template = _WITHIN if evidence.latency.within else _NO_FEED
        reason = Reason(template.template, (level,))
        breath = memory.breath
        if breath.cores >= state.capacity_cores:
            return reason
        more = _PAUSE if breath.pauses else _LIMITED
        return Reason(reason.template + more, (level, breath.cores))
    reason = reasons.of_tick(state, tick)
    if not memory.whom:
        return reason
    only = _ONLY.replace("{0}", f"{{{len(reason.values)}}}")
    return Reason(reason.template + only, (*reason.values, memory.whom))
