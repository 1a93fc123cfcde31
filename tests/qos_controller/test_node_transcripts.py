"""Stories of a whole node, tick by tick: tests/scenarios/node_*.txt, commands and answers.

    node cores=2 gib=24 [link=125 cpus=8]        a new node; MiB/s of the link
    pod NAME [cores=1 write=400 dirty=64 send=0 holds=1 grow=0 asks=1 age=60 work=60]
    leave NAME
    run for=1 every=0.1 [online=0.5 stall=0 bad=0 requests=8 slow_io=0 sends=0 ...]
    silence for=10 every=1                       the last sample is told again and again

A pod wants `cores`, writes `write` MiB/s through the page cache if it has `dirty` MiB dirty, sends
`send` MiB/s, holds `holds` GiB and grows by `grow` GiB a second. It gets what the actions leave it.
`stall` is online's full stall whatever batch does, `bad` what one core of batch adds to it, and
`pain` the share of slow requests that one core of batch makes (`slow`: that nobody makes);
`slow_io` the milliseconds that 100 MiB/s of batch's writes add to a read (0.3 else), `pain_io` the
share of slow requests they make; `slow_net` the milliseconds that 100 MiB/s of its sending adds.
`noisy=NAME` lets only that pod's use count. With REWRITE=1 the answers are written anew.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from qos_controller.core.decision import (
    Action,
    Evict,
    Freeze,
    Reclaim,
    SetCpus,
    SetDirty,
    SetDisk,
    SetEgress,
    SetMemory,
    SetOpen,
    SetQueue,
    SetQuota,
)
from qos_controller.core.node import NodeDecision, NodeMemory, begin_node, decide_node
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

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("node_*.txt"))
GIB, MIB = 2.0**30, 2.0**20
STAGES = ("cpu", "disk", "memory", "network")


@dataclass
class BatchPod:
    """What a pod wants, and what it is held to."""

    name: str
    wants: dict[str, float]
    holds_gib: float
    quota_cores: float = math.inf
    write_mib: float = math.inf
    frozen_until_s: float = -math.inf
    limit_gib: float = math.inf

    def uses(self, node: Node) -> dict[str, float]:
        """Cores, MiB/s written, MiB dirty."""
        wanted = self.wants.get("cores", 0.0)
        if node.now_s < max(self.frozen_until_s, node.frozen_until_s):
            return {"cores": 0.0, "write": 0.0, "dirty": 0.0}
        total = sum(pod.wants.get("cores", 0.0) for pod in node.pods) or 1.0
        cores = min(wanted, self.quota_cores, node.quota_cores * wanted / total)
        run = cores / wanted if wanted else 1.0
        dirty = self.wants.get("dirty", 0.0)
        written = self.wants.get("write", 0.0) * run
        if not dirty:
            written = min(written, self.write_mib, node.write_mib)
        return {"cores": cores, "write": written, "dirty": dirty * run}


@dataclass
class Node:
    """A node that does what it is told."""

    settings: NodeSettings
    facts: dict[str, float]
    memory: NodeMemory
    now_s: float = 0.0
    pods: list[BatchPod] = field(default_factory=list)
    quota_cores: float = math.inf
    write_mib: float = math.inf
    egress_mib: float = math.inf
    frozen_until_s: float = -math.inf
    owed_slow: float = 0.0
    last: Sample | None = None

    def sample(self, says: dict[str, float], noisy: str) -> Sample:
        uses = {pod.name: pod.uses(self) for pod in self.pods}
        every_s = says["every"]
        self.now_s = round(self.now_s + every_s, 6)
        felt = {name: use for name, use in uses.items() if noisy in {"", name}}
        cores = sum(use["cores"] for use in felt.values())
        written = sum(use["write"] for use in felt.values())
        self.grow(every_s)
        return Sample(
            signals=self.signals(says, cores, sum(use["cores"] for use in uses.values())),
            services=self.services(says, cores, written),
            disk=DiskSample(
                read_latency_s=1e-3 * (0.3 + says.get("slow_io", 0.0) * written / 100.0),
                written_bytes_per_s=MIB * sum(use["write"] for use in uses.values()),
                dirty_bytes=MIB * sum(use["dirty"] for use in uses.values()),
            ),
            memory=self.room(says),
            network=self.uplink(says),
            offline=tuple(self.pod_use(pod, uses[pod.name]) for pod in self.pods),
            cpus=tuple(range(int(self.facts.get("cpus", 0)))),
        )

    def signals(self, says: dict[str, float], felt_cores: float, cores: float) -> Signals:
        return Signals(
            sampled_s=self.now_s,
            covered_s=says["every"],
            capacity_cores=self.facts["cores"],
            online_used_cores=says.get("online", 0.5),
            offline_used_cores=cores,
            online_full_share=min(1.0, says.get("stall", 0.0) + says.get("bad", 0.0) * felt_cores),
            offline_tasks=tuple(
                OfflineTask(
                    task=pod.name,
                    cpu_cores=max(0.1, pod.wants.get("cores", 0.0)),
                    memory_bytes=pod.wants.get("asks", 1.0) * GIB,
                    started_s=-pod.wants.get("age", 60.0),
                )
                for pod in self.pods
            ),
        )

    def services(
        self, says: dict[str, float], cores: float, written: float
    ) -> tuple[ServiceSample, ...]:
        requests = int(says.get("requests", 0))
        if not requests:
            return ()
        share = says.get("pain", 0.0) * cores + says.get("pain_io", 0.0) * written / 100.0
        self.owed_slow += min(1.0, share + says.get("slow", 0.0)) * requests
        slow = int(self.owed_slow)
        self.owed_slow -= slow
        return (ServiceSample(service="web", requests=requests, slow_requests=slow),)

    def room(self, says: dict[str, float]) -> MemorySample:
        held = sum(pod.holds_gib for pod in self.pods) * GIB
        capacity = self.facts.get("gib", 24.0) * GIB
        used = held + says.get("online_gib", 2.0) * GIB
        return MemorySample(
            capacity_bytes=capacity,
            used_bytes=used,
            available_bytes=max(0.0, capacity - used),
            offline_bytes=held,
        )

    def uplink(self, says: dict[str, float]) -> NetworkSample:
        wanted = sum(pod.wants.get("send", 0.0) for pod in self.pods)
        sent = min(wanted, self.egress_mib)
        return NetworkSample(
            link_bytes_per_s=self.facts["link"] * MIB if "link" in self.facts else None,
            online_sent_bytes_per_s=says.get("sends", 0.0) * MIB,
            offline_sent_bytes_per_s=sent * MIB,
            srtt_s=1e-3 * (0.5 + says.get("slow_net", 0.0) * sent / 100.0),
        )

    def pod_use(self, pod: BatchPod, use: dict[str, float]) -> PodUse:
        return PodUse(
            uid=pod.name,
            cpu_cores=use["cores"],
            written_bytes_per_s=use["write"] * MIB,
            dirty_bytes=use["dirty"] * MIB,
            memory_bytes=pod.holds_gib * GIB,
        )

    def grow(self, every_s: float) -> None:
        for pod in self.pods:
            grown = pod.holds_gib + pod.wants.get("grow", 0.0) * every_s
            pod.holds_gib = min(pod.limit_gib, grown)

    def obey(self, decision: NodeDecision) -> None:
        self.memory = decision.memory
        for action in decision.actions:
            self.do(action)

    def do(self, action: Action) -> None:
        """What it does to all, or to one pod that may have left meanwhile."""
        target = next((pod for pod in self.pods if pod.name == getattr(action, "pod", "")), self)
        match action:
            case SetQuota(cores):
                target.quota_cores = cores
            case SetDisk(_, written):
                target.write_mib = math.inf if written is None else written / MIB
            case Freeze(until_s):
                target.frozen_until_s = until_s
            case SetEgress(limit):
                self.egress_mib = math.inf if limit is None else limit / MIB
            case Evict(task):
                self.pods = [pod for pod in self.pods if pod.name != task]
        if isinstance(target, BatchPod):
            self.do_to_memory(action, target)

    @staticmethod
    def do_to_memory(action: Action, pod: BatchPod) -> None:
        match action:
            case SetMemory(limit):
                pod.limit_gib = math.inf if limit is None else limit / GIB
            case Reclaim(size):
                # What is really used comes back: only a tenth is cold.
                pod.holds_gib -= 0.1 * size / GIB


WORDS: dict[type, tuple[str, str, float]] = {
    SetQuota: ("quota", "cores", 1.0),
    SetDisk: ("disk", "write_bytes_per_s", MIB),
    SetDirty: ("dirty", "limit_bytes", MIB),
    SetMemory: ("memory", "limit_bytes", GIB),
    Reclaim: ("reclaim", "reclaim_bytes", GIB),
    SetEgress: ("egress", "bytes_per_s", MIB),
    Freeze: ("freeze-until", "until_s", 1.0),
}


def word_of(action: Action) -> str:
    match action:
        case SetCpus(cpus):
            return f"cpus={','.join(map(str, cpus)) or 'all'}"
        case SetQueue(small):
            return f"queue={'small' if small else 'as-it-was'}"
        case Evict(task):
            return f"evict={task}"
        case SetOpen(is_open):
            return "open" if is_open else "close"
    name, value, unit = WORDS[type(action)]
    each = "/10ms" if getattr(action, "period_s", 0.1) == 0.01 else ""
    return f"{name}{of(getattr(action, 'pod', ''))}={_number(getattr(action, value), unit)}{each}"


def of(pod: str) -> str:
    return f"[{pod}]" if pod else ""


def _number(value: float | None, unit: float) -> str:
    return "free" if value is None or value == math.inf else f"{value / unit:.4g}"


def stages(decision: NodeDecision) -> tuple[int, ...]:
    return tuple(getattr(decision.verdicts, name).stage for name in STAGES)


def stages_before(memory: NodeMemory) -> tuple[int, ...]:
    on_cpu, on_disk = memory.cpu.state.ladder.stage, memory.disk.ladder.stage
    return (on_cpu, on_disk, memory.memory.stage, memory.network.verdict.stage)


def told(node: Node, decision: NodeDecision) -> Iterator[str]:
    at = " ".join(
        f"{name}:{stage}" for name, stage in zip(STAGES, stages(decision), strict=True) if stage
    )
    words = [word_of(action) for action in decision.actions]
    yield " ".join([f"t={node.now_s:g}", at or "calm", *words])
    yield f"    {decision.reason}"


def is_step(action: Action) -> bool:
    """Whether it is more than one more step of a growth."""
    return not isinstance(action, SetQuota | SetDisk | SetEgress)


def run(node: Node, says: dict[str, float], noisy: str, *, silent: bool) -> Iterator[str]:
    ticks = round(says["for"] / says["every"])
    for tick in range(1, ticks + 1):
        if silent and node.last is not None:
            node.now_s = round(node.now_s + says["every"], 6)
            sample = node.last
        else:
            sample = node.last = node.sample(says, noisy)
        before = node.memory
        decision = decide_node(sample, before, node.now_s, node.settings)
        node.obey(decision)
        moved = stages(decision) != stages_before(before)
        if tick == ticks or moved or any(map(is_step, decision.actions)):
            yield from told(node, decision)


def make_node(facts: dict[str, float]) -> Node:
    settings = NodeSettings()
    memory = begin_node(capacity_cores=facts["cores"], now_s=0.0, settings=settings)
    return Node(settings, facts, memory)


def answers(text: str) -> Iterator[str]:
    """The transcript with each command followed by what really happens."""
    node = make_node({"cores": 1.0})
    for line in text.splitlines():
        command, *rest = line.split() or [""]
        words = dict(word.split("=") for word in rest if "=" in word)
        if command in {"node", "pod", "leave", "run", "silence"} or line.startswith("#"):
            yield line
        elif not line:
            yield ""
            continue
        if command == "node":
            node = make_node({key: float(value) for key, value in words.items()})
        elif command == "pod":
            wants = {key: float(value) for key, value in words.items()}
            node.pods.append(BatchPod(rest[0], wants, wants.get("holds", 1.0)))
        elif command == "leave":
            node.pods = [pod for pod in node.pods if pod.name != rest[0]]
        elif command in {"run", "silence"}:
            noisy = words.pop("noisy", "")
            says = {key: float(value) for key, value in words.items()}
            yield "----"
            yield from run(node, says, noisy, silent=command == "silence")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_story_of_the_node_goes_as_it_is_told(path: Path) -> None:
    expected = path.read_text()
    actual = "\n".join(answers(expected)) + "\n"
    if os.environ.get("REWRITE"):
        path.write_text(actual)
    assert actual == expected


def test_the_stories_of_the_node_are_there() -> None:
    assert len(SCENARIOS) >= 8


def test_a_story_changes_when_the_law_does() -> None:
    """The stories are no decoration: without its limit the CPU's story is another one."""
    path = next(path for path in SCENARIOS if path.stem == "node_cpu")
    node = make_node({"cores": 2.0})
    node.settings = replace(node.settings, cpu=replace(node.settings.cpu, full_limit_share=9.0))
    node.pods.append(BatchPod("hog", {"cores": 2.0}, 1.0))
    says = {"for": 2.0, "every": 0.025, "bad": 0.2}
    assert not any("throttle" in line for line in run(node, says, "", silent=False))
    assert "throttle" in path.read_text()
