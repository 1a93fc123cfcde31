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

from qos_controller.core import cpu, disk, network, reasons, services
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
from qos_controller.core.blame import UNBLAMED, Blame, blamed, observe
from qos_controller.core.cpu import CpuEvidence, CpuMemory
from qos_controller.core.decision import Action, Reason, SetOpen, Verdict
from qos_controller.core.disk import BatchOnDisk, DiskMemory
from qos_controller.core.eviction import cause_to_evict, chosen
from qos_controller.core.memory import LIMIT, RoomMemory, decide_memory
from qos_controller.core.network import NetworkMemory
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.sample import PodUse, Sample
from qos_controller.core.services import Latency, Watch
from qos_controller.core.state import EVICT, NEVER, THROTTLE, begin
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
    pods_s: float = NEVER
    dirty_growth_bytes_per_s: float = 0.0
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
    seen = _seen(sample, memory, now_s, settings)
    latency = services.judged(seen.watches, now_s=now_s, settings=settings.latency)
    culprit = NOBODY
    if latency.alarm:
        suspects = _suspects(sample, seen, now_s, settings)
        culprit = culprit_of(suspects, evident_level=settings.evident_level)
    case = _Case(sample, seen, latency, culprit, now_s, settings)
    cpu_after, cpu_verdict, tick = _on_cpu(case)
    disk_after, disk_actions = _on_disk(case)
    room_after, room_actions = _on_memory(case)
    net_after, net_actions = _on_network(case)
    actions = cpu.actions_of(memory.cpu, cpu_after)
    if disk_actions or room_actions or net_actions:
        actions += [*disk_actions, *room_actions, *net_actions]
    verdicts = Verdicts(cpu_verdict, disk_after.verdict, room_after.verdict, net_after.verdict)
    reason = _loudest(verdicts).reason
    cause = cause_to_evict(cpu_after, tick, disk_after, room_after, now_s=now_s, settings=settings)
    if cause:
        gone = chosen(
            cause, sample, seen.pods, _blamed(case, cause), now_s=now_s, settings=settings
        )
        if gone is not None:
            actions.append(gone)
            reason = reasons.of_eviction(gone)
            cpu_after = replace(
                cpu_after, state=replace(cpu_after.state, evicted_s=now_s, open=False)
            )
    is_open = cpu_after.state.open and disk_after.ladder.stage < EVICT and room_after.stage < LIMIT
    if is_open != memory.open:
        actions.append(SetOpen(is_open))
    after = NodeMemory(
        cpu=cpu_after,
        disk=disk_after,
        memory=room_after,
        network=net_after,
        watches=services.told(seen.watches, settings.latency) if latency.alarm else seen.watches,
        blame_cpu=seen.blame_cpu,
        blame_disk=seen.blame_disk,
        pods=seen.pods,
        pods_s=seen.pods_s,
        dirty_growth_bytes_per_s=seen.dirty_growth_bytes_per_s,
        open=is_open,
    )
    return NodeDecision(tuple(actions), after, reason, verdicts)


@dataclass(frozen=True, slots=True)
class _Case:
    """What every law may ask in this tick."""

    sample: Sample
    seen: NodeMemory
    latency: Latency
    culprit: Culprit
    now_s: float
    settings: NodeSettings


def _seen(sample: Sample, before: NodeMemory, now_s: float, settings: NodeSettings) -> NodeMemory:
    """What is known of services and pods after this sample, before any law looks at it."""
    watches = services.listen(before.watches, sample, now_s=now_s, settings=settings.latency)
    if not sample.offline:
        if watches is before.watches:
            return before
        return replace(before, watches=watches)
    cpu_uses = {pod.uid: pod.cpu_cores or 0.0 for pod in sample.offline}
    disk_uses = {pod.uid: disk.bytes_of(pod) for pod in sample.offline}
    cpu_level = cpu.level_of(sample.signals, settings)
    disk_level = before.disk.level
    if sample.disk is not None:
        disk_level = disk.level_of(sample.disk, before.disk, settings.disk)
    return replace(
        before,
        watches=watches,
        pods=sample.offline,
        pods_s=now_s,
        blame_cpu=observe(
            before.blame_cpu, cpu_uses, cpu_level, now_s=now_s, settings=settings.blame
        ),
        blame_disk=observe(
            before.blame_disk, disk_uses, disk_level, now_s=now_s, settings=settings.blame
        ),
        dirty_growth_bytes_per_s=_dirty_growth(sample.offline, before, now_s),
    )


