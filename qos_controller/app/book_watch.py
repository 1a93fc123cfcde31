"""The book as the loop follows it: looked for each tick, read when it is another one.

Always holds: a book that cannot be used is told once and the last good one stays in force; asking
costs one stat (2 us) while nothing changes.
"""

from __future__ import annotations

import os
from pathlib import Path

from qos_controller.adapters.book_file import read_book
from qos_controller.app.faults import Faults
from qos_controller.core.pods import Book
from slacktide.errors import BadInput


class BookWatch:
    """Answers a new book, or None where it is the one that it gave before."""

    def __init__(self, path: Path, faults: Faults) -> None:
        self._path = path
        self._faults = faults
        self._seen = (0, 0, 0)

    def __call__(self) -> Book | None:
        """A new one, or None."""
        try:
            found = os.stat(self._path)  # noqa: PTH116  half the cost of Path.stat, 40 times a second
        except OSError:
            return None
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            return read_book(self._path)
        except BadInput as why:
            self._faults.count("book", why)
            return None
