"""Who else writes our files? Each is read back once a second, a few at every tick.

A difference is reported and written anew, three times a minute and file at most: another agent is
told about, not fought. kubelet sets the weight of its QoS classes every minute; where that is no
heavier than ours it stays. A quota or limit that its owner changed (an in-place resize) becomes
what the file goes back to, and ours is set again beside it.
Always holds: a file is not read back while a slow write to it is under way; freezing is not fought
over, but what we thawed must run.

Measured: 1.3 us a read (p50); 208 files cost half a millisecond a second, spread over the ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from qos_controller.adapters.cgroups.driver import Write
from qos_controller.adapters.cgroups.files import DONE
from qos_controller.adapters.cgroups.hand import Hand, Key, Stands, was

REWRITES_A_MINUTE: Final = 3
_ROUND_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Drift:
    """One file that said something else."""

    path: str
    wanted: str
    found: str
    rewritten: bool
    """False: left as it is, for a minute or because it means the same."""


class DriftWatch:
    """Reads back what stands."""

    def __init__(self, hand: Hand, *, is_as_good: Callable[[Write, str], bool]) -> None:
        """`is_as_good` says of a write and what was found instead whether that may stay."""
        self._hand = hand
        self._is_as_good = is_as_good
        self._round: list[Key] = []
        self._begun_s = float("-inf")
        self._per_s = 0.0
        self._read_s = float("-inf")
        self.counts: dict[str, int] = {}
        """File's name to how often it said something else."""

    def check(self, now_s: float) -> tuple[Drift, ...]:
        """Reads the files that are due; call it at every tick."""
        if not self._round:
            if now_s - self._begun_s < _ROUND_S:
                return ()
            self._begun_s, self._round = now_s, list(self._hand.stands)
            self._per_s = len(self._round) / _ROUND_S
            self._read_s = now_s
        due = min(len(self._round), int((now_s - self._read_s) * self._per_s) + 1)
        self._read_s = now_s
        found = [self._checked(self._round.pop(), now_s) for _ in range(due)]
        return tuple(drift for drift in found if drift is not None)

    def _checked(self, key: Key, now_s: float) -> Drift | None:
        stands = self._hand.stands.get(key)
        path = key[0]
        if stands is None or not stands.write.checked or self._hand.slow.is_busy(path):
            return None
        content = self._hand.files.read(path)
        if content is None or says(content, stands.write.value):
            return None
        name = path.rsplit("/", 1)[-1]
        self.counts[name] = self.counts.get(name, 0) + 1
        found = " ".join(was(stands.write, content))
        return Drift(path, stands.write.value, found, self._rewritten(stands, found, now_s))

    def _rewritten(self, stands: Stands, found: str, now_s: float) -> bool:
        write = stands.write
        if self._is_as_good(write, found):
            stands.write = Write(write.path, found, write.kind, write.safe)
            return False
        if write.kind != "freeze":
            self._hand.ledger.now_was(write.path, write.device, found.splitlines())
        recent = tuple(t for t in stands.rewritten_s if now_s - t < 60.0)
        if len(recent) >= REWRITES_A_MINUTE:
            return False
        stands.rewritten_s = (*recent, now_s)
        return self._hand.again(write) == DONE


def says(content: bytes, value: str) -> bool:
    """Whether a control file holds this value: all its words in one of its lines."""
    words = value.encode().split()
    if content.split() == words:
        return True
    return bool(words) and any(set(words) <= set(line.split()) for line in content.splitlines())
