"""One tick of one real node: a look at each resource in, actions, memory and sentences out.

Each resource has its law (`cpu`, `disk`, `memory`, `network`), its stage and its sentence; here
they share what is known: a latency alarm goes to the resource whose pressure rose, blame to the pod
whose use goes with it, and one eviction at a time to whoever needs it most.
Always holds: same input, same output; at most one eviction in each cooldown, none for lack of news;
only pods and tasks that the sample names are named in an action.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from qos_controller.core import cpu, disk, network, pace, reasons, services
from qos_controller.core.attribution import (
    CPU,
    DISK,
    MEMORY,
    NETWORK,
    NOBODY,
    Culprit,
    Suspect,
    culprit_of,
)
from qos_controller.core.batch_io import BatchOnDisk, bytes_of, is_active, summed
from qos_controller.core.blame import UNBLAMED, Blame, blamed, observe, without
from qos_controller.core.cpu import CpuEvidence, CpuMemory
from qos_controller.core.decision import Action, Evict, Reason, SetOpen, Verdict
from qos_controller.core.disk import DiskMemory
from qos_controller.core.eviction import cause_to_evict, chosen
from qos_controller.core.joined_quota import quota_changes
from qos_controller.core.memory import LIMIT, RoomMemory, decide_memory
from qos_controller.core.network import NetworkMemory
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.sample import PodUse, Sample
from qos_controller.core.services import Latency, Watch
from qos_controller.core.state import EVICT, NEVER, begin
from qos_controller.core.tick import Tick

_NO_BATCH: Final = BatchOnDisk()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMemory:
    """All that is remembered between two ticks; make the first one with `begin_node`."""

    cpu: CpuMemory
    disk: DiskMemory
    memory: RoomMemory
    network: NetworkMemory
    watches: tuple[Watch, ...] = ()
    blame_cpu: Blame = UNBLAMED
    blame_disk: Blame = UNBLAMED
    pods: tuple[PodUse, ...] = ()
    """As they were seen last."""
    cpu_level: float = 0.0
    """Online's CPU stall over its limit, as a mean over some ticks: evidence in an alarm."""
    doubted_s: float = NEVER
    """When an alarm rang that no resource's pressure speaks for."""
    last: Sample | None = None
    open: bool = True


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Stage, level and sentence of each resource."""

    cpu: Verdict
    disk: Verdict
    memory: Verdict
    network: Verdict


@dataclass(frozen=True, slots=True)
class NodeDecision:
    """One tick's outcome."""

    actions: tuple[Action, ...]
    memory: NodeMemory
    reason: Reason
    """Of the eviction if there is one, else of the resource on the highest stage."""
    verdicts: Verdicts


def begin_node(*, capacity_cores: float, now_s: float, settings: NodeSettings) -> NodeMemory:
    """A node just met."""
    state = begin(capacity_cores=capacity_cores, now_s=now_s, settings=settings.cpu)
    return NodeMemory(
        cpu=CpuMemory(state),
        disk=disk.first(settings.disk),
        memory=RoomMemory(),
        network=NetworkMemory(),
    )


def decide_node(
    sample: Sample, memory: NodeMemory, now_s: float, settings: NodeSettings
) -> NodeDecision:
    """What to do on this node now.

    Called each tick, with what was looked at in that tick (`Sample` says how). `now_s` and the
    sample's time come from one clock that never goes back.
    """
    look = _new_of(sample, memory.last)
    seen = _seen(look, memory, now_s, settings)
    latency = services.judged(seen.watches, now_s=now_s, settings=settings.latency)
    culprit, doubted_s = NOBODY, memory.doubted_s
    by_writers = _is_by_writers(seen, settings)
    if latency.alarm and now_s - _stepped_s(memory) >= settings.latency.settle_s:
        suspects = _suspects(look, seen, now_s, settings, by_writers=by_writers)
        culprit = culprit_of(suspects, evident_level=settings.evident_level)
        if culprit.resource and not culprit.proven:
            culprit, doubted_s = _doubted(culprit, memory, now_s, settings)
    case = _Case(look, seen, latency, culprit, by_writers, now_s, settings)
    on_cpu, verdict, tick = _on_cpu(case)
    on_disk, disk_actions = _on_disk(case)
    room, room_actions = _on_memory(case)
    uplink, net_actions = _on_network(case)
    actions = cpu.actions_of(memory.cpu, on_cpu)
    actions += quota_changes((memory.cpu, memory.disk), (on_cpu, on_disk), settings)
    if disk_actions or room_actions or net_actions:
        actions += [*disk_actions, *room_actions, *net_actions]
    verdicts = Verdicts(verdict, on_disk.verdict, room.verdict, uplink.verdict)
    # Without news the other sentences are old.
    reason = verdict.reason if tick is None else _loudest(verdicts).reason
    gone = _gone(case, on_cpu, tick, on_disk, room)
    if gone is not None:
        actions.append(gone)
        reason = reasons.of_eviction(gone)
        on_cpu = replace(on_cpu, state=replace(on_cpu.state, evicted_s=now_s, open=False))
    is_open = on_cpu.state.open and on_disk.ladder.stage < EVICT and room.stage < LIMIT
    if is_open != memory.open:
        actions.append(SetOpen(is_open))
    after = NodeMemory(
        cpu=on_cpu,
        disk=on_disk,
        memory=room,
        network=uplink,
        watches=services.told(seen.watches, settings.latency) if latency.alarm else seen.watches,
        blame_cpu=seen.blame_cpu,
        blame_disk=seen.blame_disk,
        pods=seen.pods,
        cpu_level=seen.cpu_level,
        doubted_s=doubted_s,
        last=sample,
        open=is_open,
    )
    return NodeDecision(tuple(actions), after, reason, verdicts)


