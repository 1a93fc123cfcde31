"""The node's own knobs that actions are about: dirty pages, and the disks' queues.

vm.dirty_bytes and vm.dirty_ratio are two faces of one limit: writing one makes the other 0, and 0
cannot be written to the bytes (EINVAL). So what is put back is whichever was in force.
Source: kernel/mm/page-writeback.c, dirty_bytes_handler. Always holds: the background limit is half
of the limit, so that the flusher starts before a writer waits.
"""

from __future__ import annotations

from qos_controller.adapters.cgroups.driver import Write
from qos_controller.adapters.cgroups.files import DONE
from qos_controller.adapters.cgroups.hand import Hand
from qos_controller.adapters.cgroups.owned import Owned

_LEAST_BYTES = 2 * 4_096
_FACES = (
    ("dirty_bytes", "dirty_ratio", 1),
    ("dirty_background_bytes", "dirty_background_ratio", 2),
)


class DirtyPages:
    """How many may pile up before writers wait."""

    def __init__(self, hand: Hand, *, proc_root: str = "/proc") -> None:
        self._hand = hand
        self._vm = f"{proc_root}/sys/vm"

    def limit(self, limit_bytes: float | None) -> str:
        """At most this many; None: as the node had it."""
        outcomes = [
            self._put_back(size, ratio)
            if limit_bytes is None
            else self._limit(size, ratio, max(_LEAST_BYTES, int(limit_bytes) // part))
            for size, ratio, part in _FACES
        ]
        return next((what for what in outcomes if what != DONE), DONE)

    def _limit(self, size: str, ratio: str, limit_bytes: int) -> str:
        path = f"{self._vm}/{size}"
        if not self._is_owned(size, ratio):
            content = self._hand.files.read(path)
            in_force = ratio if (content or b"0").strip() == b"0" else size
            was = self._hand.files.read(f"{self._vm}/{in_force}")
            if was is None:
                return "ENOENT"
            kept = Owned(f"{self._vm}/{in_force}", "node", [was.decode().strip()])
            # The file that is written is in the ledger too, with nothing to be put back by itself.
            written = [] if in_force == size else [Owned(path, "node", [])]
            outcome = self._hand.ledger.own([kept, *written])
            if outcome != DONE:
                return outcome
        return self._hand.do([Write(path, str(limit_bytes), "node")])

    def _put_back(self, size: str, ratio: str) -> str:
        outcome = self._hand.put_back(f"{self._vm}/{ratio}")
        return self._hand.put_back(f"{self._vm}/{size}") or outcome

    def _is_owned(self, size: str, ratio: str) -> bool:
        ledger = self._hand.ledger
        return (f"{self._vm}/{size}", "") in ledger or (f"{self._vm}/{ratio}", "") in ledger


class DeviceQueues:
    """How big a piece a disk takes, and how many writes at once.

    On a virtual disk a 4 MiB write holds the device for 2.5 ms whatever the priorities; in pieces
    of 64 KiB, and with few of them under way, reads come in between.
    """

    def __init__(self, hand: Hand, *, devices: tuple[str, ...], sys_root: str = "/sys") -> None:
        self._hand = hand
        self._files = tuple(
            (f"{sys_root}/dev/block/{device}/queue/{name}", value)
            for device in devices
            for name, value in (("max_sectors_kb", 64), ("iosched/async_depth", 4))
        )

    def keep_small(self, *, small: bool) -> str:
        """Small pieces from now on, or as the node had it; without mq-deadline only the size."""
        outcomes = [
            self._kept(path, most) if small else self._hand.put_back(path)
            for path, most in self._files
        ]
        return next((what for what in outcomes if what not in {DONE, "ENOENT"}), DONE)

    def _kept(self, path: str, most: int) -> str:
        if (path, "") not in self._hand.ledger:
            content = (self._hand.files.read(path) or b"").strip()
            if not content.isdigit() or int(content) <= most:
                return DONE
        return self._hand.do([Write(path, str(most), "node")])
