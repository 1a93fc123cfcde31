"""What each batch pod does: who is to blame, a few pods a tick, told when all have had their turn.

Pods are read one after another so that no tick pays for all of them; the more there are, the longer
a round takes. Always holds: `read` answers with every pod in the given order, once a round, and
with nothing in all other ticks, so that nothing is believed twice.
Cost: 30 us a pod warm: CPU 2, own throttling 2, disk 5, memory 10, who dirties 11 a process at most
eight (v1 alone), what it sends 6, the value 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.cpu_use import CpuUse
from qos_controller.adapters.sense.dirtying import Dirtying
from qos_controller.adapters.sense.group_io import GroupIo
from qos_controller.adapters.sense.memory import MemoryOfGroup
from qos_controller.adapters.sense.pod_traffic import PodTraffic
from qos_controller.adapters.sense.throttling import Throttling
from qos_controller.core.sample import PodUse

AT_ONCE: Final = 4
RUNS_CORES: Final = 0.1
"""Who runs so much may have begun to write: the kernel tells of dirty pages two seconds late."""
_EARLY_S: Final = 0.01


class BatchPod:
    """The files of one batch pod."""

    __slots__ = (
        "_cpu",
        "_dirtying",
        "_io",
        "_memory",
        "_throttling",
        "_traffic",
        "group",
        "uid",
    )

    def __init__(self, layout: Layout, uid: str, group: str) -> None:
        self.uid, self.group = uid, group
        self._cpu = CpuUse(layout, group)
        self._throttling = Throttling(layout, group)
        self._io = GroupIo(layout, group)
        self._memory = MemoryOfGroup(layout, group)
        self._traffic = PodTraffic(layout, group)
        # v2 charges writeback to the writer's group; v1 does not, so there the writers are asked.
        self._dirtying = Dirtying(layout, group) if layout.is_v1("blkio") else None

    def read(self, now_s: float) -> PodUse:
        """Its use since it was last read."""
        memory = self._memory.read()
        self._io.read(now_s)
        written = self._io.written_bytes_per_s
        # Who has no dirty page writes nothing that will reach a disk.
        cores = self._cpu.read(now_s)
        dirty = memory is None or memory.dirty_bytes > 0.0 or (cores or 0.0) > RUNS_CORES
        dirtied = self._dirtying.read(now_s) if self._dirtying and dirty else None
        buffered = None if dirtied is None else max(0.0, dirtied - (written or 0.0))
        if dirtied is not None:
            # Direct writes are in both, so they must not be added up.
            written = max(dirtied, written or 0.0)
        return PodUse(
            uid=self.uid,
            cpu_cores=cores,
            throttled_share=self._throttling.read(now_s),
            read_bytes_per_s=self._io.read_bytes_per_s,
            written_bytes_per_s=written,
            buffered_bytes_per_s=buffered,
            dirty_bytes=None if memory is None else memory.dirty_bytes,
            memory_bytes=None if memory is None else memory.working_set_bytes,
            sent_bytes_per_s=self._traffic.read(now_s),
        )

    def close(self) -> None:
        """Lets go of the files."""
        for file in (self._cpu, self._throttling, self._io, self._memory, self._traffic):
            file.close()


class Offline:
    """All batch pods of the node."""

    def __init__(self, *, pod_s: float, shortest_s: float) -> None:
        """A round takes `pod_s` a pod, and `shortest_s` at least."""
        self._pod_s, self._shortest_s = pod_s, shortest_s
        self._pods: tuple[BatchPod, ...] = ()
        self._reading: list[PodUse] = []
        self._began_s = -math.inf
        self.uses: tuple[PodUse, ...] = ()
        """The last whole round."""

    def follow(self, layout: Layout, groups: Mapping[str, str]) -> None:
        """Groups by the UID of their pod, in the book's order; what stays keeps its readings."""
        known = {pod.uid: pod for pod in self._pods}
        for uid, pod in known.items():
            if groups.get(uid) != pod.group:
                pod.close()
        self._pods = tuple(
            known[uid]
            if uid in known and known[uid].group == group
            else BatchPod(layout, uid, group)
            for uid, group in groups.items()
        )
        self._reading = []
        self.uses = tuple(use for use in self.uses if use.uid in groups)

    def read(self, now_s: float, *, haste: float = 1.0) -> tuple[PodUse, ...]:
        """Reads those whose turn it is; a whole round when it ends, else nothing."""
        count, done = len(self._pods), len(self._reading)
        round_s = max(self._shortest_s, self._pod_s * count) / haste
        elapsed_s = now_s - self._began_s
        if done == 0:
            # Half a tick early is on time: ticks are never exact.
            if not count or elapsed_s < round_s - _EARLY_S:
                return ()
            self._began_s, elapsed_s = now_s, 0.0
        wanted = min(int(count * elapsed_s / round_s) + 1, done + AT_ONCE, count)
        for pod in self._pods[done:wanted]:
            self._reading.append(pod.read(now_s))
        if len(self._reading) < count:
            return ()
        self.uses, self._reading = tuple(self._reading), []
        return self.uses

    def close(self) -> None:
        """Lets go of all files."""
        for pod in self._pods:
            pod.close()
        self._pods = ()
