"""The agent killed at random moments while it holds batch down: is the node safe, how soon?

Real processes on real groups. Before each kill the loop has frozen all batch for half a minute and
cut it to a hundredth of a core, so that only the agent's own safety can undo that. Killed are, by
lot: the loop, the agent's first process, both, or the loop with its watchdog. Safe is: nothing
frozen, and the quota of all batch is what it was or a tenth of the node.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from pathlib import Path

import click

from bench._agent_node import SPIN, OwnNode, has_real_groups, wait_until
from bench._agent_worst_loop import FLAG
from bench.figures import say
from slacktide.errors import BadInput

WORST = ("-m", "bench._agent_worst")
VICTIMS = (("loop",), ("agent",), ("loop", "agent"), ("watchdog", "loop"))
GOAL_S = 3.0


def is_safe(node: OwnNode) -> bool:
    """Nothing stands still, and the quota is the former or the safe one."""
    quota = (node.top / "kubepods/besteffort").read("cpu.cfs_quota_us").strip()
    return not node.frozen() and quota in {"-1", str((os.cpu_count() or 1) * 10_000)}


def killed(node: OwnNode, victims: tuple[str, ...], wait_s: float) -> float:
    """Seconds until the node was safe; the agent runs again afterwards."""
    if node.agent is None or node.agent.poll() is not None:
        node.start(WORST)
    flag = node.run_dir / FLAG
    flag.touch()
    wait_until(node.frozen, within_s=30)
    time.sleep(wait_s)
    pids = node.pids()
    flag.unlink()
    for name in victims:
        os.kill(pids[name], signal.SIGKILL)
    took_s = wait_until(lambda: is_safe(node), within_s=60)
    if "agent" in victims and node.agent is not None:
        node.agent.wait()
    else:
        wait_until(lambda: {"loop", "watchdog"} <= node.pids().keys(), within_s=30)
    return took_s


def measured(kills: int, seed: int) -> dict[tuple[str, ...], list[float]]:
    """By victims."""
    chance = random.Random(seed)  # noqa: S311  no secret
    took: dict[tuple[str, ...], list[float]] = {victims: [] for victims in VICTIMS}
    with tempfile.TemporaryDirectory() as run_dir:
        node = OwnNode(f"slacktide-test-{os.getpid()}", Path(run_dir))
        try:
            node.add(0, batch=False)
            node.add(1, batch=True, command=SPIN)
            node.add(2, batch=True)
            node.tell()
            for number in range(kills):
                victims = VICTIMS[number % len(VICTIMS)]
                took[victims].append(killed(node, victims, chance.uniform(0.0, 0.3)))
        finally:
            node.close()
    return took


@click.command()
@click.option("--quick", is_flag=True, help="12 kills.")
@click.option("--seed", default=6, show_default=True)
def main(quick: bool, seed: int) -> None:
    """100 kills."""
    if not has_real_groups():
        raise BadInput("needs root and version 1 groups: run it on a node of your own")
    took = measured(12 if quick else 100, seed)
    every = [one for some in took.values() for one in some]
    for victims, some in took.items():
        said = f"kill_{'_and_'.join(victims)}_safe_s"
        say("qos_kills", said, some, "s", goal="<=3", seed=seed)
    say("qos_kills", "kill_safe_worst_s", [max(every)], "s", goal="<=3", seed=seed)
    late = sum(one > GOAL_S for one in every)
    say("qos_kills", "kills_not_safe_in_3_s", [late], "", goal="0", seed=seed)
    say("qos_kills", "kills", [len(every)], "", goal=">=100", seed=seed)


if __name__ == "__main__":
    main()
