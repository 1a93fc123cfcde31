"""The book as a file: RUN_DIR/pods.json, written by Kubernetes' half and read by the others.

Always holds: a reader sees one whole book or the one before it, never a part (a rename in the same
folder); what is no book raises and changes nothing, so whoever reads keeps the last good one; a UID
becomes part of a path in the cgroup tree, so it never holds a slash or a dot.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import msgspec

from qos_controller.core.pods import Book, Pod
from slacktide.errors import BadInput

NAME: Final = "pods.json"
MOST_BYTES: Final = 8 << 20
_UID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CLASSES: Final = frozenset({"LSE", "LSR", "LS", "BE"})
_BOOKS: Final = msgspec.json.Decoder(Book)
_AMOUNTS: Final = (
    "cpu_request_cores",
    "cpu_limit_cores",
    "batch_cpu_cores",
    "memory_request_bytes",
    "memory_limit_bytes",
    "batch_memory_bytes",
    "started_s",
    "checkpoint_s",
    "gang_slack",
    "gang_members",
)


def read_book(path: Path) -> Book:
    """The book in that file.

    Raises:
        BadInput: there is none, it is too large, or it is no book; says what is wrong.
    """
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except OSError as why:
        raise BadInput(f"{path}: no book of pods: {why.strerror}") from why
    try:
        return decoded(body)
    except BadInput as why:
        raise BadInput(f"{path}: {why}") from why


def write_book(path: Path, book: Book) -> None:
    """Puts the book there, or changes nothing.

    Raises:
        BadInput: the book is too large or could not be read again.
        OSError: the folder cannot be written.
    """
    body = msgspec.json.encode(book)
    decoded(body)
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with open(fd, "wb") as file:  # noqa: PTH123  the descriptor has the mode
        file.write(body)
    fresh.replace(path)


def decoded(body: bytes) -> Book:
    """A book from its JSON. Raises `BadInput` for anything else."""
    if len(body) > MOST_BYTES:
        raise BadInput(f"a book of pods has at most {MOST_BYTES} bytes")
    try:
        book = _BOOKS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise BadInput(f"no book of pods: {why}") from why
    for pod in book.pods:
        if wrong := _wrong(pod):
            raise BadInput(f"no book of pods: pod {pod.uid[:64]!r}: {wrong}")
    if len({pod.uid for pod in book.pods}) < len(book.pods):
        raise BadInput("no book of pods: a UID stands there twice")
    return book


def _wrong(pod: Pod) -> str:
    """What cannot be of a pod; empty where all can."""
    if _UID.fullmatch(pod.uid) is None:
        return "its UID is none"
    if pod.qos_class not in _CLASSES:
        return f"its class is {pod.qos_class[:16]!r}, and none of LSE, LSR, LS, BE"
    for name in _AMOUNTS:
        amount = getattr(pod, name)
        if amount is not None and amount < 0:
            return f"{name} is {amount:g}, below 0"
    if any(cpu < 0 for cpu in pod.cpus) or len(set(pod.cpus)) < len(pod.cpus):
        return "its CPUs are none"
    if pod.slo is not None and not (pod.slo.bound_s > 0 and 0 < pod.slo.quantile < 1):
        return "its SLO can never be kept"
    return ""