@dataclass(frozen=True, slots=True)
class _Case:
    """What every law may ask in this tick."""

    sample: Sample
    """Only what was looked at in it."""
    seen: NodeMemory
    latency: Latency
    culprit: Culprit
    by_writers: bool
    """Online's stall on the CPU is the disk's business, since batch mostly writes."""
    now_s: float
    settings: NodeSettings


def _new_of(sample: Sample, last: Sample | None) -> Sample:
    """What was really looked at in this tick; an old sample, told again, has only its signals."""
    if last is None:
        return sample
    if sample.signals.sampled_s <= last.signals.sampled_s:
        return Sample(signals=sample.signals)
    return Sample(
        signals=sample.signals,
        disk=None if sample.disk is last.disk else sample.disk,
        memory=None if sample.memory is last.memory else sample.memory,
        network=None if sample.network is last.network else sample.network,
        services=sample.services,
        offline=() if sample.offline is last.offline else sample.offline,
        cpus=sample.cpus,
    )


def _seen(look: Sample, before: NodeMemory, now_s: float, settings: NodeSettings) -> NodeMemory:
    """What is known of services and pods after this look, before any law judges it."""
    watches = services.listen(before.watches, look, now_s=now_s, settings=settings.latency)
    cpu_level = _mean_level(look, before, settings)
    # No pod in the look means that none was read, unless there is none any more.
    if look.offline or (before.pods and not look.signals.offline_tasks):
        before = replace(before, watches=watches, cpu_level=cpu_level)
        return _pods_seen(before, look, now_s, settings)
    if watches is before.watches and cpu_level == before.cpu_level:
        return before
    return replace(before, watches=watches, cpu_level=cpu_level)


def _mean_level(look: Sample, before: NodeMemory, settings: NodeSettings) -> float:
    """A single tick's stall proves nothing: exponentially weighted over `evident_s`."""
    level = cpu.level_of(look.signals, settings)
    if level == before.cpu_level:
        return level
    share = min(1.0, look.signals.covered_s / settings.evident_s)
    return before.cpu_level + share * (level - before.cpu_level)


def _pods_seen(
    before: NodeMemory, look: Sample, now_s: float, settings: NodeSettings
) -> NodeMemory:
    """Blame after a look at some of the pods; the others are the very values of before."""
    known = {id(pod) for pod in before.pods}
    read = [pod for pod in look.offline if id(pod) not in known]
    on_cpu, on_disk = before.blame_cpu, before.blame_disk
    if gone := {pod.uid for pod in before.pods} - {pod.uid for pod in look.offline}:
        on_cpu, on_disk = without(on_cpu, gone), without(on_disk, gone)
        before = replace(before, disk=disk.without(before.disk, gone, now_s))
        if before.cpu.whom in gone:
            before = replace(before, cpu=cpu.released(before.cpu))
    disk_level = before.disk.level
    if look.disk is not None:
        disk_level = disk.level_of(look.disk, before.disk, settings.disk)
    cpu_uses = {pod.uid: pod.cpu_cores or 0.0 for pod in read}
    disk_uses = {pod.uid: bytes_of(pod) for pod in read}
    cpu_level = cpu.level_of(look.signals, settings)
    law = settings.blame
    return replace(
        before,
        pods=look.offline,
        blame_cpu=observe(on_cpu, cpu_uses, cpu_level, now_s=now_s, settings=law),
        blame_disk=observe(on_disk, disk_uses, disk_level, now_s=now_s, settings=law),
    )


