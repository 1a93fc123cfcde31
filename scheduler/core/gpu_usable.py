"""How much of free GPUs the tasks that are expected could still use, and what a placement loses.

GPU time is fragmented for a task that cannot use it: because no device has enough left, too few
devices have, or the node lacks the cores, the memory or the model. A placement that loses the least
usable GPU time, over the tasks that usually come, grows fragmentation the least.

Source: Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation
Gradient Descent", USENIX ATC 2023. With f(n, m) the free GPU time of node n that a task of class m
cannot use and p(m) how often m comes, it places a task where sum over m of p(m) x f(n, m) grows the
least. Free time falls by the same amount wherever the task goes, so that is where the usable time
falls the least, which is what is computed here. Two things are different.

Time is usable as far as the cores and memory beside it last, for as many tasks of the class as fit,
not only for one: eight devices beside the cores of three tasks are usable by three.

How often a class comes is not all: one that finds few GPUs it could use is hurt more by losing one
than another that finds thousands. So classes are weighed by demand over supply (`scarce`), which is
the gradient of sum over m of p(m) x log(usable(m)) and, with equal supplies, the paper's.

Always holds: what is expected was seen before; the order of nodes is that of a look at each node
alone; nothing here changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from slacktide.messages import BoolArray, FloatArray, IntArray

TOLERANCE_CORES: Final = 1e-6
TOLERANCE_BYTES: Final = 1.0
MILLI: Final = 1_000.0
TINY: Final = 1e-9

Devices = tuple[IntArray, IntArray]  # milli and bytes left, [K, D]


class TaskClass(NamedTuple):
    """Tasks that ask for the same."""

    cpu_cores: float
    memory_bytes: float
    share_milli: int  # of each device
    devices: int
    gpu_bytes: int = 0  # of each device; 0: the same share of it as of its time
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """E classes of tasks that are expected, and how often."""

    cpu_cores: FloatArray  # [E]
    memory_bytes: FloatArray  # [E]
    share_milli: IntArray  # [E]
    devices: IntArray  # [E]
    gpu_bytes: IntArray  # [E]
    weight: FloatArray  # [E] sums to 1
    models: tuple[tuple[str, ...], ...]  # [E]

    def __len__(self) -> int:
        return len(self.weight)

    @staticmethod
    def nothing() -> Expected:
        """Nobody is known to come."""
        return Expected.of({})

    @staticmethod
    def of(often: dict[TaskClass, float]) -> Expected:
        """Classes and how often each comes, in any unit."""
        classes = list(often)
        whole = sum(often.values()) or 1.0
        columns = np.array([one[:5] for one in classes], np.float64).reshape(-1, 5).T
        return Expected(
            cpu_cores=columns[0],
            memory_bytes=columns[1],
            share_milli=columns[2].astype(np.int64),
            devices=columns[3].astype(np.int64),
            gpu_bytes=columns[4].astype(np.int64),
            weight=np.array([often[one] / whole for one in classes], np.float64),
            models=tuple(one.models for one in classes),
        )


@dataclass(frozen=True, slots=True)
class Left:
    """Cores and bytes left on K nodes, and what one task takes of them."""

    cpu_cores: FloatArray  # [K]
    memory_bytes: FloatArray  # [K]
    task_cpu_cores: float
    task_memory_bytes: float

    def after(self) -> tuple[FloatArray, FloatArray]:
        """Cores and bytes once the task has taken them."""
        return self.cpu_cores - self.task_cpu_cores, self.memory_bytes - self.task_memory_bytes

    def part(self, nodes: IntArray) -> Left:
        """Of some of the nodes."""
        return Left(
            self.cpu_cores[nodes],
            self.memory_bytes[nodes],
            self.task_cpu_cores,
            self.task_memory_bytes,
        )

    def at(self, node: int, done: int) -> Left:
        """Of one node, once so many of the tasks are on it."""
        here = np.array([node])
        return Left(
            self.cpu_cores[here] - done * self.task_cpu_cores,
            self.memory_bytes[here] - done * self.task_memory_bytes,
            self.task_cpu_cores,
            self.task_memory_bytes,
        )


@dataclass(frozen=True, slots=True)
class Looked:
    """The devices of K nodes as E classes of tasks see them."""

    expected: Expected
    size_bytes: IntArray  # [K, D] one size a node, or 0 for no device
    welcome: BoolArray  # [K, E] by model

    def usable(self, devices: Devices, cores: FloatArray, memory_bytes: FloatArray) -> FloatArray:
        """[K] whole GPUs that the expected tasks could use, the mean over them."""
        mean: FloatArray = self._by_class(devices, cores, memory_bytes) @ self.expected.weight
        return mean / MILLI

    def scarce(self, devices: Devices, left: Left) -> Expected:
        """The same classes, each weighed anew by how few GPUs there are that it could use."""
        usable = self._by_class(devices, left.cpu_cores, left.memory_bytes)
        weight = self.expected.weight / np.maximum(usable.sum(axis=0) / MILLI, 1.0)
        return replace(self.expected, weight=weight / max(float(weight.sum()), TINY))

    def usable_after(
        self, devices: Devices, after: Devices, cores: FloatArray, memory_bytes: FloatArray
    ) -> FloatArray:
        """[K, D] as `usable`, where one device alone, each in turn, is as it is after."""
        able, able_after = self._able(devices), self._able(after)
        time = np.where(able, devices[0][:, :, None], 0)
        time_after = np.where(able_after, after[0][:, :, None], 0)
        times = time.sum(axis=1, keepdims=True) - time + time_after
        many = able.sum(axis=1, keepdims=True) - able + able_after
        usable = self._within(times, many, cores[:, None], memory_bytes[:, None])
        mean: FloatArray = usable @ self.expected.weight
        return mean / MILLI

    def _by_class(
        self, devices: Devices, cores: FloatArray, memory_bytes: FloatArray
    ) -> FloatArray:
        """[K, E] milli."""
        able = self._able(devices)
        time = np.where(able, devices[0][:, :, None], 0).sum(axis=1)
        return self._within(time, able.sum(axis=1), cores, memory_bytes)

    def _able(self, devices: Devices) -> BoolArray:
        """[K, D, E] whether a device has what each class asks of one."""
        share, size = self.expected.share_milli, self.size_bytes.max(axis=1)[:, None, None]
        needs = np.where(self.expected.gpu_bytes, self.expected.gpu_bytes, size * share // 1000)
        able: BoolArray = (devices[0][:, :, None] >= share) & (devices[1][:, :, None] >= needs)
        return able

    def _within(
        self, time: IntArray, many: IntArray, cores: FloatArray, memory_bytes: FloatArray
    ) -> FloatArray:
        """[K, ..., E] milli of able devices that cores, memory, their number and the model allow.

        Nothing where not one task finds all it needs; else as much as tasks of the class could take
        together with the cores and memory there are, in fractions of a task.
        """
        expected = self.expected
        by_cores = (cores[..., None] + TOLERANCE_CORES) / np.maximum(expected.cpu_cores, TINY)
        by_memory = (memory_bytes[..., None] + TOLERANCE_BYTES) / np.maximum(
            expected.memory_bytes, TINY
        )
        tasks = np.minimum(by_cores, by_memory)
        fits = (tasks >= 1) & (many >= expected.devices)
        fits &= self.welcome if many.ndim == 2 else self.welcome[:, None]
        return np.where(fits, np.minimum(time, self.most_milli(tasks)), 0.0)

    def most_milli(self, tasks: FloatArray) -> FloatArray:
        """[K, ..., E] what so many tasks of each class take of devices."""
        most: FloatArray = tasks * (self.expected.share_milli * self.expected.devices)
        return most


def lost_by_sharing(
    looked: Looked, devices: Devices, takes: tuple[int, IntArray], left: Left
) -> FloatArray:
    """[K, D] usable GPUs lost by a task that takes milli and bytes [K, D] of that one device."""
    after = (devices[0] - takes[0], devices[1] - takes[1])
    cores, memory_bytes = left.after()
    return _before(looked, devices, left)[:, None] - looked.usable_after(
        devices, after, cores, memory_bytes
    )


def lost_together(looked: Looked, devices: Devices, after: Devices, left: Left) -> FloatArray:
    """[K] usable GPUs lost by a task after which devices are so."""
    return _before(looked, devices, left) - looked.usable(after, *left.after())


def _before(looked: Looked, devices: Devices, left: Left) -> FloatArray:
    return looked.usable(devices, left.cpu_cores, left.memory_bytes)
