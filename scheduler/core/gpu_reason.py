"""Sentences about GPUs: what a gang asks, and what of it there is not.

Asked for one gang at a time, when a person wants to know; planning never comes here.
"""

from __future__ import annotations

import numpy as np

from scheduler.core.fit import Room
from scheduler.core.gpu import WHOLE, GpuAsk, GpuRoom
from scheduler.core.snapshot import GangColumns, NodeColumns


def emptied_gpus(nodes: NodeColumns) -> GpuRoom | None:
    """All the nodes' devices with nothing on them."""
    if nodes.gpus is None:
        return None
    return GpuRoom.of(nodes.gpus.emptied, nodes=len(nodes.names))


def gpus_said(nodes: NodeColumns, gangs: GangColumns, gang: int) -> str:
    """`, 4 whole GPUs of model V100,`; empty where none is asked for."""
    if nodes.gpus is None or gangs.gpu is None or gangs.gpu[gang] < 0:
        return ""
    return f" with {nodes.gpus.asks[int(gangs.gpu[gang])].said}"


def gpus_short(room: Room, gangs: GangColumns, gang: int) -> str:
    """What devices lack: `needs 4 whole GPUs of model V100 on one node; the freest has 3`."""
    if room.gpus is None or gangs.gpu is None:
        raise ValueError("GPUs block nobody where nobody asks for any")
    gpus, index = room.gpus, int(gangs.gpu[gang])
    ask = gpus.columns.asks[index]
    least, fits = int(gangs.min_available[gang]), int(gpus.fits(index).sum())
    if not gpus.allowed[index].any():
        return "no node sells GPUs" + (f" of model {' or '.join(ask.models)}" if ask.models else "")
    whole = GpuRoom.of(gpus.columns.emptied, nodes=len(gpus.row_of))
    freest, where = "the freest", "there are enough left"
    if (most := int(whole.fits(index).sum())) < least:
        gpus, fits, freest, where = whole, most, "the largest", "there are enough"
    if fits >= least:
        return f"{fits} tasks would find GPUs, but not on nodes with the cores and memory as well"
    if fits:
        return f"it needs {ask.said} for each of {least} tasks; {where} for {fits}"
    return f"it needs {ask.said} on one node; {freest} has {_freest(gpus, index, ask)}"


def _freest(gpus: GpuRoom, index: int, ask: GpuAsk) -> str:
    if ask.milli >= WHOLE:
        return str(gpus.most_devices(index))
    allowed = gpus.allowed[index][:, None]
    milli = int(np.where(allowed, gpus.milli, 0).max(initial=0))
    gib = int(np.where(allowed, gpus.bytes_, 0).max(initial=0)) / 2**30
    memory = f" and another {gib:.4g} GiB" if ask.memory_bytes else ""
    return f"{milli} milli left on one device{memory}"
