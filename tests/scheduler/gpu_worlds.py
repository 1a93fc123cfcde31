"""Nodes that sell GPUs and gangs that ask for them, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from scheduler.core.gpu import WHOLE, GpuAsk, GpuColumns, GpuRoom
from scheduler.core.gpu_usable import Expected, TaskClass
from scheduler.core.snapshot import Snapshot
from tests.scheduler.clusters import GIB as FLOAT_GIB
from tests.scheduler.clusters import Gang, Node, World, whole

GIB = int(FLOAT_GIB)
SIZE_BYTES = 16 * GIB


class Sells(NamedTuple):
    """A node's devices by what each has left in milli; memory is left in the same share."""

    node: int
    milli: tuple[int, ...]
    model: str = "V100"


def gpu_columns(
    sells: Sequence[Sells], asks: Sequence[GpuAsk] = (), expected: Expected | None = None
) -> GpuColumns:
    width = max((len(one.milli) for one in sells), default=1)
    milli = np.zeros((len(sells), width), np.int64)
    size = np.zeros_like(milli)
    for row, one in enumerate(sells):
        milli[row, : len(one.milli)] = one.milli
        size[row, : len(one.milli)] = SIZE_BYTES
    return GpuColumns(
        node=whole([one.node for one in sells]),
        models=tuple(one.model for one in sells),
        size_bytes=size,
        free_milli=milli,
        free_bytes=size * milli // WHOLE,
        asks=tuple(asks),
        expected=expected or Expected.nothing(),
    )


def gpu_room(
    sells: Sequence[Sells], asks: Sequence[GpuAsk], expected: Expected | None = None
) -> GpuRoom:
    nodes = max((one.node for one in sells), default=0) + 1
    return GpuRoom.of(gpu_columns(sells, asks, expected), nodes=nodes)


def with_gpus(
    world: World,
    sells: Sequence[Sells],
    wanted: dict[str, GpuAsk],
    expected: Expected | None = None,
) -> Snapshot:
    """The world's snapshot, with devices on its nodes and asks on its gangs by name."""
    asks = list(dict.fromkeys(wanted.values()))
    snapshot = world.snapshot()
    of = [asks.index(wanted[name]) if name in wanted else -1 for name in snapshot.gangs.ids]
    return replace(
        snapshot,
        nodes=replace(snapshot.nodes, gpus=gpu_columns(sells, asks, expected)),
        gangs=replace(snapshot.gangs, gpu=whole(of)),
    )


def roomy(nodes: int, *gangs: Gang) -> World:
    """Nodes with cores and memory for everything, so that only GPUs decide."""
    each = Node("", cores=(1_000.0,), all_cores=1_000.0)
    return World([replace(each, name=f"n{k}") for k in range(nodes)], pending=list(gangs))


USUAL = Expected.of({TaskClass(1.0, float(GIB), 1_000, 1): 1.0, TaskClass(1.0, 0.0, 250, 1): 3.0})
