"""Shared GPUs: what devices have left, how many tasks fit them, which devices a task is given.

A task asks for a share of one device (1 to 999 milli) or for whole devices (n x 1000), and for
memory of each. Time and memory of a device are two amounts; a task that names no memory takes the
same share of it as of the time, so that memory is never promised twice.

Always holds: a device gives at most 1000 milli and its memory; a share lies on exactly one device;
whole devices were untouched; tasks of one ask are identical, so the sum over devices of
`floor(left / share)` is the exact number that fits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np

from scheduler.core.gpu_usable import (
    Expected,
    Left,
    Looked,
    lost_by_sharing,
    lost_together,
)
from slacktide.messages import BoolArray, FloatArray, IntArray

WHOLE: Final = 1_000  # milli of one device
MOST_DEVICES: Final = 64  # of one node


class GpuAsk(NamedTuple):
    """What each task of a gang asks of GPUs."""

    milli: int  # below 1000 a share of one device, else n x 1000: n whole devices
    memory_bytes: int = 0  # of each device; 0: the same share of it as of the time
    models: tuple[str, ...] = ()  # any of these; empty: any at all

    @property
    def devices(self) -> int:
        """How many devices a task lies on."""
        return max(self.milli // WHOLE, 1)

    @property
    def share_milli(self) -> int:
        """Of each device."""
        return min(self.milli, WHOLE)

    @property
    def said(self) -> str:
        """As a sentence says it: `4 whole GPUs of model V100`."""
        model = f" of model {' or '.join(self.models)}" if self.models else ""
        memory = f" with {self.memory_bytes / 2**30:.4g} GiB" if self.memory_bytes else ""
        if self.milli < WHOLE:
            return f"{self.milli} milli of one GPU{model}{memory}"
        each = " each" if memory and self.devices > 1 else ""
        return f"{self.devices} whole GPU{'s' * (self.devices > 1)}{model}{memory}{each}"


def gpu_ask(milli: int, *, memory_bytes: int = 0, models: tuple[str, ...] = ()) -> GpuAsk:
    """An ask that makes sense. Raises `ValueError` with a sentence for one that does not."""
    if milli < 1 or (milli > WHOLE and milli % WHOLE) or milli > WHOLE * MOST_DEVICES:
        raise ValueError(
            f"{milli} milli-GPU is neither a share (1 to 999) nor whole GPUs "
            f"(1000, 2000, to {WHOLE * MOST_DEVICES})"
        )
    if memory_bytes < 0:
        raise ValueError("GPU memory cannot be negative")
    return GpuAsk(milli, memory_bytes, tuple(sorted(set(models))))


@dataclass(frozen=True, slots=True)
class GpuHolds:
    """What R bundles of running tasks hold of devices, one row a bundle and device."""

    bundle: IntArray  # [K] of the running columns
    device: IntArray  # [K]
    milli: IntArray  # [K]
    bytes_: IntArray  # [K]


@dataclass(frozen=True, slots=True)
class GpuColumns:
    """M nodes that sell GPUs, of at most D devices each; a device of no bytes is none."""

    node: IntArray  # [M] row of the node's columns, each once
    models: tuple[str, ...]  # [M]
    size_bytes: IntArray  # [M, D]
    free_milli: IntArray  # [M, D] below 0 where more was promised than there is
    free_bytes: IntArray  # [M, D]
    asks: tuple[GpuAsk, ...] = ()  # of the gangs of the round
    expected: Expected = field(default_factory=Expected.nothing)  # tasks to keep GPUs usable for

    def __post_init__(self) -> None:
        shape = (len(self.node), self.size_bytes.shape[-1])
        for column in (self.size_bytes, self.free_milli, self.free_bytes):
            if column.shape != shape:
                raise ValueError(f"gpus: a column has shape {column.shape} where {shape} belongs")
        if len(self.models) != shape[0] or len(np.unique(self.node)) != shape[0]:
            raise ValueError("gpus: each node must have one row and one model")
        if (self.free_milli > WHOLE).any() or (self.free_bytes > self.size_bytes).any():
            raise ValueError("gpus: more is free than there is")

    @property
    def emptied(self) -> GpuColumns:
        """The same devices with nothing on them."""
        free = np.where(self.size_bytes > 0, WHOLE, 0)
        return replace(self, free_milli=free, free_bytes=self.size_bytes)

    def without(self, holds: GpuHolds, node: IntArray, ended: BoolArray) -> GpuColumns:
        """What is free once some bundles have ended; `node` [R] is where each runs."""
        row_of = np.full(int(max(node.max(initial=0), self.node.max(initial=0))) + 1, -1)
        row_of[self.node] = np.arange(len(self.node))
        row = row_of[node[holds.bundle]]
        gone = ended[holds.bundle] & (row >= 0) & (holds.device < self.size_bytes.shape[1])
        where = row[gone], holds.device[gone]
        milli, bytes_ = self.free_milli.copy(), self.free_bytes.copy()
        np.add.at(milli, where, holds.milli[gone])
        np.add.at(bytes_, where, holds.bytes_[gone])
        most = self.emptied
        return replace(
            self,
            free_milli=np.minimum(milli, most.free_milli),
            free_bytes=np.minimum(bytes_, most.free_bytes),
        )


def asked_of(columns: GpuColumns | None, asks: tuple[GpuAsk, ...]) -> GpuColumns | None:
    """The devices with what a round asks of them; None where nobody sells or asks for any."""
    if columns is not None:
        return replace(columns, asks=asks)
    empty = np.zeros((0, 1), np.int64)
    none = GpuColumns(np.zeros(0, np.int64), (), empty, empty, empty, asks)
    return none if asks else None


class Taken(NamedTuple):
    """One task's devices."""

    ask: int
    node: int
    devices: tuple[int, ...]


