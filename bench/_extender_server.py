"""The scheduler's HTTP door in a process of its own, with tasks that were planned and no cluster.

python -m bench._extender_server PORT TASKS [--planning]

A bind is answered as soon as it is allowed: what the API server takes for it is not the door's.
With `--planning` the planner plans beside the answers without a pause, as it never does for long.
"""

from __future__ import annotations

import asyncio
import sys

from bench._generated_cluster import generated
from scheduler.app.extender_server import Extender
from scheduler.app.front import Front, answering
from scheduler.core.extender import Binding, Places
from scheduler.core.plan import plan

NODES = 5_000
TASKS = 5_000  # of a round that is planned beside the answers


def name_of(node: int) -> str:
    """As long as a cloud's."""
    return f"ip-10-{node >> 16 & 255}-{node >> 8 & 255}-{node & 255}.eu-west-1.compute.internal"


def places(tasks: int) -> Places:
    """Where `task-K` goes."""
    return Places(
        node_of={f"task-{k}": name_of(k % NODES) for k in range(tasks)}, unknown_waits=True
    )


async def _bound(_asked: Binding) -> str:
    return ""


async def _planning() -> None:
    snapshot = generated(nodes=NODES, tasks=TASKS, seed=1).snapshot()
    while True:
        await asyncio.to_thread(plan, snapshot, now_s=3_600)


async def _serve(port: int, tasks: int, *, beside: bool) -> None:
    front = Front(Extender(places(tasks), _bound), lambda: b"", lambda: True)
    async with asyncio.TaskGroup() as group:
        group.create_task(answering(front, host="127.0.0.1", port=port))
        if beside:
            group.create_task(_planning())


def main() -> None:
    """Serves until it is killed."""
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), beside="--planning" in sys.argv))


if __name__ == "__main__":
    main()
