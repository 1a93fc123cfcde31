"""What files of pods' groups hold over time, looked at every 5 ms beside a test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from slacktide.testing.node import groups

LOOK_S: Final = 0.005
WRITTEN: Final = (
    "cpu.shares", "cpu.cfs_quota_us", "cpu.idle", "cpu.weight", "cpu.max", "cpuset.cpus",
    "memory.limit_in_bytes", "memory.high", "memory.max", "cgroup.freeze", "io.max",
    "blkio.throttle.write_bps_device", "blkio.throttle.read_bps_device",
)  # fmt: skip


def held() -> dict[str, str]:
    """Every file that an agent may write, of every group of this node's pods."""
    found = {}
    for group in groups.subtree("kubepods"):
        for name in WRITTEN:
            with suppress(OSError):
                found[str(group / name)] = (group / name).read_text()
    return found


def file_of(uid: str, name: str) -> Path:
    """A file of a pod's own group, in the hierarchy that has it."""
    [found] = [group / name for group in groups.where(uid) if (group / name).exists()]
    return found


class Watched:
    """When something about a pod was first seen; times are of time.monotonic."""

    def __init__(self, checks: dict[str, Callable[[], bool]]) -> None:
        self.seen_s: dict[str, float] = {}
        self._checks, self._changed, self._ended = checks, threading.Condition(), False
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def wait(self, *names: str, within_s: float = 30.0) -> None:
        """Returns when each was seen once."""
        with self._changed:
            missing = [name for name in names if name not in self.seen_s]
            if not self._changed.wait_for(
                lambda: all(name in self.seen_s for name in names), within_s
            ):
                raise AssertionError(f"{missing} not seen in {within_s:g} s, only {self.seen_s}")

    def end(self) -> None:
        """It looks no more."""
        self._ended = True
        self._thread.join()

    def _look(self) -> None:
        left = dict(self._checks)
        while left and not self._ended:
            for name, check in list(left.items()):
                with suppress(OSError, ValueError):
                    if check():
                        del left[name]
                        with self._changed:
                            self.seen_s[name] = time.monotonic()
                            self._changed.notify_all()
            time.sleep(LOOK_S)


@contextmanager
def watched(**checks: Callable[[], bool]) -> Iterator[Watched]:
    """Looks until the block ends."""
    made = Watched(checks)
    try:
        yield made
    finally:
        made.end()
