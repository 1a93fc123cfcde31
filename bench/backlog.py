"""100,000 tasks that wait while events stream: what a round costs, and whom it keeps waiting.

Rounds follow one another over gangs that find no room, as they do in a full cluster. Beside them,
in the same loop as in `serve scheduler`, the extender answers a filter call each 2 ms; the time
that a call is late and the answer itself are what kube-scheduler would wait for.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import click
import msgspec

from bench.figures import say
from scheduler.adapters.board import Board
from scheduler.adapters.queue_tree import Queues
from scheduler.app.front import TURN_S
from scheduler.app.lives import Lives
from scheduler.app.rounds import Rounds
from scheduler.core.extender import filtered
from scheduler.core.ways_in.shape import Groups
from slacktide.contract import RESOURCE_BATCH_CPU
from slacktide.kube.cache import Change
from slacktide.kube.objects import Node, Pod
from slacktide.testing.cluster.batch_pods import gang
from slacktide.testing.cluster.fake_nodes import node

SIZE = 10
HOLDS = {"cpu": "32", "memory": "64Gi", "pods": "110", RESOURCE_BATCH_CPU: "500"}  # too little
EVERY_S = 0.002  # a call
NEWS = 20  # pods of which the watch tells between two rounds
CREATED = "2026-01-01T00:00:00Z"
NOW_S = 1_767_230_000.0


def _nodes(count: int) -> Iterator[Node]:
    for k in range(count):
        one = node(f"n{k}", holds=HOLDS)
        one["metadata"]["uid"] = f"node-{k}"
        yield msgspec.convert(one, Node)


def _pods(tasks: int) -> Iterator[Pod]:
    for k in range(tasks // SIZE):
        for one in gang(f"g{k}", SIZE, milli=1_000 + 100 * (k % 7)):
            meta = {"uid": f"uid-{one['metadata']['name']}", "creationTimestamp": CREATED}
            one["metadata"] |= {"namespace": "team", **meta}
            yield msgspec.json.decode(msgspec.json.encode(one), type=Pod)


@dataclass
class Backlog:
    """A planner's memory, full of what waits."""

    nodes: int
    tasks: int
    late_s: list[float] = field(default_factory=list)  # of calls: until their answer

    def __post_init__(self) -> None:
        self.pods = {pod.metadata.uid: pod for pod in _pods(self.tasks)}
        begun_s = time.process_time()
        self.board = Board()
        self.board.nodes_changed([Change(None, one) for one in _nodes(self.nodes)])
        self.board.pods_changed([Change(None, pod) for pod in self.pods.values()])
        groups = Groups()
        lives = Lives(self.board, self.pods.get, groups)
        self.rounds = Rounds(self.board, Queues(), self.pods.get, groups, lives)
        self.rounds.begin(epoch=0, now_s=NOW_S)
        self.begin_s = time.process_time() - begun_s

    async def rounds_s(self, count: int, *, seed: int) -> list[float]:
        """CPU seconds of each round, this process' other work beside it included."""
        chance, calls = random.Random(seed), asyncio.ensure_future(self._calls())  # noqa: S311  no secret
        took_s = []
        for turn in range(count):
            begun_s = time.process_time()
            await self.rounds.once(now_s=NOW_S + turn, steady_s=float(turn))
            took_s.append(time.process_time() - begun_s)
            some = chance.sample(list(self.pods.values()), NEWS)
            self.board.pods_changed([Change(pod, pod) for pod in some])
        calls.cancel()
        return took_s

    async def _calls(self) -> None:
        names = [f"n{k}" for k in range(500)]
        question = msgspec.json.encode(
            {"Pod": {"metadata": {"uid": "uid-g0-0"}}, "NodeNames": names}
        )
        while True:
            due_s = time.perf_counter() + EVERY_S
            await asyncio.sleep(EVERY_S)
            filtered(question, self.board.places)
            self.late_s.append(time.perf_counter() - due_s)


@click.command()
@click.option("--quick", is_flag=True)
@click.option("--seed", default=1, show_default=True)
def main(*, quick: bool, seed: int) -> None:
    """Prints the figures."""
    nodes, tasks, rounds = (500, 10_000, 10) if quick else (5_000, 100_000, 20)
    sys.setswitchinterval(TURN_S)  # as the process does
    backlog = Backlog(nodes, tasks)
    gc.freeze()
    took_s = asyncio.run(backlog.rounds_s(rounds, seed=seed))
    late_ms = sorted(1_000 * one for one in backlog.late_s)
    name = f"{tasks // 1_000}k_tasks"
    say("backlog", f"begin_cpu_s_{name}", [backlog.begin_s], "s", seed=seed)
    say("backlog", f"round_cpu_s_{name}", took_s, "s", seed=seed)
    for share in (50, 99):
        at = late_ms[share * (len(late_ms) - 1) // 100]
        say("backlog", f"answer_p{share}_ms_{name}", [at], "ms", seed=seed)


if __name__ == "__main__":
    main()
