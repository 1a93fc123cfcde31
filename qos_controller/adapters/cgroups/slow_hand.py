"""A thread for writes that may block for seconds: reclaim, and a limit below what is in use.

The kernel reclaims inside the write, and waits for pages that are on their way to the disk; the
interpreter's lock is released meanwhile, so the fast loop does not notice.
Always holds: writes are done one after another, the newest value of a file wins, the queue is
bounded by the number of files.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from qos_controller.adapters.cgroups.files import KeptFiles

_STACK_BYTES = 256 * 1024


class SlowHand:
    """Start it by making it; `done` are outcomes not yet looked at."""

    def __init__(self, files: KeptFiles) -> None:
        self._files = files
        self._jobs: dict[str, Callable[[KeptFiles], str]] = {}
        self._wake = threading.Condition()
        self._busy = ""
        self._stopped = False
        self._done: list[tuple[str, str]] = []
        # The agent's memory is locked, and a locked stack of the usual 8 MiB is all resident.
        usual = threading.stack_size(_STACK_BYTES)
        threading.Thread(target=self._run, name="slow-hand", daemon=True).start()
        threading.stack_size(usual)

    def write(self, path: str, value: str) -> None:
        """Queues a write; a value still waiting for the same file is forgotten."""
        self.do(path, lambda files: files.write(path, value))

    def do(self, name: str, job: Callable[[KeptFiles], str]) -> None:
        """Queues a piece of work under a name; the newest of a name wins."""
        with self._wake:
            self._jobs[name] = job
            self._wake.notify()

    def is_busy(self, name: str) -> bool:
        """Whether that file's work is under way or waits."""
        return name == self._busy or name in self._jobs

    def done(self) -> list[tuple[str, str]]:
        """(name, outcome) since the last call."""
        done, self._done = self._done, []
        return done

    def stop(self) -> None:
        """No further work is begun; one under way ends by itself."""
        with self._wake:
            self._stopped = True
            self._jobs.clear()
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._busy = ""
                self._wake.wait_for(lambda: self._jobs or self._stopped)
                if self._stopped:
                    return
                name = self._busy = next(iter(self._jobs))
                job = self._jobs.pop(name)
            self._done.append((name, job(self._files)))
