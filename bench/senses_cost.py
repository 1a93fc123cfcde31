"""What one look of the agent at its node costs: 15 online pods, 35 batch pods, a tick each 25 ms.

`python -m bench.senses_cost` prints one JSON line a case. Needs root and cgroups; makes groups of
its own, without processes, and removes them. CPU time is of this process, user and system.
"""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

from qos_controller.adapters.cgroups.layout import Layout, find_layout
from qos_controller.adapters.cgroups.naming import Qos
from qos_controller.adapters.sense.senses import Senses
from qos_controller.core.pods import Pod, Slo

ONLINE, BATCH = 15, 35
TICKS = 400
TICK_S = 0.025
LOOKS = ("glance", "whole", "pressed")


def main() -> None:
    """Each case once."""
    for strays in (False, True):
        for requests_per_tick in (0, 10):
            for look in LOOKS:
                case = {"strays": strays, "requests": requests_per_tick, "look": look}
                print(json.dumps(case | _case(strays, requests_per_tick, look)))


def _case(strays: bool, requests_per_tick: int, look: str) -> dict[str, float]:
    top = f"slacktide-test-{os.getpid()}"
    layout = find_layout(pods_root=top)
    mounts = [mount for mount in {*layout.v1.values(), layout.unified} if mount]
    pods, groups = _pods(layout, strays=strays)
    try:
        for mount in mounts:
            for group in groups.values():
                Path(mount, group).mkdir(parents=True)
        senses = Senses(layout)
        senses.follow(pods, groups)
        cost_us = _ticks(senses, requests_per_tick, look)
        senses.close()
    finally:
        for mount in mounts:
            for directory, _, _ in os.walk(Path(mount, top), topdown=False):
                Path(directory).rmdir()
    cost_us.sort()
    return {
        "mean_us": round(sum(cost_us) / len(cost_us), 1),
        "p50_us": round(cost_us[len(cost_us) // 2], 1),
        "p99_us": round(cost_us[len(cost_us) * 99 // 100], 1),
    }


def _pods(layout: Layout, *, strays: bool) -> tuple[list[Pod], dict[str, str]]:
    pods, groups = [], {}
    for number in range(ONLINE + BATCH):
        batch = number >= ONLINE
        qos: Qos = "besteffort" if batch else ("burstable" if number % 3 else "guaranteed")
        if batch and strays and number % 7 == 0:
            qos = "burstable"
        uid = f"uid-{number}"
        groups[uid] = layout.directory_of_pod(qos, uid)
        slo = None if batch else Slo(bound_s=0.03)
        pods.append(Pod(uid=uid, namespace="d", name=uid, batch=batch, slo=slo))
    return pods, groups


def _ticks(senses: Senses, requests_per_tick: int, look: str) -> list[float]:
    port = senses.datagrams.listen_udp(port=0)
    costs_us = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        for _ in range(TICKS):
            for _ in range(requests_per_tick):
                client.send(b"slacktide d/uid-1 12.5")
            began = time.process_time_ns()
            if look == "glance":
                senses.stirs(time.monotonic())
            else:
                senses.read(time.monotonic(), pressed=look == "pressed")
            costs_us.append((time.process_time_ns() - began) / 1e3)
            time.sleep(TICK_S)
    return costs_us[TICKS // 10 :]


if __name__ == "__main__":
    main()
