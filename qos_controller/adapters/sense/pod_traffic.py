"""What one pod sends, seen through any process of it.

Always holds: its process is looked for, ever more rarely, until one is there, and then never again:
the kept files show the pod's namespace, which its pause container holds for as long as the pod
lives. A pod in the host's network tells nothing of its own.
Cost: 6 us; 40 us when its process is looked for.
"""

from __future__ import annotations

from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.namespaces import namespace_of
from qos_controller.adapters.sense.processes import processes_of
from qos_controller.adapters.sense.traffic import Sent

_RAREST: Final = 32


class PodTraffic:
    """One pod's traffic."""

    __slots__ = ("_group", "_host", "_layout", "_pause", "_proc", "_sent", "_skip", "pid")

    def __init__(self, layout: Layout, group: str, proc: str = "/proc") -> None:
        self._layout, self._group, self._proc = layout, group, proc
        self._sent: Sent | None = None
        self._host = False
        self._pause = self._skip = 0
        self.pid = 0
        """One of its processes; 0 while none is known or where it is in the host's network."""

    def read(self, now_s: float) -> float | None:
        """Bytes a second since the last look."""
        if self._sent is None and not self._host:
            self._look_for_a_process()
        return None if self._sent is None else self._sent.read(now_s)

    def close(self) -> None:
        """Lets go of the files."""
        if self._sent is not None:
            self._sent.close()

    def _look_for_a_process(self) -> None:
        if self._skip > 0:
            self._skip -= 1
            return
        self._pause = self._skip = min(2 * self._pause + 1, _RAREST)
        pids = processes_of(self._layout, self._group, most=1)
        namespace = namespace_of(pids[0], self._proc) if pids else ""
        if not namespace:
            return
        # The agent runs in the host's network, or it could not guard the node's.
        self._host = namespace == namespace_of("self", self._proc)
        if not self._host:
            self.pid = pids[0]
            self._sent = Sent(pids[0], self._proc)
