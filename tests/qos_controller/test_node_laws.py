"""The parts of the node's law by tables: standing, services, blame, whom an alarm is laid on."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from qos_controller.core.attribution import CPU, DISK, NOBODY, Suspect, culprit_of
from qos_controller.core.batch_io import summed
from qos_controller.core.blame import UNBLAMED, blamed, observe
from qos_controller.core.decision import SetDirty, SetEgress
from qos_controller.core.disk import decide_disk, first
from qos_controller.core.network import NetworkMemory, decide_network
from qos_controller.core.node import begin_node, decide_node
from qos_controller.core.node_settings import (
    BlameSettings,
    DiskSettings,
    LatencySettings,
    NetworkSettings,
    NodeSettings,
    StandingSettings,
)
from qos_controller.core.pace import mostly_writes
from qos_controller.core.pods import Pod
from qos_controller.core.sample import DiskSample, NetworkSample, PodUse, Sample, ServiceSample
from qos_controller.core.services import SILENT, Latency, Watch, judged, listen
from qos_controller.core.signals import Signals
from qos_controller.core.standing import NOTHING, NodeFacts, standing

GIB, MIB = 2.0**30, 2.0**20
FACTS = NodeFacts(capacity_cores=8.0, capacity_bytes=32 * GIB, bound={"rt": (2, 3)})
POD = Pod(uid="p", namespace="n", name="p", batch=True)
LATENCY = LatencySettings()


def test_a_batch_pod_has_the_lightest_weight_and_its_own_limits() -> None:
    pod = replace(POD, batch_cpu_cores=2.0, batch_memory_bytes=4 * GIB)
    found = standing(pod, FACTS, StandingSettings())
    assert found.cpu_shares == 2
    assert (found.quota_cores, found.memory_limit_bytes) == (2.0, 4 * GIB)
    assert found.oom_score_adj == 1000
    assert found.io_class == "idle"


@pytest.mark.parametrize("cores", [None, 0.0, 8.0, 64.0])
def test_a_limit_that_limits_nothing_is_not_written(cores: float | None) -> None:
    pod = replace(POD, batch_cpu_cores=cores, batch_memory_bytes=32 * GIB)
    found = standing(pod, FACTS, StandingSettings())
    assert (found.quota_cores, found.memory_limit_bytes) == (None, None)


def test_who_is_not_managed_has_no_standing() -> None:
    assert standing(replace(POD, managed=False), FACTS, StandingSettings()) == NOTHING


def test_online_only_gains() -> None:
    online = replace(POD, uid="rt", batch=False, qos_class="LSR", cpu_limit_cores=2.0)
    found = standing(online, FACTS, StandingSettings())
    assert (found.burst_cores, found.cpus) == (2.0, (2, 3))
    assert replace(found, burst_cores=None, cpus=None) == NOTHING
    assert standing(replace(online, qos_class="LS"), FACTS, StandingSettings()).cpus is None


def heard(ticks: int, *services: ServiceSample, silent_s: float = 0.0) -> Latency:
    watches: tuple[Watch, ...] = ()
    signals = Signals(
        sampled_s=0.0, capacity_cores=1.0, online_used_cores=0.0, offline_used_cores=0.0
    )
    now_s = 0.0
    for tick in range(ticks):
        now_s = 0.025 * tick
        sample = Sample(signals=signals, services=services)
        watches = listen(watches, sample, now_s=now_s, settings=LATENCY)
    return judged(watches, now_s=now_s + silent_s, settings=LATENCY)


def test_a_small_service_does_not_hide_behind_a_big_one() -> None:
    big = ServiceSample(service="big", requests=100, slow_requests=0)
    small = ServiceSample(service="small", requests=1, slow_requests=1)
    found = heard(4, big, small)
    assert (found.alarm, found.service, found.within) == (True, "small", False)
    assert heard(4, big).slack


def test_the_budget_is_that_of_the_services_own_quantile() -> None:
    tenth = ServiceSample(service="s", requests=100, slow_requests=10, quantile=0.9)
    assert not heard(20, tenth).alarm
    assert heard(20, replace(tenth, quantile=0.99)).alarm


def test_who_falls_silent_proves_nothing() -> None:
    busy = ServiceSample(service="s", requests=8, slow_requests=0)
    assert heard(40, busy).within
    assert not heard(40, busy, silent_s=0.1).within
    assert not heard(1, busy).within


def told(levels: list[float], **uses: list[float]) -> str:
    blame = UNBLAMED
    for tick, level in enumerate(levels):
        now = {name: series[tick] for name, series in uses.items()}
        blame = observe(blame, now, level, now_s=float(tick), settings=BlameSettings())
    return blamed(blame, BlameSettings())


@pytest.mark.parametrize(
    ("uses", "expected"),
    [
        ({"noisy": [0, 3, 0, 3, 3], "steady": [2, 2, 2, 2, 2]}, "noisy"),
        ({"first": [0, 3, 0, 3, 3], "second": [0, 3, 0, 3, 3]}, ""),
        ({"tiny": [0, 0.1, 0, 0.1, 0.1], "steady": [2, 2, 2, 2, 2]}, ""),
        ({"alone": [0, 3, 0, 3, 3]}, ""),
        ({"against": [3, 0, 3, 0, 0], "steady": [1, 1, 1, 1, 1]}, ""),
    ],
)
def test_blame_falls_on_the_one_whose_use_goes_with_the_pressure(
    uses: dict[str, list[float]], expected: str
) -> None:
    assert told([0.0, 3.0, 0.0, 3.0, 3.0], **uses) == expected


@pytest.mark.parametrize(
    ("cpu", "disk", "resource", "proven"),
    [
        (Suspect(CPU, 2.0, True), Suspect(DISK, 1.0, True), CPU, True),
        (Suspect(CPU, 0.2, True), Suspect(DISK, 1.0, True), DISK, True),
        (Suspect(CPU, 9.0, False), Suspect(DISK, 0.6, True), DISK, True),
        (Suspect(CPU, 0.1, True), Suspect(DISK, 0.2, True), CPU, False),
    ],
)
def test_an_alarm_goes_to_the_resource_whose_pressure_rose(
    cpu: Suspect, disk: Suspect, resource: str, *, proven: bool
) -> None:
    found = culprit_of((cpu, disk), evident_level=0.5)
    assert (found.resource, found.proven) == (resource, proven)


def test_where_batch_uses_nothing_nobody_is_to_blame() -> None:
    assert culprit_of((Suspect(CPU, 9.0, False),), evident_level=0.5) == NOBODY


@pytest.mark.parametrize(
    ("pods", "writers"),
    [
        ((PodUse(uid="new"),), True),
        ((PodUse(uid="w", cpu_cores=0.3, dirty_bytes=8 * MIB),), True),
        ((PodUse(uid="w", cpu_cores=0.3, written_bytes_per_s=50 * MIB),), True),
        ((PodUse(uid="w", cpu_cores=0.3, buffered_bytes_per_s=50 * MIB),), True),
        ((PodUse(uid="hog", cpu_cores=0.3, dirty_bytes=1 * MIB),), False),
        (
            (
                PodUse(uid="w", cpu_cores=0.3, dirty_bytes=8 * MIB),
                PodUse(uid="hog", cpu_cores=1.5),
            ),
            False,
        ),
    ],
)
def test_onlines_stall_is_laid_on_the_disk_where_batch_mostly_writes(
    pods: tuple[PodUse, ...], *, writers: bool
) -> None:
    assert mostly_writes(pods, DiskSettings()) is writers


@pytest.mark.parametrize(("read_s", "is_paced"), [(0.0003, False), (0.01, True)])
def test_few_pages_may_be_dirty_while_a_writer_is_paced(read_s: float, *, is_paced: bool) -> None:
    law = DiskSettings()
    memory, actions = first(law), []
    for look, dirty in enumerate((64 * MIB, 64 * MIB, 1 * MIB)):
        pod = PodUse(uid="w", cpu_cores=1.0, dirty_bytes=dirty, written_bytes_per_s=9e8)
        memory, news = decide_disk(
            DiskSample(read_latency_s=read_s, dirty_bytes=dirty),
            memory,
            summed((pod,), blamed="", offline_cores=1.0),
            latency=SILENT,
            alarm=False,
            now_s=1.0 + 0.1 * look,
            settings=law,
        )
        actions += news
    limit = law.dirty_tight_bytes if is_paced else law.dirty_limit_bytes
    assert [one for one in actions if isinstance(one, SetDirty)][-1] == SetDirty(limit)
    # Its pages are few because of the tight limit alone, so it still counts as a writer.
    assert (memory.dirtied_s == 1.2) is is_paced


def test_a_calm_tick_of_a_node_costs_microseconds() -> None:
    """The loop makes forty a second. The bound is loose, for a busy machine."""
    law = NodeSettings()
    pods = tuple(PodUse(uid=str(number), cpu_cores=0.1) for number in range(50))
    samples = [
        Sample(
            signals=Signals(
                sampled_s=0.025 * tick,
                covered_s=0.025,
                capacity_cores=8.0,
                online_used_cores=2.0,
                offline_used_cores=5.0,
                online_full_share=0.01,
            ),
            services=(ServiceSample(service="s", requests=8, slow_requests=0),),
            offline=pods,
        )
        for tick in range(1, 1001)
    ]
    best_s = float("inf")
    for _ in range(5):
        memory = begin_node(capacity_cores=8.0, now_s=0.0, settings=law)
        started_s = time.process_time()
        for sample in samples:
            memory = decide_node(sample, memory, sample.signals.sampled_s, law).memory
        best_s = min(best_s, (time.process_time() - started_s) / len(samples))
    assert memory.cpu.state.ladder.stage == 0
    assert best_s < 120e-6


@pytest.mark.parametrize(
    ("link", "online", "here", "ceiling"),
    [
        (1e8, 0.0, True, 0.95e8),
        (1e8, 2e7, True, 1e8 - 2e7 - 1.5e7),
        (1e8, 6e7, True, 1e8 - 6e7 - 2e7),
        (1e8, 0.99e8, True, 0.02e8),
        (1e8, 2e7, False, math.inf),
        (None, 2e7, True, math.inf),
    ],
)
def test_a_known_link_has_its_ceiling_ready_before_batch_sends(
    link: float | None, online: float, *, here: bool, ceiling: float
) -> None:
    look = NetworkSample(
        link_bytes_per_s=link, online_sent_bytes_per_s=online, offline_sent_bytes_per_s=0.0
    )
    after, actions = decide_network(
        look,
        NetworkMemory(),
        alarm=False,
        batch_is_here=here,
        now_s=1.0,
        settings=NetworkSettings(),
    )
    assert after.ceiling_bytes_per_s == pytest.approx(ceiling)
    assert after.verdict.stage == 0
    assert actions == ([] if ceiling == math.inf else [SetEgress(after.ceiling_bytes_per_s)])
