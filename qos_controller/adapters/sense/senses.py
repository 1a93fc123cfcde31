"""All that the agent senses, put together: a glance a tick, and a whole look where it asks for one.

What can hurt at once (latencies, the stall of CPU, disk and memory, the disk's own latency) is
glanced at every tick or when its turn comes; the rest is read in whole looks, and everything four
times as often while the law says that something is wrong. Always holds: files are opened in
`follow`, and later only those that were missing; what could not be read is None; a pod without an
entry in the book is online.
Times are the caller's monotonic seconds.
Cost, 15 online and 35 batch pods, CPU time (bench/senses_cost.py): a glance 12 us with a warm
cache, a whole look 40 us in calm and 85 us under pressure; in a loop that sleeps 25 ms between two
ticks five to eight times as much. Each datagram adds 6 us warm, 13 us cold.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.latency.datagram import Datagrams
from qos_controller.adapters.latency.services import Heard, Services
from qos_controller.adapters.sense.cpu_use import CpuUse
from qos_controller.adapters.sense.devices import devices_of
from qos_controller.adapters.sense.disk import Device, DeviceUse
from qos_controller.adapters.sense.memory import MemoryOfGroup, MemoryOfNode, NodeMemory
from qos_controller.adapters.sense.network import Network
from qos_controller.adapters.sense.offline import Offline
from qos_controller.adapters.sense.online import OwnThrottling, StallOf
from qos_controller.adapters.sense.online_pods import OnlinePods
from qos_controller.adapters.sense.subtrees import whole_subtrees
from qos_controller.adapters.sense.traffic import link_bytes_per_s
from qos_controller.core.pods import Pod
from qos_controller.core.sample import DiskSample, MemorySample, Sample
from qos_controller.core.signals import OfflineTask, Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """How often each signal is read, in calm; under pressure four times as often."""

    stall_s: float = 0.05
    """I/O and memory stall, in turn; CPU stall is read every tick."""
    use_s: float = 0.025
    """CPU use of online, batch and the system."""
    throttling_s: float = 0.5
    disk_s: float = 0.1
    memory_s: float = 0.2
    batch_pod_s: float = 0.1
    """A round of all batch pods takes this long a pod, and a quarter of a second at least."""
    batch_round_s: float = 0.25
    online_pod_s: float = 15.0
    """Threads, load and run delay of pods with an SLO."""
    sent_s: float = 0.2
    sockets_s: float = 5.0
    haste: float = 4.0


_RARE_S: Final = 0.1
_STIRS_SHARE: Final = 0.05
"""Half of the stall that any law calls harm: below it nothing has to be looked into."""
_SLOW_READ_S: Final = 0.001
"""Reads that take no longer are never called harm."""


class _Turn:
    """A reading with a period of its own; `skip` puts it beside those that began a tick before."""

    __slots__ = ("_next_s", "_period_s", "_skip")

    def __init__(self, period_s: float, *, skip: bool = False) -> None:
        self._period_s = period_s
        self._next_s = 0.0
        self._skip = skip

    def has_come(self, now_s: float, haste: float) -> bool:
        if self._skip:
            self._skip = False
            return False
        # A tick is never exactly on time; half a millisecond late must not cost a whole tick.
        if now_s < self._next_s - 0.002:
            return False
        self._next_s = now_s + self._period_s / haste
        return True


class Senses:
    """The node's senses. `follow` when pods come and go, `read` each tick, `close` at the end."""

    def __init__(
        self,
        layout: Layout,
        *,
        every: Every | None = None,
        proc: str = "/proc",
        sys: str = "/sys",
        online_paths: Sequence[str] = ("/var/lib/kubelet", "/var/lib/containerd", "/"),
        capacity_cores: float | None = None,
        uplink_bytes_per_s: float | None = None,
        cpus: tuple[int, ...] = (),
    ) -> None:
        """Opens what does not change with the pods.

        Args:
            layout: Where groups lie.
            every: How often signals are read.
            proc: Where /proc is mounted.
            sys: Where /sys is mounted.
            online_paths: Say on which disks online's files lie.
            capacity_cores: None: the CPUs that this process may run on.
            uplink_bytes_per_s: What the node's link carries; None: as its driver says.
            cpus: Handed on with each sample.
        """
        self._layout = layout
        self._every = every or Every()
        self.cpus = cpus
        self._capacity_cores = capacity_cores or float(len(os.sched_getaffinity(0)))
        self.services = Services()
        self.datagrams = Datagrams(self.services)
        self._node_cpu = CpuUse(layout, "")
        self._pods_cpu = CpuUse(layout, layout.kubepods)
        self._pods_memory = MemoryOfGroup(layout, layout.kubepods)
        self._node_memory = MemoryOfNode(proc)
        paths = [path for path in online_paths if Path(path).exists()]
        self._devices = [Device(number, sys) for number in devices_of(paths, sys)]
        self._offline = Offline(pod_s=self._every.batch_pod_s, shortest_s=self._every.batch_round_s)
        self._offline_cpu: dict[str, CpuUse] = {}
        self._online_pods = OnlinePods(
            layout, period_s=self._every.online_pod_s, capacity_cores=self._capacity_cores
        )
        self._network = Network(
            layout,
            link_bytes_per_s=uplink_bytes_per_s or link_bytes_per_s(sys, proc),
            sent_s=self._every.sent_s,
            sockets_s=self._every.sockets_s,
        )
        self._cpu = self._io = self._memory = StallOf(layout, (), "cpu")
        self._throttling = OwnThrottling(layout, {}, period_s=1.0)
        self._held_cores = 0.0
        self._tasks: tuple[OfflineTask, ...] = ()
        stall_s = self._every.stall_s
        self._io_turn, self._memory_stall_turn = _Turn(stall_s), _Turn(stall_s, skip=True)
        self._use_turn = _Turn(self._every.use_s, skip=True)
        self._rare_turn = _Turn(_RARE_S)
        self._used = (0.0, 0.0, 0.0)
        self._disk_turn, self._memory_turn = _Turn(self._every.disk_s), _Turn(self._every.memory_s)
        self._meminfo: NodeMemory | None = None
        self._glanced_s: float | None = None
        self._covered_s = 0.0
        self._haste = 1.0
        self._disk: DiskSample | None = None
        """Looked at, and not told yet."""
        self._memory_sample: MemorySample | None = None

    def follow(
        self, pods: Sequence[Pod], groups: Mapping[str, str], *, unix_ahead_s: float | None = None
    ) -> None:
        """Takes up newcomers and lets go of those who left: about 40 us a pod.

        Args:
            pods: The book's.
            groups: UID of each pod in the tree to its group, relative to every mount; those that
                the book does not know are online.
            unix_ahead_s: What to take off the book's Unix times to get times like `now_s`; None
                where `now_s` is `time.monotonic()`.
        """
        ours = [pod for pod in pods if pod.batch and pod.managed]
        batch = {pod.uid: groups[pod.uid] for pod in pods if pod.batch and pod.uid in groups}
        online = {uid: group for uid, group in groups.items() if uid not in batch}
        self._follow_online(online, batch, {pod.uid: pod for pod in pods})
        self._follow_offline(online, batch)
        self._offline.follow(
            self._layout,
            {pod.uid: batch[pod.uid] for pod in ours if pod.uid in batch},
        )
        self._online_pods.follow(pods, online)
        self._network.follow(online)
        self._held_cores = sum(pod.batch_cpu_cores or 0.0 for pod in ours)
        ahead_s = time.time() - time.monotonic() if unix_ahead_s is None else unix_ahead_s
        self._tasks = tuple(_task(pod, ahead_s) for pod in ours)
        self.services.follow(pods)
        self.datagrams.follow(pods)

    def stirs(self, now_s: float) -> bool:
        """A glance: whether somebody online waits or is served slowly, so that more must be known.

        Of stall and latency nothing is seen later than with a whole look each tick.
        """
        haste = self._haste
        self._covered_s = 0.0 if self._glanced_s is None else now_s - self._glanced_s
        self._glanced_s = now_s
        self.datagrams.read()
        self._throttling.read(now_s, haste=haste)
        self._cpu.read(now_s, self._throttling.share)
        if self._io_turn.has_come(now_s, haste):
            self._io.read(now_s)
        if self._memory_stall_turn.has_come(now_s, haste):
            self._memory.read(now_s)
        if self._disk_turn.has_come(now_s, haste):
            self._disk = self._look_at_disk(now_s)
        return self._anybody_waits() or self.services.near_bound

    def read(self, now_s: float, *, pressed: bool = False) -> Sample:
        """One whole look; the mean since the look before, where a signal tells no other time.

        Args:
            now_s: Monotonic seconds.
            pressed: The law is above stage 0: look closer.
        """
        haste = self._haste = self._every.haste if pressed else 1.0
        if self._glanced_s != now_s:
            self.stirs(now_s)
        if self._use_turn.has_come(now_s, haste):
            self._used = self._cpu_use(now_s)
        if self._rare_turn.has_come(now_s, 1.0):
            self._online_pods.read(now_s, self._throttling.share)
        memory = self._look_at_memory() if self._memory_turn.has_come(now_s, haste) else None
        disk, self._disk = self._disk, None
        return self._sample(now_s, disk, memory, haste)

    def close(self) -> None:
        """Lets go of every file and socket."""
        self.datagrams.close()
        for group in self._offline_cpu.values():
            group.close()
        for stall in (self._cpu, self._io, self._memory):
            stall.close()
        for device in self._devices:
            device.close()
        self._throttling.close()
        self._offline.close()
        self._online_pods.close()
        self._network.close()
        self._node_cpu.close()
        self._pods_cpu.close()
        self._pods_memory.close()
        self._node_memory.close()

    def _follow_online(
        self, online: Mapping[str, str], batch: Mapping[str, str], book: Mapping[str, Pod]
    ) -> None:
        for stall in (self._cpu, self._io, self._memory):
            stall.close()
        self._throttling.close()
        layout, every = self._layout, self._every
        groups = whole_subtrees(layout.kubepods, online.values(), batch.values())
        self._cpu = StallOf(layout, groups, "cpu")
        self._io = StallOf(layout, groups, "io")
        self._memory = StallOf(layout, groups, "memory")
        limited = {
            group: (group,)
            for uid, group in online.items()
            if uid in book and book[uid].cpu_limit_cores is not None
        }
        self._throttling = OwnThrottling(layout, limited, period_s=every.throttling_s)

    def _follow_offline(self, online: Mapping[str, str], batch: Mapping[str, str]) -> None:
        layout, before = self._layout, self._offline_cpu
        groups = whole_subtrees(layout.kubepods, batch.values(), online.values())
        for gone in before.keys() - set(groups):
            before[gone].close()
        self._offline_cpu = {group: before.get(group) or CpuUse(layout, group) for group in groups}

    def _anybody_waits(self) -> bool:
        # `some` is never less than `full`, and enough to ask for a pause of batch.
        if (self._cpu.some_share or 0.0) > _STIRS_SHARE:
            return True
        if any((stall.full_share or 0.0) > _STIRS_SHARE for stall in (self._io, self._memory)):
            return True
        disk = self._disk
        return disk is not None and (disk.read_latency_s or 0.0) > _SLOW_READ_S

    def _sample(
        self, now_s: float, disk: DiskSample | None, memory: MemorySample | None, haste: float
    ) -> Sample:
        heard = self.services.take(now_s)
        offline = self._offline.read(now_s, haste=haste)
        return Sample(
            signals=self._signals(now_s, heard),
            latency_s=heard.latency_s,
            disk=disk,
            memory=memory,
            network=self._network.read(now_s, self._offline.uses, haste=haste),
            services=heard.services,
            offline=offline,
            cpus=self.cpus,
            online=self._online_pods.uses,
        )

    def _signals(self, now_s: float, heard: Heard) -> Signals:
        online, offline, system = self._used
        memory = self._memory_sample
        return Signals(
            sampled_s=now_s,
            covered_s=self._covered_s,
            capacity_cores=self._capacity_cores,
            online_used_cores=online,
            offline_used_cores=offline,
            system_used_cores=system,
            online_full_share=self._cpu.full_share,
            online_some_share=self._cpu.some_share,
            requests=heard.requests,
            slow_requests=heard.slow,
            memory_pressure_share=self._memory.full_share,
            io_pressure_share=self._io.full_share,
            memory_used_bytes=memory.used_bytes if memory else None,
            memory_capacity_bytes=memory.capacity_bytes if memory else None,
            offline_held_cores=self._held_cores,
            offline_tasks=self._tasks,
        )

    def _cpu_use(self, now_s: float) -> tuple[float, float, float]:
        """Cores of online, batch and the system; what is not known yet counts as nothing."""
        node = self._node_cpu.read(now_s) or 0.0
        offline = 0.0
        for group in self._offline_cpu.values():
            offline += group.read(now_s) or 0.0
        pods = max(self._pods_cpu.read(now_s) or 0.0, offline)
        return pods - offline, offline, max(0.0, node - pods)

    def _look_at_memory(self) -> MemorySample | None:
        """The tighter of the two: the node, or the group of all pods where that has a limit."""
        node = self._meminfo = self._node_memory.read()
        if node is None:
            return None
        capacity, available = node.total_bytes, node.available_bytes
        limit = self._pods_memory.limit_bytes()
        pods = self._pods_memory.read()
        if limit is not None and pods is not None and limit < node.total_bytes:
            left = max(0.0, limit - pods.working_set_bytes)
            if left < available:
                capacity, available = limit, left
        offline = [use.memory_bytes for use in self._offline.uses if use.memory_bytes is not None]
        self._memory_sample = MemorySample(
            capacity_bytes=capacity,
            used_bytes=max(0.0, capacity - available),
            available_bytes=available,
            online_full_share=self._memory.full_share,
            offline_bytes=sum(offline) if offline else None,
        )
        return self._memory_sample

    def _look_at_disk(self, now_s: float) -> DiskSample:
        uses = [use for device in self._devices if (use := device.read(now_s)) is not None]
        if self._offline_cpu:
            # Who begins to write is known by it long before the pod's own turn comes.
            self._meminfo = self._node_memory.read() or self._meminfo
        memory = self._meminfo
        return DiskSample(
            **_busiest(uses),
            dirty_bytes=memory.dirty_bytes if memory else None,
            writeback_bytes=memory.writeback_bytes if memory else None,
            online_full_share=self._io.full_share,
            online_some_share=self._io.some_share,
        )


def _busiest(uses: Sequence[DeviceUse]) -> dict[str, float | None]:
    """Online waits for the slowest of its disks; what moves is added up."""
    if not uses:
        return {}
    reads = [use.read_latency_s for use in uses if use.read_latency_s is not None]
    writes = [use.write_latency_s for use in uses if use.write_latency_s is not None]
    return {
        "busy_share": max(use.busy_share for use in uses),
        "in_flight": sum(use.in_flight for use in uses),
        "read_latency_s": max(reads, default=None),
        "write_latency_s": max(writes, default=None),
        "read_bytes_per_s": sum(use.read_bytes_per_s for use in uses),
        "written_bytes_per_s": sum(use.written_bytes_per_s for use in uses),
    }


def _task(pod: Pod, ahead_s: float) -> OfflineTask:
    return OfflineTask(
        task=pod.uid,
        cpu_cores=pod.batch_cpu_cores or 0.0,
        memory_bytes=pod.batch_memory_bytes or 0.0,
        started_s=pod.started_s - ahead_s,
        checkpoint_s=None if pod.checkpoint_s is None else pod.checkpoint_s - ahead_s,
        gang=pod.gang,
        gang_slack=pod.gang_slack,
        gang_members=pod.gang_members,
    )
