"""The GPUs that nodes sell and tasks hold, kept by events, as columns.

What is held is the devices that stand on the pods of tasks, so a planner that was killed reads it
again and counts nothing twice: a task is known by its UID, on one node.

Always holds: a node whose annotation makes no sense sells no GPU and has a sentence; devices that a
task holds and its node does not sell (any more) take nothing from others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import structlog

from scheduler.adapters.gpu_notes import NodeGpus, node_gpus
from scheduler.core.gpu import WHOLE, GpuAsk, GpuColumns, GpuHolds
from scheduler.core.gpu_seen import SeenTasks
from scheduler.core.gpu_usable import TaskClass
from scheduler.core.member import Member
from slacktide.errors import BadInput
from slacktide.kube.objects import Node
from slacktide.messages import IntArray

log = structlog.get_logger()

MILLI: Final = 1_000.0


class _Held(NamedTuple):
    ask: GpuAsk
    devices: tuple[int, ...]

    def bytes_of(self, size: int) -> int:
        """Of each device of that size."""
        return self.ask.memory_bytes or size * self.ask.share_milli // WHOLE


class KeptGpus:
    """By name of the node."""

    def __init__(self) -> None:
        self.seen = SeenTasks()
        self.refused: dict[str, str] = {}  # node -> why it sells none
        self._sold: dict[str, NodeGpus] = {}
        self._tasks: dict[str, dict[str, _Held]] = {}  # node -> UID -> devices
        self._left: dict[str, IntArray] = {}  # [3, D] milli, bytes, size: until something changes

    def put(self, node: Node) -> bool:
        """Takes a node that is new or changed. Returns whether it sells other GPUs now."""
        name, before = node.metadata.name, self._sold.get(node.metadata.name)
        self.remove(name)
        try:
            sold = node_gpus(node.metadata.annotations or {})
        except BadInput as why:
            self.refused[name] = str(why)
            log.warning("node sells no GPU", node=name, why=str(why))
            return before is not None
        if sold is not None:
            self._sold[name] = sold
        return sold != before

    def remove(self, name: str) -> None:
        """Takes a node's end."""
        self._sold.pop(name, None)
        self.refused.pop(name, None)
        self._left.pop(name, None)

    def hold(self, one: Member, *, takes: bool) -> None:
        """A task takes the devices it was given, or gives them back."""
        if one.gpu is None or one.decision is None or not one.decision.gpus:
            return
        there = self._tasks.setdefault(one.node, {})
        if takes:
            there[one.uid] = _Held(one.gpu, one.decision.gpus)
        else:
            there.pop(one.uid, None)
            if not there:
                del self._tasks[one.node]
        self._left.pop(one.node, None)

    def met(self, one: Member) -> None:
        """A task came: others like it are expected."""
        if one.gpu is not None:
            cores, gpu = one.cpu_milli / MILLI, one.gpu
            self.seen.add(
                TaskClass(
                    cores,
                    float(one.memory_bytes),
                    gpu.share_milli,
                    gpu.devices,
                    gpu.memory_bytes,
                    gpu.models,
                )
            )

    def sells(self, node: str, devices: tuple[int, ...]) -> bool:
        """Whether a node still sells all of these."""
        sold = self._sold.get(node)
        return not devices or (
            sold is not None and all(d < sold.count and d not in sold.broken for d in devices)
        )

    def columns(self, row_of: Mapping[str, int]) -> GpuColumns | None:
        """As they are now; None where nobody sells any."""
        names = [name for name in self._sold if name in row_of]
        if not names:
            return None
        width = max(self._sold[name].count for name in names)
        left = np.zeros((len(names), 3, width), np.int64)
        for place, name in enumerate(names):
            of_node = self._left_on(name)
            left[place, :, : of_node.shape[1]] = of_node
        return GpuColumns(
            node=np.array([row_of[name] for name in names], np.int64),
            models=tuple(self._sold[name].model for name in names),
            free_milli=left[:, 0],
            free_bytes=left[:, 1],
            size_bytes=left[:, 2],
            expected=self.seen.expected(),
        )

    def holds(self, row_of: Mapping[str, int]) -> GpuHolds | None:
        """What tasks hold, by the rows of their bundles; None for nothing."""
        found = [
            (row_of[uid], device, held.ask.share_milli, held.bytes_of(sold.bytes_))
            for name, sold in self._sold.items()
            for uid, held in self._tasks.get(name, {}).items()
            if uid in row_of
            for device in held.devices
        ]
        if not found:
            return None
        bundle, device, milli, bytes_ = np.array(found, np.int64).T
        return GpuHolds(bundle, device, milli, bytes_)

    def _left_on(self, name: str) -> IntArray:
        known = self._left.get(name)
        if known is None:
            known = self._left[name] = self._counted(name)
        return known

    def _counted(self, name: str) -> IntArray:
        """[3, D] from the devices its tasks hold."""
        sold = self._sold[name]
        left = np.zeros((3, sold.count), np.int64)
        left[:, [d for d in range(sold.count) if d not in sold.broken]] = np.array(
            [WHOLE, sold.bytes_, sold.bytes_]
        )[:, None]
        for held in self._tasks.get(name, {}).values():
            devices = [device for device in held.devices if device < sold.count]
            left[0, devices] -= held.ask.share_milli
            left[1, devices] -= held.bytes_of(sold.bytes_)
        return left
