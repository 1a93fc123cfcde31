"""The cluster book: one thread follows a cluster and writes, many requests read.

Always holds: a picture is frozen and complete, so a reader never sees half of one; the revision
grows with each, so a page can tell when to ask again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from scheduler.core.picture import Picture


@dataclass(frozen=True, slots=True)
class Sheet:
    """The newest picture; None before the cluster was read once."""

    revision: int = 0
    picture: Picture | None = None


class ClusterBook:
    """Written by who follows the cluster. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sheet = Sheet()

    def sheet(self) -> Sheet:
        """As it stands."""
        with self._lock:
            return self._sheet

    def write(self, picture: Picture) -> None:
        """The cluster as it is now, in place of what it was."""
        with self._lock:
            self._sheet = Sheet(self._sheet.revision + 1, picture)
