"""Keeps the book: from the watched pods to the file, milliseconds after each change.

Always holds: while the API server is away the last book stays; nothing is written before both the
pods and the node were listed once, so a restart never shows the loop an empty node; what does not
differ is not written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from qos_controller.adapters.book_file import read_book, write_book
from qos_controller.adapters.node_pods import NodePod, Promise, TheNode, book_pods
from qos_controller.app.neighbour.binding import Binding
from qos_controller.app.neighbour.owners import other_owner
from qos_controller.core.pods import Book
from slacktide.clock import Clock
from slacktide.errors import BadInput
from slacktide.kube.cache import Cache, Change

TOGETHER_S: Final = 0.005  # changes that come at once make one book
AGAIN_S: Final = 1.0  # after the disk refused one

log = structlog.get_logger()


@dataclass(slots=True)
class Keeping:
    """The book of one node."""

    node: str
    file: Path
    promise: Promise
    clock: Clock
    beside_others: bool = False
    binding: Binding | None = None  # who gives cores of their own
    pods: Cache[NodePod] = field(default_factory=Cache)
    nodes: Cache[TheNode] = field(default_factory=Cache)
    book: Book | None = None
    other: str = ""  # who else owns this node
    written: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    listed: Callable[[], bool] = lambda: False
    written_anew: asyncio.Event = field(default_factory=asyncio.Event)
    _next: asyncio.TimerHandle | None = None
    _stored: tuple[int, int, int] = (0, 0, 0)  # the file that `begin` read last

    def begin(self) -> None:
        """Starts from the stored book, where there is one of this node that was not read yet."""
        try:
            found = self.file.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen == self._stored:
                return
            self._stored = seen
            stored = read_book(self.file)
        except OSError:
            return
        except BadInput as why:
            log.debug("no stored book", why=str(why))
            return
        if stored.node == self.node:
            self.book = stored

    def found(self, uid: str) -> NodePod | None:
        """The pod with that UID in the book."""
        return self.pods.get(uid)

    def on_change(self, _changes: Sequence[Change[NodePod]] | Sequence[Change[TheNode]]) -> None:
        """For both reflectors."""
        self.changed.set()
        self.soon()

    def soon(self, after_s: float = TOGETHER_S) -> None:
        """Writes with the changes of the next moments, where there are any."""
        if self._next is None:
            self._next = asyncio.get_running_loop().call_later(after_s, self.write)

    def write(self) -> None:
        """Writes the book as it is now, once everything was listed."""
        self._next = None
        if self.listed():
            self.other = "" if self.beside_others else other_owner(self.pods)
            self._save(self._now())

    def _now(self) -> Book:
        now_s = self.clock.now_s()
        pods = book_pods(self.pods, promise=self.promise, now_s=now_s)
        off = bool(self.other) or any(one.is_off for one in self.nodes)
        if self.binding is not None:
            pods = self.binding.with_cpus(pods, self.pods, self.book, off=off)
        return Book(node=self.node, written_s=now_s, pods=pods, off=off)

    def _save(self, book: Book) -> None:
        before = self.book
        if before is not None and self.written and _same(before, book):
            return
        try:
            write_book(self.file, book)
        except (OSError, BadInput) as why:
            log.warning("the book was not written", why=str(why), again_in_s=AGAIN_S)
            self.soon(AGAIN_S)
            return
        self.book, self.written = book, self.written + 1
        self.written_anew.set()
        if before is None or before.off != book.off:
            log.warning("book", off=book.off, other=self.other, pods=len(book.pods))


def _same(one: Book, other: Book) -> bool:
    return replace(one, written_s=other.written_s) == other
