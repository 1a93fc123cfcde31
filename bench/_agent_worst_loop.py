"""The real loop with a law that does its worst: `-m bench._agent_worst_loop SETTINGS PARENT`.

While RUN_DIR/rehearse exists, batch is frozen for half a minute and cut down to a hundredth of a
core, so that only the agent's own safety can undo it. All else is the real loop.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from qos_controller.adapters.ticks import Event
from qos_controller.app.law import NodeLaw
from qos_controller.app.loop_process import run
from qos_controller.app.own_process import end_with_parent
from qos_controller.app.settings import from_argument
from qos_controller.core.decision import Freeze, SetMemory, SetQuota
from qos_controller.core.node import NodeDecision
from qos_controller.core.sample import Sample

FLAG = "rehearse"


class WorstLaw(NodeLaw):
    """Freezes and strangles as long as it is asked to."""

    def __init__(self, flag: Path) -> None:
        super().__init__()
        self._flag = flag
        self._does = False

    def decide(self, sample: Sample, now_s: float) -> NodeDecision:
        """The real decision with the worst in place of its actions."""
        decision = super().decide(sample, now_s)
        does, self._does = self._does, self._flag.exists()
        if self._does and not does:
            worst = (SetQuota(0.01), Freeze(now_s + 30.0))
            pods = tuple(SetMemory(2.0**30, task.task) for task in sample.signals.offline_tasks)
            return replace(decision, actions=(*worst, *pods))
        return replace(decision, actions=())

    def told(self, decision: NodeDecision, now_s: float) -> list[Event]:
        """Nothing."""
        del decision, now_s
        return []


def main() -> None:
    """The process."""
    settings = from_argument(sys.argv[1])
    if end_with_parent(int(sys.argv[2])):
        run(settings, law=WorstLaw(settings.run / FLAG))


if __name__ == "__main__":
    main()
