"""The cluster and pods of the trace `gpu-openb2023`, filled pod after pod by a policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from scheduler.core.gpu import GpuColumns, GpuRoom, gpu_ask
from scheduler.core.gpu_usable import Expected, Left, TaskClass
from slacktide.messages import BoolArray, FloatArray, IntArray

DEVICE_BYTES = 1 << 34  # the trace does not say what tasks take of a device's memory


@dataclass(frozen=True)
class Trace:
    """N nodes, P pods in their order of arrival."""

    cpu_cores: FloatArray  # [N]
    memory_bytes: FloatArray  # [N]
    gpus: IntArray  # [N]
    models: tuple[str, ...]  # [N]
    pods: tuple[TaskClass, ...]  # [P]

    @property
    def gpu_milli(self) -> int:
        """Of the whole cluster."""
        return int(self.gpus.sum()) * 1000


def read(folder: Path) -> Trace:
    """The trace as it lies in its folder."""
    nodes = pq.read_table(folder / "nodes.parquet").to_pydict()
    jobs = pq.read_table(folder / "jobs.parquet").to_pydict()
    columns = zip(jobs["cpu_cores"], jobs["memory_bytes"], jobs["gpu_milli"], strict=True)
    pods = [
        TaskClass(
            round(cpu, 3), float(memory), min(milli, 1000), max(milli // 1000, int(milli > 0))
        )
        for cpu, memory, milli in columns
    ]
    order = np.argsort(jobs["submit_s"], kind="stable")
    return Trace(
        cpu_cores=np.array(nodes["cpu_cores"], np.float64),
        memory_bytes=np.array(nodes["memory_bytes"], np.float64),
        gpus=np.array(nodes["gpu_count"], np.int64),
        models=tuple(model or "" for model in nodes["gpu_model"]),
        pods=tuple(pods[place] for place in order.tolist()),
    )


def milli_of(pod: TaskClass) -> int:
    """GPU time a pod asks for."""
    return pod.share_milli * pod.devices


@dataclass
class Cluster:
    """What is left of the trace's nodes."""

    trace: Trace
    cores: FloatArray  # [N]
    memory_bytes: FloatArray  # [N]
    room: GpuRoom
    ask_of: dict[int, int]  # milli -> index of the ask
    touched: list[int] = field(default_factory=list)
    milli: int = 0  # allocated

    @staticmethod
    def empty(trace: Trace) -> Cluster:
        """Nothing runs."""
        sells = np.flatnonzero(trace.gpus)
        width = np.arange(int(trace.gpus.max()))
        size = np.where(width < trace.gpus[sells, None], DEVICE_BYTES, 0)
        millis = sorted({milli_of(pod) for pod in trace.pods} - {0})
        columns = GpuColumns(
            node=sells,
            models=tuple(trace.models[node] for node in sells.tolist()),
            size_bytes=size,
            free_milli=np.where(size > 0, 1000, 0),
            free_bytes=size,
            asks=tuple(gpu_ask(milli) for milli in millis),
        )
        return Cluster(
            trace,
            trace.cpu_cores.copy(),
            trace.memory_bytes.copy(),
            GpuRoom.of(columns, nodes=len(trace.gpus)),
            {milli: index for index, milli in enumerate(millis)},
        )

    def ask(self, pod: TaskClass) -> int:
        """Index of what it asks of GPUs; -1 for nothing."""
        return self.ask_of.get(milli_of(pod), -1)

    def fits(self, pod: TaskClass) -> BoolArray:
        """[N] where it fits."""
        fits = (self.cores + 1e-6 >= pod.cpu_cores) & (self.memory_bytes >= pod.memory_bytes)
        ask = self.ask(pod)
        return fits if ask < 0 else fits & (self.room.fits(ask) > 0)

    def left(self, pod: TaskClass, nodes: IntArray) -> Left:
        """On some nodes, and what the pod takes."""
        cores, memory = self.cores[nodes], self.memory_bytes[nodes]
        return Left(cores, memory, pod.cpu_cores, pod.memory_bytes)

    def free_milli(self) -> IntArray:
        """[N] GPU time left of each node, all devices together."""
        free = np.zeros(len(self.cores), np.int64)
        free[self.room.columns.node] = self.room.milli.sum(axis=1)
        return free

    def put(self, pod: TaskClass, node: int) -> None:
        """It runs there; its device is chosen by the room."""
        at, ask = np.array([node]), self.ask(pod)
        if ask >= 0:
            self.room.take(at, np.array([1]), ask, self.left(pod, at))
        self.cores[node] -= pod.cpu_cores
        self.memory_bytes[node] -= pod.memory_bytes
        self.touched.append(node)
        self.milli += milli_of(pod)

    def expect(self, expected: Expected) -> None:
        """From now on GPUs are kept usable for these."""
        self.room.expect(expected)


Policy = Callable[[Cluster, TaskClass, BoolArray], int]  # a node among those that fit


@dataclass(frozen=True)
class Filled:
    """How far it came."""

    share: float  # of all GPU time that is allocated
    placed: int
    refused: int
    first_refused: float  # the share at that moment


def fill(
    trace: Trace,
    policy: Policy,
    pods: Sequence[TaskClass] | None = None,
    *,
    to_the_end: bool = False,
) -> Filled:
    """Pods one after another, until the first that does not fit, or all."""
    cluster, placed, refused, first = Cluster.empty(trace), 0, 0, 0.0
    for pod in trace.pods if pods is None else pods:
        fits = cluster.fits(pod)
        if fits.any():
            cluster.put(pod, policy(cluster, pod, fits))
            placed += 1
            continue
        refused += 1
        first = first or cluster.milli / trace.gpu_milli
        if not to_the_end:
            break
    return Filled(cluster.milli / trace.gpu_milli, placed, refused, first)
