"""A program that is started again whenever it ends, as kubelet does with a pod's container."""

from __future__ import annotations

import threading
from collections.abc import Callable

from slacktide.testing.cluster.processes import Process

LOOK_S = 0.1


class Supervised:
    """Always one of them runs, until it is stopped."""

    def __init__(self, start: Callable[[], Process]) -> None:
        """`start` starts the next one."""
        self._start, self._stopping = start, threading.Event()
        self._lock = threading.Lock()
        self.starts = 1
        self.process = start()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """Kills the one that runs; the next one follows."""
        with self._lock:
            self.process.kill()

    def stop(self) -> None:
        """Ends it for good."""
        self._stopping.set()
        self._thread.join()
        self.process.kill()

    def _keep(self) -> None:
        while not self._stopping.wait(LOOK_S):
            with self._lock:
                if self.process.has_ended:
                    self.starts += 1
                    self.process = self._start()
