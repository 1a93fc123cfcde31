"""How online's groups suffer: the worst stall over those that are read in a tick.

Which groups: the fewest that hold all online pods and no batch (subtrees.py). Where those are more
than `AT_ONCE`, a part is read each tick, the one that stood worst always with it, so a stall that
began is followed without a gap.
Always holds: what a group's own CPU limit did is taken off its CPU stall; a node whose kernel has
no PSI gives None.
Cost: 4 us a group and tick for CPU, and the same for I/O and memory, which take turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.pressure import Pressure
from qos_controller.adapters.sense.rotation import Rotation
from qos_controller.adapters.sense.throttling import Throttling

AT_ONCE: Final = 8
_FRESH_S: Final = 0.5
"""A stall read longer ago than this says nothing of now."""


class StallOf:
    """One resource's stall over all online groups."""

    def __init__(
        self, layout: Layout, groups: Iterable[str], resource: str, *, period_s: float
    ) -> None:
        self.members = {group: Pressure(layout, group, resource) for group in groups}
        readable = [group for group, file in self.members.items() if file.there]
        self._rotation = Rotation(readable, period_s=period_s, at_once=AT_ONCE)
        self._read_s: dict[str, float] = {}
        self._worst = ""
        self.full_share: float | None = None
        self.some_share: float | None = None

    def read(
        self, now_s: float, own_share: Mapping[str, float] | None = None, *, haste: float = 1.0
    ) -> None:
        """Reads those whose turn it is; `own_share` is taken off the `full` of its group."""
        due = set(self._rotation.due(now_s, haste=haste))
        if self._worst:
            due.add(self._worst)
        for group in due:
            self.members[group].read(now_s)
            self._read_s[group] = now_s
        self._judge(now_s, own_share or {})

    def _judge(self, now_s: float, own_share: Mapping[str, float]) -> None:
        self.full_share = self.some_share = None
        self._worst = ""
        for group, read_s in self._read_s.items():
            file = self.members[group]
            if file.full_share is None or now_s - read_s > _FRESH_S:
                continue
            full = max(0.0, file.full_share - own_share.get(group, 0.0))
            if self.full_share is None or full > self.full_share:
                self.full_share, self._worst = full, group
            self.some_share = max(self.some_share or 0.0, file.some_share or 0.0)

    def close(self) -> None:
        """Lets go of the files."""
        for file in self.members.values():
            file.close()


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

    def read(self, now_s: float, *, haste: float = 1.0) -> bool:
        """Reads those whose turn it is; whether anything was read."""
        due = self._rotation.due(now_s, haste=haste)
        for pod in due:
            self.share[pod] = max(file.read(now_s) or 0.0 for file in self._files[pod])
        return bool(due)

    def close(self) -> None:
        """Lets go of the files."""
        for files in self._files.values():
            for file in files:
                file.close()
