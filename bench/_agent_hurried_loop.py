"""The real loop without its sleep, in a time of its own: `-m bench._agent_hurried_loop SETTINGS`.

Each tick believes that 25 ms went by, so a day of ticks takes as long as their work.
"""

from __future__ import annotations

import math
import os
import sys
import time

from qos_controller.app.law import NodeLaw
from qos_controller.app.loop_process import run
from qos_controller.app.pace import Pace
from qos_controller.app.settings import from_argument


class Hurry(Pace):
    """The next deadline is always now."""

    def __init__(self, period_s: float) -> None:
        super().__init__(period_s)
        self._now_s = time.monotonic()
        self._is_modest = False

    def wait(self, early_s: float = math.inf) -> float:
        """One period later, at once, or where an early look is wanted then."""
        if not self._is_modest:
            # A loop without sleep at the agent's priority would leave nothing for the others.
            os.setpriority(os.PRIO_PROCESS, 0, 5)
            self._is_modest = True
        if self._now_s < early_s < self._now_s + self._period_s:
            return early_s
        self._now_s += self._period_s
        return self._now_s


if __name__ == "__main__":
    told = from_argument(sys.argv[1])
    run(told, law=NodeLaw(), pace=Hurry(told.tick_s))