def _suspects(
    sample: Sample, seen: NodeMemory, now_s: float, settings: NodeSettings, *, by_writers: bool
) -> tuple[Suspect, ...]:
    """The resources at the time of an alarm; the CPU first, since it shows the least."""
    batch = _batch_on_disk(sample, seen, "")
    disk_level = seen.disk.level if now_s - seen.disk.heard_s < settings.recent_s else 0.0
    if sample.disk is not None:
        disk_level = disk.level_of(sample.disk, seen.disk, settings.disk)
    net = seen.network
    sends = now_s - net.sent_s < settings.recent_s
    on_cpu = cpu.batch_runs(sample.signals, settings) and not by_writers
    return (
        Suspect(CPU, seen.cpu_level, on_cpu),
        Suspect(DISK, disk_level, is_active(batch, settings.disk)),
        Suspect(MEMORY, seen.memory.verdict.level, seen.memory.stage > 0),
        Suspect(NETWORK, net.verdict.level, sends),
    )


def _on_cpu(case: _Case) -> tuple[CpuMemory, Verdict, Tick | None]:
    seen, settings, sample = case.seen, case.settings, case.sample
    mine = case.culprit.resource == CPU
    if case.by_writers:
        sample = replace(sample, signals=replace(sample.signals, online_full_share=0.0))
    level = cpu.level_of(sample.signals, settings)
    suspect = ""
    # Blame is only asked for where something is about to happen.
    if mine or level > 1.0 or seen.cpu.whom:
        suspect = blamed(seen.blame_cpu, settings.blame)
    found = seen.blame_cpu.suspects.get(suspect)
    evidence = CpuEvidence(
        case.latency,
        alarm=mine,
        proven=mine and (case.culprit.proven or bool(suspect)),
        blamed=suspect,
        blamed_cores=found.use if found else 0.0,
    )
    return cpu.decide_cpu(sample, seen.cpu, evidence, now_s=case.now_s, settings=settings)


def _is_by_writers(seen: NodeMemory, settings: NodeSettings) -> bool:
    return seen.disk.dirty_limited and pace.mostly_writes(seen.pods, settings.disk)


def _on_disk(case: _Case) -> tuple[DiskMemory, list[Action]]:
    sample, seen, settings = case.sample, case.seen, case.settings
    batch = _NO_BATCH
    if sample.disk is not None:
        batch = _batch_on_disk(sample, seen, blamed(seen.blame_disk, settings.blame))
    return disk.decide_disk(
        sample.disk,
        seen.disk,
        batch,
        latency=case.latency,
        alarm=case.culprit.resource == DISK,
        cpu_level=seen.cpu_level if case.by_writers else 0.0,
        now_s=case.now_s,
        settings=settings.disk,
    )


def _batch_on_disk(sample: Sample, seen: NodeMemory, suspect: str) -> BatchOnDisk:
    return summed(
        seen.pods,
        blamed=suspect,
        offline_cores=sample.signals.offline_used_cores,
    )


def _on_memory(case: _Case) -> tuple[RoomMemory, list[Action]]:
    seen, look = case.seen, case.sample.memory
    if look is None:
        return seen.memory, []
    return decide_memory(
        look,
        seen.memory,
        seen.pods,
        asked={task.task: task.memory_bytes for task in case.sample.signals.offline_tasks},
        now_s=case.now_s,
        settings=case.settings.memory,
    )


def _on_network(case: _Case) -> tuple[NetworkMemory, list[Action]]:
    seen, look = case.seen, case.sample.network
    if look is None:
        return seen.network, []
    return network.decide_network(
        look,
        seen.network,
        alarm=case.culprit.resource == NETWORK,
        batch_is_here=bool(case.sample.signals.offline_tasks),
        now_s=case.now_s,
        settings=case.settings.network,
    )


def _gone(
    case: _Case, on_cpu: CpuMemory, tick: Tick | None, on_disk: DiskMemory, room: RoomMemory
) -> Evict | None:
    """The one that must go in this tick, if any."""
    now_s, settings, seen = case.now_s, case.settings, case.seen
    cause = cause_to_evict(on_cpu, tick, on_disk, room, now_s=now_s, settings=settings)
    if not cause:
        return None
    suspect = blamed(seen.blame_disk if cause == "io" else seen.blame_cpu, settings.blame)
    return chosen(cause, case.sample, seen.pods, suspect, now_s=now_s, settings=settings)


def _stepped_s(memory: NodeMemory) -> float:
    """When a ladder last took a step."""
    return max(memory.cpu.state.ladder.since_s, memory.disk.ladder.since_s)


def _doubted(
    culprit: Culprit, memory: NodeMemory, now_s: float, settings: NodeSettings
) -> tuple[Culprit, float]:
    """An alarm that no pressure speaks for is believed when it rings again: bursts ring once."""
    if now_s - memory.doubted_s <= settings.latency.doubt_s:
        return culprit, memory.doubted_s
    return NOBODY, now_s


def _loudest(verdicts: Verdicts) -> Verdict:
    """The one on the highest stage; the CPU's, where all are calm."""
    loudest = verdicts.cpu
    for other in (verdicts.disk, verdicts.memory, verdicts.network):
        if other.stage > loudest.stage:
            loudest = other
    return loudest
