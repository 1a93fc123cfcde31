"""How online's groups suffer: the worst stall over those that are read in a tick.

Which groups: the fewest that hold all online pods and no batch (subtrees.py). The group of all pods
is read before them: while nobody in it waits at all, none of them can be stalled, and they are left
alone. Otherwise at most `AT_ONCE` are read a tick, in turn, the one that stood worst always with
them, so that a stall that began is followed without a gap.
Always holds: what a group's own CPU limit did is taken off its CPU stall; a node whose kernel has
no PSI gives None.
Cost: 4 us a resource while nobody waits; else 5 us more a group, at most five groups. CPU is looked
at each tick, I/O and memory in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.pressure import Pressure
from qos_controller.adapters.sense.rotation import Rotation
from qos_controller.adapters.sense.throttling import Throttling

AT_ONCE: Final = 4
_FRESH_S: Final = 0.5
"""A stall read longer ago than this says nothing of now."""
_QUIET_SHARE: Final = 0.002


class StallOf:
    """One resource's stall over all online groups."""

    def __init__(self, layout: Layout, groups: Sequence[str], resource: str) -> None:
        self._all = Pressure(layout, layout.kubepods, resource)
        self._members = [(group, Pressure(layout, group, resource)) for group in groups]
        self._alone = list(groups) == [layout.kubepods]
        self._turn = 0
        self._still_s = 0.0
        self._shares: dict[str, tuple[float, float, float]] = {}
        self._worst: tuple[str, Pressure] | None = None
        self.full_share: float | None = None
        self.some_share: float | None = None

    def read(self, now_s: float, own_share: Mapping[str, float] | None = None) -> None:
        """Reads those whose turn it is; `own_share` is taken off the `full` of its group."""
        if not self._members:
            return
        if not self._alone and self._nobody_waits(now_s):
            self.full_share = self.some_share = 0.0
            return
        for group, file in self._due():
            file.read(now_s, still_s=self._still_s)
            if file.full_share is None or file.some_share is None:
                self._shares.pop(group, None)
                continue
            own = own_share.get(group, 0.0) if own_share else 0.0
            self._shares[group] = (max(0.0, file.full_share - own), file.some_share, now_s)
        self._judge(now_s)

    def close(self) -> None:
        """Lets go of the files."""
        self._all.close()
        for _, file in self._members:
            file.close()

    def _nobody_waits(self, now_s: float) -> bool:
        some = self._all.read_some(now_s)
        if some is None or some > _QUIET_SHARE:
            return False
        self._still_s = now_s
        self._shares.clear()
        self._worst = None
        return True

    def _due(self) -> Sequence[tuple[str, Pressure]]:
        members = self._members
        if len(members) <= AT_ONCE:
            return members
        first, self._turn = self._turn, (self._turn + AT_ONCE) % len(members)
        due = (members[first:] + members[:first])[:AT_ONCE]
        if self._worst is not None and self._worst not in due:
            due.append(self._worst)
        return due

    def _judge(self, now_s: float) -> None:
        full = some = -1.0
        worst = ""
        for group, (its_full, its_some, read_s) in self._shares.items():
            if its_full > full and now_s - read_s < _FRESH_S:
                full, worst = its_full, group
            some = max(some, its_some)
        self.full_share = full if full >= 0.0 else None
        self.some_share = some if some >= 0.0 else None
        self._worst = next((member for member in self._members if member[0] == worst), None)


class OwnThrottling:
    """What the CPU limits of online pods did to them, a few pods a tick."""

    def __init__(
        self, layout: Layout, limited: Mapping[str, Sequence[str]], *, period_s: float
    ) -> None:
        """`limited`: a pod's group to the groups whose limits bind it, its own and containers'."""
        self._files = {
            pod: [Throttling(layout, group) for group in groups] for pod, groups in limited.items()
        }
        self._rotation = Rotation(tuple(self._files), period_s=period_s, at_once=4)
        self.share: dict[str, float] = {}
        """Of each pod's group; a pod without a limit is not in it."""

    def read(self, now_s: float, *, haste: float = 1.0) -> None:
        """Reads those whose turn it is."""
        if not self._files:
            return
        for pod in self._rotation.due(now_s, haste=haste):
            self.share[pod] = max(file.read(now_s) or 0.0 for file in self._files[pod])

    def close(self) -> None:
        """Lets go of the files."""
        for files in self._files.values():
            for file in files:
                file.close()
