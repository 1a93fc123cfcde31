"""Memory taken back from a pod: pushed out, or fenced in; always by the slow hand.

Version 2 has memory.reclaim. On version 1 the limit is lowered below the use step by step, which
makes the kernel reclaim, and put where it was; for everything there is, force_empty. Lowering
never kills on version 1 (EBUSY where nothing more can go); on version 2 memory.max does, so what
is in use is reclaimed before the limit falls on it.
Always holds: whatever a step comes to, a limit that was only lowered to reclaim is put back.

Measured: handing a job over 5 us (p50); 10 MiB of page cache read a moment ago left within 0.1 s.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from qos_controller.adapters.cgroups.driver import Driver, Write
from qos_controller.adapters.cgroups.files import DONE, KeptFiles
from qos_controller.adapters.cgroups.hand import Hand
from qos_controller.adapters.cgroups.layout import Layout

_STEP_BYTES = 64 * 2**20
_MIB = float(2**20)
_MOST_STEPS = 256
_WAIT_S = 0.02
"""The slow hand may wait: nobody waits for it."""


class Memory:
    """Limits and reclaim of one pod's group."""

    def __init__(self, layout: Layout, driver: Driver, hand: Hand) -> None:
        self._driver = driver
        self._hand = hand
        self._mount = layout.mount_of("memory")
        self._is_v1 = layout.is_v1("memory")
        self._use = "memory.usage_in_bytes" if self._is_v1 else "memory.current"

    def limit(self, group: str, limit_bytes: float | None) -> str:
        """It may not grow beyond; None puts back what it had."""
        writes = self._driver.memory_limit(group, math.inf if limit_bytes is None else limit_bytes)
        if not writes:
            return "ENOTSUP"
        write = writes[0]
        if limit_bytes is None:
            return self._hand.put_back(write.path)
        outcome = self._hand.own(writes)
        if outcome == DONE:
            self._hand.note(write)
            self._hand.slow.do(write.path, self._lowering(group, write, limit_bytes))
        return outcome

    def reclaim(self, group: str, reclaim_bytes: float) -> str:
        """Pushes this much out, infinite: all that can go; what it needs comes back by itself."""
        if not self._mount:
            return "ENOTSUP"
        path = f"{self._mount}/{group}"
        if not self._is_v1:
            size = 2**40 if math.isinf(reclaim_bytes) else int(reclaim_bytes)
            self._hand.slow.write(f"{path}/memory.reclaim", str(size))
        elif math.isinf(reclaim_bytes):
            self._hand.slow.write(f"{path}/memory.force_empty", "0")
        else:
            return self._squeeze(group, reclaim_bytes)
        return DONE

    def _squeeze(self, group: str, reclaim_bytes: float) -> str:
        """Version 1: down by steps, and back to where the limit is now."""
        write = self._driver.memory_limit(group, math.inf)[0]
        outcome = self._hand.own((write,))
        if outcome != DONE:
            return outcome

        def job(files: KeptFiles) -> str:
            limit = files.read(write.path)
            used = self._used(group, files)
            if limit is None or used is None:
                return "ENOENT"
            try:
                return self._lower(group, write.path, max(_MIB, used - reclaim_bytes), files)
            finally:
                files.write(write.path, limit.decode().strip())

        self._hand.slow.do(f"{write.path} reclaim", job)
        return DONE

    def _lowering(self, group: str, write: Write, limit_bytes: float) -> Callable[[KeptFiles], str]:
        """Reclaims down to the limit, then sets it."""

        def job(files: KeptFiles) -> str:
            used = self._used(group, files)
            if used is not None and used > limit_bytes:
                if self._is_v1:
                    self._lower(group, write.path, limit_bytes, files)
                else:
                    reclaim = f"{self._mount}/{group}/memory.reclaim"
                    files.write(reclaim, str(int(used - limit_bytes)))
            return files.write(write.path, write.value)

        return job

    def _lower(self, group: str, path: str, to_bytes: float, files: KeptFiles) -> str:
        """Step by step; pages that were just read are on no list yet, so each step may wait."""
        for _ in range(_MOST_STEPS):
            used = self._used(group, files)
            if used is None or used <= to_bytes:
                return DONE
            if files.write(path, str(int(max(to_bytes, used - _STEP_BYTES)))) != DONE:
                time.sleep(_WAIT_S)
        return "EBUSY"

    def _used(self, group: str, files: KeptFiles) -> float | None:
        content = files.read(f"{self._mount}/{group}/{self._use}")
        return float(content) if content else None
