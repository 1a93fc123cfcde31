"""What nodes and pods say about GPUs, read at the door.

A node's annotation is written by whoever knows its devices: a person, a device plugin, a script.
Nothing of it is trusted: a text that is too long, of another shape or about impossible amounts
sells no GPU, and the sentence that says why is all that comes of it.

    slacktide.io/gpus: '{"model": "V100", "count": 8, "memory": "16Gi", "broken": [3]}'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from scheduler.core.gpu import MOST_DEVICES, GpuAsk, gpu_ask
from slacktide.contract import (
    ANNOTATION_GPU_MODEL,
    ANNOTATION_GPUS,
    KOORDINATOR_GPU,
    KOORDINATOR_GPU_CORE,
    KOORDINATOR_GPU_MEMORY,
    KOORDINATOR_GPU_MEMORY_RATIO,
    OPENB_GPU_MODEL,
    RESOURCE_GPU_MEMORY,
    RESOURCE_GPU_MILLI,
)
from slacktide.errors import BadInput
from slacktide.quantity import parse_bytes

LONGEST_TEXT: Final = 4_096  # characters of a node's annotation
LONGEST_MODEL: Final = 256  # characters of a pod's models
MOST_BYTES: Final = 1 << 50  # of one device
MILLI_PER_CENT: Final = 10
KOORDINATOR_GPUS: Final = (
    KOORDINATOR_GPU,
    KOORDINATOR_GPU_CORE,
    KOORDINATOR_GPU_MEMORY,
    KOORDINATOR_GPU_MEMORY_RATIO,
)
EXAMPLE: Final = '{"model": "V100", "count": 8, "memory": "16Gi"}'


class NodeGpus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The devices a node sells, all of one model; their indexes are 0 to count - 1."""

    count: int
    memory: str | int  # of each device, as a quantity
    model: str = ""
    broken: tuple[int, ...] = ()  # indexes that are not sold

    @property
    def bytes_(self) -> int:
        """Of each device."""
        return parse_bytes(self.memory)


_NODE: Final = msgspec.json.Decoder(NodeGpus)


def node_gpus(notes: Mapping[str, str]) -> NodeGpus | None:
    """What a node sells, from its annotations; None for none.

    Raises `BadInput` with a sentence for what makes no sense.
    """
    text = notes.get(ANNOTATION_GPUS, "")
    if not text:
        return None
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"{ANNOTATION_GPUS} has more than {LONGEST_TEXT} characters")
    try:
        found = _NODE.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as why:
        raise BadInput(f"{ANNOTATION_GPUS} is not like {EXAMPLE}: {why}") from why
    if not 1 <= found.count <= MOST_DEVICES:
        raise BadInput(f"{ANNOTATION_GPUS}: count {found.count} is not 1 to {MOST_DEVICES}")
    if not 1 <= found.bytes_ <= MOST_BYTES:
        raise BadInput(f"{ANNOTATION_GPUS}: memory {found.memory} is none of a GPU")
    if any(not 0 <= index < found.count for index in found.broken):
        raise BadInput(f"{ANNOTATION_GPUS}: broken names a device that there is not")
    if len(found.model) > LONGEST_MODEL:
        raise BadInput(f"{ANNOTATION_GPUS}: the model has more than {LONGEST_MODEL} characters")
    return found


def gpu_asked(amount: Callable[[str], int], notes: Mapping[str, str]) -> GpuAsk | None:
    """What a pod asks for; None for nothing.

    Args:
        amount: how much of a resource the pod asks for, its containers together; 0 for none.
        notes: its annotations.

    Raises:
        BadInput: it asks for what no device can give.
    """
    milli, memory_bytes = amount(RESOURCE_GPU_MILLI), amount(RESOURCE_GPU_MEMORY)
    if not milli:
        milli, memory_bytes = _koordinator(amount, memory_bytes)
    if not milli:
        if memory_bytes:
            raise BadInput(f"it asks for GPU memory and no GPU: add {RESOURCE_GPU_MILLI}")
        return None
    try:
        return gpu_ask(milli, memory_bytes=memory_bytes, models=_models(notes))
    except ValueError as why:
        raise BadInput(str(why)) from why


def _koordinator(amount: Callable[[str], int], memory_bytes: int) -> tuple[int, int]:
    """Milli and bytes of each device, from Koordinator's resources."""
    both, core = amount(KOORDINATOR_GPU), amount(KOORDINATOR_GPU_CORE)
    ratio = amount(KOORDINATOR_GPU_MEMORY_RATIO)
    milli = (core or both or ratio) * MILLI_PER_CENT
    if ratio and ratio != (core or both or ratio):
        raise BadInput(
            f"{KOORDINATOR_GPU_MEMORY_RATIO} other than the share of time is not read: "
            f"say {KOORDINATOR_GPU_MEMORY}"
        )
    return milli, memory_bytes or amount(KOORDINATOR_GPU_MEMORY) // max(milli // 1_000, 1)


def _models(notes: Mapping[str, str]) -> tuple[str, ...]:
    text = notes.get(ANNOTATION_GPU_MODEL) or notes.get(OPENB_GPU_MODEL, "")
    if len(text) > LONGEST_MODEL:
        raise BadInput(f"{ANNOTATION_GPU_MODEL} has more than {LONGEST_MODEL} characters")
    return tuple(model for part in text.split("|") if (model := part.strip()))
