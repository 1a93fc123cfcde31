"""The open-loop client.

python -m bench.qos.client PLAN.json ANSWERS

It sends at times fixed beforehand and stamps each request with the time it was *meant* to go, so a
client held up by a slow server or by a busy machine cannot hide the wait (coordinated omission).
ANSWERS is an array of doubles, three a request: meant, sent, answered (CLOCK_MONOTONIC; NaN:
never). Always holds: answers never delay the next send by more than one short read.
"""

from __future__ import annotations

import array
import gc
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.qos.arrivals import Phase, poisson
from bench.qos.exchange import Connections, Datagrams, Exchange

DRAIN_S = 1.5


@dataclass(slots=True)
class Asked:
    """What became of each request."""

    meant_s: list[float]
    sent_s: list[float]
    answered_s: list[float]


def ask(
    exchange: Exchange,
    meant_s: list[float],
    *,
    drain_s: float = DRAIN_S,
    clock: Callable[[], float] = time.monotonic,
) -> Asked:
    """Sends every request when it is due, collects answers, and waits `drain_s` for the last."""
    asked = Asked(meant_s, [math.nan] * len(meant_s), [math.nan] * len(meant_s))
    following, missing = 0, len(meant_s)
    end_s = (meant_s[-1] if meant_s else clock()) + drain_s
    while missing and (now_s := clock()) < end_s:
        if following < len(meant_s) and now_s >= meant_s[following]:
            exchange.send(following)
            asked.sent_s[following] = now_s
            following += 1
            continue
        until_s = meant_s[following] if following < len(meant_s) else end_s
        for request, at_s in exchange.answers(until_s - now_s):
            asked.answered_s[request] = at_s
            missing -= 1
    return asked


def main() -> None:
    """Reads the plan, asks, writes the answers."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    exchange: Exchange = (
        Connections(plan["host"], plan["port"], plan["path"], fresh=plan["fresh"])
        if plan["path"]
        else Datagrams(plan["host"], plan["port"])
    )
    meant_s = poisson([Phase(*phase) for phase in plan["phases"]], plan["seed"])
    gc.disable()
    asked = ask(exchange, meant_s)
    exchange.close()
    flat = array.array("d")
    for row in zip(asked.meant_s, asked.sent_s, asked.answered_s, strict=True):
        flat.extend(row)
    Path(sys.argv[2]).write_bytes(flat.tobytes())


if __name__ == "__main__":
    main()
