"""What one request costs, so that loads can be said in percent of the node.

Always holds: it is measured on the server itself, in its own group, before the first episode.
"""

from __future__ import annotations

import time

from bench.qos.rig import Rig

RATE_PER_S = 120.0
LASTS_S = 4.0


def cpu_s_per_request(rig: Rig) -> float:
    """CPU seconds of online for each request, at a light load."""
    begin_s = time.monotonic() + 0.4
    answers = rig.folder / "answers"
    client = rig.start_client([(begin_s, begin_s + LASTS_S, RATE_PER_S)], 1, answers)
    before_s = rig.online.cpu_s()
    client.wait()
    used_s = rig.online.cpu_s() - before_s
    asked = len(answers.read_bytes()) // 24
    answers.unlink()
    return used_s / asked
