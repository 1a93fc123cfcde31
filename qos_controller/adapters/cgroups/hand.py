"""The hand that writes: owned first, written once, read back each second.

Always holds: no file is written before the ledger has what it held; a value that stands already is
not written again; one refusal does not keep the other writes from being tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qos_controller.adapters.cgroups.driver import Write
from qos_controller.adapters.cgroups.files import DONE, KeptFiles
from qos_controller.adapters.cgroups.owned import Ledger, Owned, Restored, restore
from qos_controller.adapters.cgroups.slow_hand import SlowHand

Key = tuple[str, str]
"""A file, and the device whose line it is about."""


@dataclass(slots=True)
class Stands:
    """What one file was last made to say."""

    write: Write
    rewritten_s: tuple[float, ...] = ()


class Hand:
    """All writes of the loop go through here."""

    def __init__(self, files: KeptFiles, ledger: Ledger) -> None:
        self.files = files
        self.ledger = ledger
        # A second set of descriptors: the slow thread shares nothing with the loop.
        self.slow = SlowHand(KeptFiles(files.system, say=files.say))
        self.stands: dict[Key, Stands] = {}

    def do(self, writes: Sequence[Write]) -> str:
        """`DONE`, or the first errno's name; nothing is written where the ledger cannot be."""
        news = [w for w in writes if self._is_new(w)]
        if not news:
            return DONE
        outcome = self.own(news)
        if outcome != DONE:
            return outcome
        outcomes = [self._written(write) for write in news]
        return next((what for what in outcomes if what != DONE), DONE)

    def own(self, writes: Iterable[Write]) -> str:
        """Notes what is about to be written for the first time, all with one saving."""
        firsts = [w for w in writes if (w.path, w.device) not in self.ledger]
        found = [(w, self.files.read(w.path)) for w in firsts]
        owned = [
            Owned(w.path, w.kind, was(w, content), w.safe, device=w.device)
            for w, content in found
            if content is not None
        ]
        return self.ledger.own(owned) if owned else DONE

    def note(self, write: Write) -> None:
        """Somebody else is to write this (a slow job): it stands from now on."""
        self.stands[write.path, write.device] = Stands(write)

    def again(self, write: Write) -> str:
        """Writes what stands already; somebody else wrote over it."""
        return self.files.write(write.path, write.value)

    def put_back(self, path: str, device: str = "") -> str:
        """Gives one file back before the others; `DONE` where it was not ours."""
        owned = self.ledger.get(path, device)
        if owned is None:
            return DONE
        self.stands.pop((path, device), None)
        restored = restore([owned], self.files)
        self.ledger.disown(path, device)
        return restored.refused[0] if restored.refused else DONE

    def put_back_below(self, directory: str) -> None:
        """Gives a whole group back."""
        below = f"{directory}/"
        owned = [o for o in self.ledger.in_order() if o.path.startswith(below)]
        restore(owned, self.files)
        for one in owned:
            self.stands.pop((one.path, one.device), None)
            self.ledger.disown(one.path, one.device)

    def forget_below(self, directory: str) -> None:
        """A group has gone."""
        self.files.forget_below(directory)
        self.ledger.forget_below(directory)
        below = f"{directory}/"
        for key in [key for key in self.stands if key[0].startswith(below)]:
            del self.stands[key]

    def restore(self) -> Restored:
        """Puts everything back; the ledger is empty where the kernel took all."""
        self.slow.stop()
        restored = restore(self.ledger.in_order(), self.files)
        self.stands.clear()
        if not restored.refused:
            for owned in self.ledger.in_order():
                self.ledger.disown(owned.path, owned.device)
            self.ledger.save()
        return restored

    def _is_new(self, write: Write) -> bool:
        stands = self.stands.get((write.path, write.device))
        return stands is None or stands.write.value != write.value

    def _written(self, write: Write) -> str:
        key = (write.path, write.device)
        if key not in self.ledger:
            return "ENOENT"
        if write.safe:
            self.ledger.now_safe(write.path, write.safe)
        if write.slow:
            self.slow.write(write.path, write.value)
            outcome = DONE
        else:
            outcome = self.files.write(write.path, write.value)
        if outcome == DONE:
            self.stands[key] = Stands(write)
        return outcome


def was(write: Write, content: bytes) -> list[str]:
    """The writes that bring back this content."""
    lines = content.decode(errors="replace").splitlines()
    if not write.device:
        return [lines[0].strip()] if lines else [""]
    held = [line for line in lines if line.split(maxsplit=1)[:1] == [write.device]]
    return held or [write.lifted]