def _dirty_growth(pods: tuple[PodUse, ...], before: NodeMemory, now_s: float) -> float:
    """How fast batch piles up dirty pages; 0 at the first look."""
    dt_s = now_s - before.pods_s
    if not before.pods or dt_s <= 0.0:
        return 0.0
    growth = sum(pod.dirty_bytes or 0.0 for pod in pods)
    growth -= sum(pod.dirty_bytes or 0.0 for pod in before.pods)
    return max(0.0, growth / dt_s)


def _suspects(
    sample: Sample, seen: NodeMemory, now_s: float, settings: NodeSettings
) -> tuple[Suspect, ...]:
    """The resources at the time of an alarm; the CPU first, since it shows the least."""
    on_disk = disk.on_disk(seen.pods, NOBODY.resource)
    disk_level = seen.disk.level if now_s - seen.disk.heard_s < settings.recent_s else 0.0
    if sample.disk is not None:
        disk_level = disk.level_of(sample.disk, seen.disk, settings.disk)
    net = seen.network
    sends = now_s - net.sent_s < settings.recent_s
    return (
        Suspect(
            CPU, cpu.level_of(sample.signals, settings), cpu.batch_runs(sample.signals, settings)
        ),
        Suspect(DISK, disk_level, disk.is_active(on_disk, settings.disk)),
        Suspect(MEMORY, seen.memory.verdict.level, seen.memory.stage > 0),
        Suspect(NETWORK, net.verdict.level, sends),
    )


def _on_cpu(case: _Case) -> tuple[CpuMemory, Verdict, Tick | None]:
    seen, settings = case.seen, case.settings
    mine = case.culprit.resource == CPU
    level = cpu.level_of(case.sample.signals, settings)
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
    return cpu.decide_cpu(case.sample, seen.cpu, evidence, now_s=case.now_s, settings=settings)


def _on_disk(case: _Case) -> tuple[DiskMemory, list[Action]]:
    sample, seen, settings = case.sample, case.seen, case.settings
    batch = _NO_BATCH
    if sample.disk is not None:
        suspect = blamed(seen.blame_disk, settings.blame)
        batch = disk.on_disk(seen.pods, suspect, dirty_growth=seen.dirty_growth_bytes_per_s)
    return disk.decide_disk(
        sample.disk,
        seen.disk,
        batch,
        alarm=case.culprit.resource == DISK,
        highest=THROTTLE if case.latency.within else EVICT,
        now_s=case.now_s,
        settings=settings.disk,
    )


def _on_memory(case: _Case) -> tuple[RoomMemory, list[Action]]:
    seen, look = case.seen, case.sample.memory
    if look is None:
        return seen.memory, []
    return decide_memory(
        look, seen.memory, seen.pods, now_s=case.now_s, settings=case.settings.memory
    )


def _on_network(case: _Case) -> tuple[NetworkMemory, list[Action]]:
    seen, look = case.seen, case.sample.network
    if look is None:
        return seen.network, []
    return network.decide_network(
        look,
        seen.network,
        alarm=case.culprit.resource == NETWORK,
        now_s=case.now_s,
        settings=case.settings.network,
    )


def _blamed(case: _Case, cause: str) -> str:
    """Who is to blame for what somebody is to go for."""
    known = case.seen.blame_disk if cause == "io" else case.seen.blame_cpu
    return blamed(known, case.settings.blame)


def _loudest(verdicts: Verdicts) -> Verdict:
    """The one on the highest stage; the CPU's, where all are calm."""
    loudest = verdicts.cpu
    for other in (verdicts.disk, verdicts.memory, verdicts.network):
        if other.stage > loudest.stage:
            loudest = other
    return loudest
