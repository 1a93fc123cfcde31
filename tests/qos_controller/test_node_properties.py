"""What holds for `decide_node` whatever a node tells: bounds, few evictions, a way back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from qos_controller.core.cpu import FULL
from qos_controller.core.decision import (
    Action,
    Evict,
    Freeze,
    Reclaim,
    SetDisk,
    SetMemory,
    SetQuota,
)
from qos_controller.core.joined_quota import quotas
from qos_controller.core.node import NodeDecision, begin_node, decide_node
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.sample import (
    DiskSample,
    MemorySample,
    NetworkSample,
    PodUse,
    Sample,
    ServiceSample,
)
from qos_controller.core.signals import OfflineTask, Signals
from qos_controller.core.state import FREEZE

LAW = NodeSettings()
CORES, GIB, MIB = 4.0, 2.0**30, 2.0**20
NAMES = ("a", "b", "c")

some = st.none() | st.floats(0.0, 1.0)
steps_s = st.sampled_from([0.025, 0.025, 0.1, 1.0, 5.0])


def pods(names: tuple[str, ...], draw: st.DrawFn) -> tuple[PodUse, ...]:
    return tuple(
        PodUse(
            uid=name,
            cpu_cores=draw(st.none() | st.floats(0.0, 2.0)),
            read_bytes_per_s=draw(st.none() | st.floats(0.0, 500 * MIB)),
            written_bytes_per_s=draw(st.none() | st.floats(0.0, 500 * MIB)),
            dirty_bytes=draw(st.none() | st.floats(0.0, 500 * MIB)),
            memory_bytes=draw(st.none() | st.floats(0.0, 8 * GIB)),
        )
        for name in names
    )


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """One look at time 0; the test puts the time in."""
    names = draw(st.sampled_from([(), NAMES[:1], NAMES]))
    used = draw(st.floats(0.0, CORES)) if names else 0.0
    return Sample(
        signals=Signals(
            sampled_s=0.0,
            covered_s=0.025,
            capacity_cores=CORES,
            online_used_cores=draw(st.floats(0.0, CORES)),
            offline_used_cores=used,
            online_full_share=draw(some),
            offline_tasks=tuple(
                OfflineTask(task=name, cpu_cores=1.0, memory_bytes=GIB, started_s=-60.0)
                for name in names
            ),
        ),
        services=draw(
            st.sampled_from(
                [
                    (),
                    (ServiceSample(service="s", requests=8, slow_requests=0),),
                    (ServiceSample(service="s", requests=8, slow_requests=4),),
                ]
            )
        ),
        disk=draw(
            st.none()
            | st.builds(
                DiskSample,
                read_latency_s=st.none() | st.floats(0.0, 0.1),
                written_bytes_per_s=st.none() | st.floats(0.0, 1000 * MIB),
                dirty_bytes=st.none() | st.floats(0.0, 1000 * MIB),
                online_full_share=some,
            )
        ),
        memory=draw(
            st.none()
            | st.builds(
                MemorySample,
                capacity_bytes=st.just(24 * GIB),
                used_bytes=st.just(0.0),
                available_bytes=st.floats(0.0, 24 * GIB),
                online_full_share=some,
                offline_bytes=st.none() | st.floats(0.0, 24 * GIB),
            )
        ),
        network=draw(
            st.none()
            | st.builds(
                NetworkSample,
                link_bytes_per_s=st.none() | st.just(125 * MIB),
                online_sent_bytes_per_s=st.none() | st.floats(0.0, 200 * MIB),
                offline_sent_bytes_per_s=st.none() | st.floats(0.0, 200 * MIB),
                retransmits_per_s=st.none() | st.floats(0.0, 100.0),
                srtt_s=st.none() | st.floats(0.0, 0.1),
            )
        ),
        offline=pods(names, draw),
        cpus=draw(st.sampled_from([(), (0, 1, 2, 3)])),
    )


histories = st.lists(st.tuples(steps_s, samples(), st.integers(1, 20)), max_size=4)


def at(sample: Sample, now_s: float) -> Sample:
    """The same look, anew at another time."""
    disk, room, net = sample.disk, sample.memory, sample.network
    return replace(
        sample,
        signals=replace(sample.signals, sampled_s=now_s),
        disk=replace(disk) if disk else None,
        memory=replace(room) if room else None,
        network=replace(net) if net else None,
        offline=tuple(replace(pod) for pod in sample.offline),
    )


def replay(
    history: list[tuple[float, Sample, int]],
) -> Iterator[tuple[float, Sample, NodeDecision]]:
    memory, now_s = begin_node(capacity_cores=CORES, now_s=0.0, settings=LAW), 0.0
    for step_s, sample, times in history:
        for _ in range(times):
            now_s += step_s
            told = at(sample, now_s)
            decision = decide_node(told, memory, now_s, LAW)
            yield now_s, told, decision
            memory = decision.memory


def named(action: Action) -> str:
    return action.task if isinstance(action, Evict) else getattr(action, "pod", "")


@settings(deadline=None, max_examples=40)  # a busy machine is no failure
@given(histories)
def test_one_goes_in_each_cooldown_at_most(history: list[tuple[float, Sample, int]]) -> None:
    last_s = -math.inf
    for now_s, sample, decision in replay(history):
        gone = [action for action in decision.actions if isinstance(action, Evict)]
        assert len(gone) <= 1
        for eviction in gone:
            memory = eviction.cause == "memory"
            assert now_s - last_s >= (LAW.memory.cooldown_s if memory else LAW.cpu.cooldown_s)
            assert eviction.task in {task.task for task in sample.signals.offline_tasks}
            assert not decision.memory.open
            last_s = now_s


@settings(deadline=None, max_examples=40)  # a busy machine is no failure
@given(histories)
def test_frozen_time_is_bounded_by_both_budgets(history: list[tuple[float, Sample, int]]) -> None:
    now_s, frozen_s, until_s = 0.0, 0.0, -math.inf
    for now_s, _, decision in replay(history):
        for action in decision.actions:
            if isinstance(action, Freeze):
                frozen_s += max(0.0, action.until_s - max(now_s, until_s))
                until_s = max(until_s, action.until_s)
                stages = (decision.verdicts.cpu.stage, decision.verdicts.disk.stage)
                assert max(stages) >= FREEZE
    budget_s = LAW.cpu.freeze_budget_s + LAW.disk.ladder.freeze_budget_s
    refill = LAW.cpu.freeze_refill_share + LAW.disk.ladder.freeze_refill_share
    assert frozen_s <= budget_s + refill * now_s + 1e-6


@settings(deadline=None, max_examples=40)  # a busy machine is no failure
@given(histories)
def test_only_pods_that_the_sample_names_are_held_back(
    history: list[tuple[float, Sample, int]],
) -> None:
    """Who is not managed is in no sample; what is lifted may be of one who has just left."""
    for _, sample, decision in replay(history):
        present = {"", *(pod.uid for pod in sample.offline)}
        present |= {pod.uid for pod in decision.memory.pods}
        for action in decision.actions:
            if not is_lift(action):
                assert named(action) in present


@settings(deadline=None, max_examples=40)  # a busy machine is no failure
@given(histories)
def test_without_batch_nothing_climbs(history: list[tuple[float, Sample, int]]) -> None:
    alone = [
        (
            step_s,
            replace(
                sample,
                offline=(),
                signals=replace(sample.signals, offline_used_cores=0.0, offline_tasks=()),
                memory=replace(sample.memory, offline_bytes=0.0) if sample.memory else None,
                network=None,
            ),
            times,
        )
        for step_s, sample, times in history
    ]
    for _, _, decision in replay(alone):
        verdicts = decision.verdicts
        assert (verdicts.cpu.stage, verdicts.disk.stage, verdicts.memory.stage) == (0, 0, 0)
        assert not decision.actions


@settings(deadline=None, max_examples=40)  # a busy machine is no failure
@given(histories, st.lists(st.floats(0.01, 60.0), min_size=1, max_size=10))
def test_an_old_sample_evicts_freezes_and_squeezes_nobody(
    history: list[tuple[float, Sample, int]], silence: list[float]
) -> None:
    past = list(replay(history))
    if not past:
        return
    now_s, sample, decision = past[-1]
    for gap_s in silence:
        now_s += gap_s
        decision = decide_node(sample, decision.memory, now_s, LAW)
        for action in decision.actions:
            assert not isinstance(action, Evict | Freeze | Reclaim | SetMemory | SetDisk)
            if isinstance(action, SetQuota):
                assert action.cores < math.inf


@settings(deadline=None, max_examples=15)  # a busy machine is no failure
@given(histories)
def test_when_all_is_calm_every_limit_is_lifted_in_bounded_time(
    history: list[tuple[float, Sample, int]],
) -> None:
    past = list(replay(history))
    if not past:
        return
    now_s, last, decision = past[-1]
    for _ in range(130):
        now_s += 3.0
        decision = decide_node(calm(last, now_s), decision.memory, now_s, LAW)
    after, verdicts = decision.memory, decision.verdicts
    assert (verdicts.cpu.stage, verdicts.disk.stage, verdicts.memory.stage) == (0, 0, 0)
    assert not quotas(replace(after.cpu, breath=FULL), after.disk, LAW)
    assert after.cpu.breath.cores == CORES
    assert not after.memory.limits
    assert after.network.ceiling_bytes_per_s == math.inf
    assert not after.disk.small_queue
    assert not after.disk.dirty_limited
    assert not after.cpu.cpus
    assert after.open


def calm(last: Sample, now_s: float) -> Sample:
    """Online is well, and batch calculates without touching disk or uplink."""
    return Sample(
        signals=Signals(
            sampled_s=now_s,
            covered_s=3.0,
            capacity_cores=CORES,
            online_used_cores=1.0,
            offline_used_cores=1.0,
            online_full_share=0.0,
            offline_tasks=last.signals.offline_tasks,
        ),
        disk=DiskSample(
            read_latency_s=0.0003, written_bytes_per_s=0.0, dirty_bytes=0.0, online_full_share=0.0
        ),
        memory=MemorySample(
            capacity_bytes=24 * GIB, used_bytes=4 * GIB, available_bytes=20 * GIB, offline_bytes=GIB
        ),
        network=NetworkSample(
            online_sent_bytes_per_s=0.0, offline_sent_bytes_per_s=0.0, srtt_s=0.0005
        ),
        offline=tuple(PodUse(uid=pod.uid, cpu_cores=0.5, memory_bytes=GIB) for pod in last.offline),
    )


def is_lift(action: Action) -> bool:
    match action:
        case SetQuota(cores):
            return cores == math.inf
        case SetDisk(_, written):
            return written is None
        case SetMemory(limit):
            return limit is None
    return False


@settings(deadline=None, max_examples=15)  # a busy machine is no failure
@given(histories)
def test_the_same_samples_give_the_same_decisions(
    history: list[tuple[float, Sample, int]],
) -> None:
    first = [decision for *_, decision in replay(history)]
    assert first == [decision for *_, decision in replay(history)]
    assert all(str(decision.reason) for decision in first)