class DevicesGiven:
    """The devices of a gang's tasks; tasks of one ask on one node are alike."""

    def __init__(self, taken: Iterable[Taken]) -> None:
        self._by: dict[tuple[int, int], list[tuple[int, ...]]] = defaultdict(list)
        for one in taken:
            self._by[one.ask, one.node].append(one.devices)

    def to(self, ask: int, nodes: IntArray, count: IntArray) -> tuple[tuple[int, ...], ...]:
        """Of each task in the order of its nodes, handed out once; () for no ask."""
        if ask < 0:
            return ()
        return tuple(
            self._by[ask, node].pop(0)
            for node, many in zip(nodes.tolist(), count.tolist(), strict=True)
            for _ in range(many)
        )


GpuSaved = tuple[IntArray, IntArray, IntArray, int]  # rows, milli and bytes left, how many taken


@dataclass(slots=True)
class GpuRoom:
    """What is left of every device; the one thing of GPUs that a round changes."""

    columns: GpuColumns
    row_of: IntArray  # [N] row of the GPU columns; -1 where a node sells none
    allowed: BoolArray  # [A, M] by model
    welcome: BoolArray  # [M, E] nodes by the models that expected tasks may use
    milli: IntArray  # [M, D] left
    bytes_: IntArray  # [M, D] left
    taken: list[Taken] = field(default_factory=list)  # in their order
    look: type[Looked] = Looked  # how usable time is counted

    @staticmethod
    def of(columns: GpuColumns, *, nodes: int) -> GpuRoom:
        """All that is free on so many nodes."""
        row_of = np.full(nodes, -1, np.int64)
        row_of[columns.node] = np.arange(len(columns.node))
        return GpuRoom(
            columns=columns,
            row_of=row_of,
            allowed=_by_model([ask.models for ask in columns.asks], columns.models),
            welcome=_by_model(columns.expected.models, columns.models).T.copy(),
            milli=np.maximum(columns.free_milli, 0),
            bytes_=np.maximum(columns.free_bytes, 0),
        )

    def expect(self, expected: Expected) -> None:
        """From now on devices are kept usable for these."""
        self.columns = replace(self.columns, expected=expected)
        self.welcome = _by_model(expected.models, self.columns.models).T.copy()

    def weigh(self, cpu_cores: FloatArray, memory_bytes: FloatArray) -> None:
        """Weigh expected tasks by how little is left for them; [N] left of all nodes."""
        node = self.columns.node
        looked = self.look(self.columns.expected, self.columns.size_bytes, self.welcome)
        left = Left(cpu_cores[node], memory_bytes[node], 0.0, 0.0)
        scarce = looked.scarce((self.milli, self.bytes_), left)
        self.columns = replace(self.columns, expected=scarce)

    def fits(self, ask: int, nodes: IntArray | None = None) -> IntArray:
        """[N] how many tasks fit the devices of each node, or of those given."""
        rows = self.row_of if nodes is None else self.row_of[nodes]
        found = np.zeros(len(rows), np.int64)
        sells = np.flatnonzero(rows >= 0)
        if nodes is None and len(sells) == len(self.columns.node):
            found[self.columns.node] = self._fits(ask, np.arange(len(sells)))
        else:
            found[sells] = self._fits(ask, rows[sells])
        return found

    def cut(self, fitting: IntArray, asks: IntArray, nodes: IntArray | None) -> None:
        """Take from [C, N] numbers of fitting tasks what devices forbid; an ask of -1 is none."""
        for place in np.flatnonzero(asks >= 0).tolist():
            devices = self.fits(int(asks[place]), nodes)
            fitting[place] = np.minimum(fitting[place], devices)

    def most_devices(self, ask: int) -> int:
        """The most devices of one node that could each give what the ask wants of one."""
        able = self._per_device(ask, np.arange(len(self.columns.node))) > 0
        return int((able & self.allowed[ask][:, None]).sum(axis=1).max(initial=0))

    def take(self, nodes: IntArray, count: IntArray, ask: int, left: Left) -> None:
        """Give devices to `count` tasks on each of `nodes`.

        `left`: cores and bytes [K] on those nodes before any of the tasks, and what one takes.
        """
        for place, (node, many) in enumerate(zip(nodes.tolist(), count.tolist(), strict=True)):
            row = int(self.row_of[node])
            for done in range(many):
                devices = self._devices(ask, row, left.at(place, done))
                self.milli[row, devices] -= self.columns.asks[ask].share_milli
                self.bytes_[row, devices] -= self._needs(ask, np.array([row]))[0, devices]
                self.taken.append(Taken(ask, node, tuple(devices.tolist())))

    def lost(self, ask: int, nodes: IntArray, left: Left) -> FloatArray:
        """[K] whole GPUs that expected tasks could use before one more task and could not after.

        `ask` is -1 for a task that takes cores and memory alone. 0 for nodes that sell no GPU.
        """
        found = np.zeros(len(nodes))
        rows = self.row_of[nodes]
        sells = np.flatnonzero(rows >= 0)
        if len(sells):
            found[sells] = self._lost(ask, rows[sells], left.part(sells)).min(axis=1)
        return found

    def saved(self, nodes: IntArray) -> GpuSaved:
        """What is left on some nodes, to be put back."""
        rows = self.row_of[nodes]
        rows = rows[rows >= 0]
        return rows, self.milli[rows], self.bytes_[rows], len(self.taken)

    def put_back(self, saved: GpuSaved) -> None:
        """As it was when saved."""
        rows, self.milli[rows], self.bytes_[rows], taken = saved
        del self.taken[taken:]

    def _fits(self, ask: int, rows: IntArray) -> IntArray:
        each = self._per_device(ask, rows)
        tasks: IntArray = (
            each.sum(axis=1) // self.columns.asks[ask].devices * self.allowed[ask, rows]
        )
        return tasks

    def _per_device(self, ask: int, rows: IntArray) -> IntArray:
        """[K, D] how many shares each device still gives; for whole devices 0 or 1."""
        by_time = self.milli[rows] // self.columns.asks[ask].share_milli
        by_memory = self.bytes_[rows] // np.maximum(self._needs(ask, rows), 1)
        fitting: IntArray = np.minimum(by_time, by_memory)
        return fitting

    def _needs(self, ask: int, rows: IntArray) -> IntArray:
        """[K, D] bytes of each device."""
        asked, size = self.columns.asks[ask], self.columns.size_bytes[rows]
        if asked.memory_bytes:
            return np.full(size.shape, asked.memory_bytes)
        part: IntArray = size * asked.share_milli // WHOLE
        return part

    def _devices(self, ask: int, row: int, left: Left) -> IntArray:
        """The devices of one node that a task is given."""
        rows = np.array([row])
        able = np.flatnonzero(self._per_device(ask, rows)[0])
        wanted = self.columns.asks[ask].devices
        if len(able) < wanted:
            raise ValueError("a node is asked for more of its GPUs than fits them")
        if self.columns.asks[ask].milli >= WHOLE or len(able) == 1:
            return able[:wanted]
        costs = self._lost(ask, rows, left)[0, able]
        least_left = np.lexsort((self.milli[row, able], np.round(costs, 9)))
        return able[least_left[:1]]

    def _lost(self, ask: int, rows: IntArray, left: Left) -> FloatArray:
        """[K, D] by the device that is shared, or [K, 1]; infinite where the task does not fit."""
        devices = (self.milli[rows], self.bytes_[rows])
        looked = self.look(self.columns.expected, self.columns.size_bytes[rows], self.welcome[rows])
        if ask < 0:
            return lost_together(looked, devices, devices, left)[:, None]
        able, takes = self._per_device(ask, rows) > 0, self._needs(ask, rows)
        share = self.columns.asks[ask].share_milli
        if self.columns.asks[ask].milli < WHOLE:
            lost = lost_by_sharing(looked, devices, (share, takes), left)
            return np.where(able, lost, np.inf)
        able &= np.cumsum(able, axis=1) <= self.columns.asks[ask].devices
        after = (devices[0] - able * share, devices[1] - able * takes)
        fits = able.sum(axis=1) == self.columns.asks[ask].devices
        return np.where(fits, lost_together(looked, devices, after, left), np.inf)[:, None]


def _by_model(models: Sequence[tuple[str, ...]], of: tuple[str, ...]) -> BoolArray:
    """[A, M] whether each ask may use each node's model."""
    found = [[not wanted or model in wanted for model in of] for wanted in models]
    return np.array(found, np.bool_).reshape(len(models), len(of))
