"""The agent beside 50 pods: CPU and memory at its real pace, and a day of ticks without growth.

At its real pace: the agent with all its processes, 25 busy or idle batch pods and 25 online ones
whose latency is told. The day: the real loop without its sleep, 3,456,000 ticks or the share that
is asked for, while pods come and go and the book is written anew.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from bench._agent_node import AGENT, OwnNode, has_real_groups, wait_until
from bench.figures import say
from qos_controller.adapters.ticks import TickReader
from qos_controller.core.pods import Feed, Slo
from slacktide.errors import BadInput

DAY_TICKS = 24 * 3600 * 40
HURRIED = ("-m", "bench._agent_hurried_loop")
CHURN_S = 0.5
NAMES = {"agent": "supervisor", "loop": "loop", "watchdog": "watchdog"}


def filled(node: OwnNode, pods: int) -> None:
    """Half online with an SLO, half batch."""
    for number in range(pods):
        pod = node.add(number, batch=number % 2 == 1)
        if not pod.batch:
            node.pods[pod.uid] = replace(pod, slo=Slo(bound_s=0.05), feed=Feed(kind="datagram"))
    node.tell()


def cpu_s(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Resident memory, shared pages counted in full."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def pss_mib(pid: int) -> float:
    """Resident memory, each shared page divided among those who share it."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(told.split("Pss:")[1].split()[0]) / 1024


def ticks(node: OwnNode) -> int:
    """Written so far."""
    with suppress(OSError, ValueError):
        diary = TickReader(node.run_dir / "ticks")
        count = diary.counts[0]
        diary.close()
        return count
    return 0


def at_real_pace(node: OwnNode, seconds: float) -> None:
    """CPU share, tick cost and memory of the whole tree."""
    node.start(AGENT)
    wait_until(lambda: ticks(node) > 200, within_s=60)
    pids = node.pids()
    before, first, began_s = {n: cpu_s(p) for n, p in pids.items()}, ticks(node), time.monotonic()
    told_until(node, began_s + seconds)
    took_s = time.monotonic() - began_s
    shares = {name: (cpu_s(pid) - before[name]) / took_s for name, pid in pids.items()}
    diary = TickReader(node.run_dir / "ticks")
    costs = [tick.tick_cost_s * 1e6 for tick in diary.ticks()[first:]]
    diary.close()
    say("agent_soak", "agent_cpu_share", [sum(shares.values())], "share", goal="<=0.015")
    for name, share in shares.items():
        say("agent_soak", f"{NAMES[name]}_cpu_share", [share], "share")
    say("agent_soak", "tick_cost_us", costs, "us", goal="<=300")
    say("agent_soak", "ticks_per_s", [(ticks(node) - first) / took_s], "1/s", goal=">=39")
    say("agent_soak", "agent_rss_mib", [sum(rss_mib(p) for p in pids.values())], "MiB", goal="<=80")
    say("agent_soak", "agent_pss_mib", [sum(pss_mib(p) for p in pids.values())], "MiB")
    for name, pid in pids.items():
        say("agent_soak", f"{NAMES[name]}_rss_mib", [rss_mib(pid)], "MiB")
    if node.agent is not None:
        node.agent.send_signal(signal.SIGTERM)
        node.agent.wait()


def told_until(node: OwnNode, until_s: float) -> None:
    """Each online pod tells ten latencies a second."""
    teller = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    online = [uid for uid, pod in node.pods.items() if not pod.batch]
    while time.monotonic() < until_s:
        for uid in online:
            with suppress(OSError):
                teller.sendto(f"slacktide {uid} 4ms".encode(), str(node.run_dir / "latency.sock"))
        time.sleep(0.1)
    teller.close()


def a_day(node: OwnNode, count: int) -> None:
    """Ticks back to back; memory from a tenth of the way to the end."""
    (node.run_dir / "ticks").unlink(missing_ok=True)
    node.settings = msgspec.structs.replace(node.settings, own_group="")
    loop = node.start(HURRIED)
    sizes: list[tuple[int, float]] = []
    number = 1_000
    wait_until(lambda: ticks(node) > 0, within_s=60)
    while (done := ticks(node)) < count:
        sizes.append((done, rss_mib(loop.pid)))
        number += 1
        come_and_go(node, number)
        told_until(node, time.monotonic() + CHURN_S)
        if loop.poll() is not None:
            sys.exit(node.said())
    settled = [size for at, size in sizes if at >= count / 10]
    growth = settled[-1] - settled[0]
    say("agent_soak", "soak_ticks", [done], "", goal=f"{DAY_TICKS}")
    say("agent_soak", "soak_share_of_day", [done / DAY_TICKS], "share", goal="1")
    say("agent_soak", "soak_pods_come_and_gone", [number - 1_000], "")
    say("agent_soak", "soak_rss_mib", settled, "MiB")
    say("agent_soak", "soak_rss_growth_mib", [growth], "MiB", goal="<=0.5")
    say("agent_soak", "soak_open_files", [len(list(Path(f"/proc/{loop.pid}/fd").iterdir()))], "")
    loop.send_signal(signal.SIGTERM)
    loop.wait()


def come_and_go(node: OwnNode, number: int) -> None:
    """One batch pod leaves, another comes."""
    gone = next(uid for uid, pod in node.pods.items() if pod.batch)
    node.groups.pop(gone).remove()
    del node.pods[gone]
    node.add(number, batch=True)
    node.tell()


@click.command()
@click.option("--quick", is_flag=True, help="20 s, and 20,000 ticks of the day.")
@click.option("--seconds", default=120.0, show_default=True, help="At the real pace.")
@click.option("--day", "count", default=DAY_TICKS, show_default=True, help="Ticks of the soak.")
@click.option("--pods", default=50, show_default=True)
def main(quick: bool, seconds: float, count: int, pods: int) -> None:
    """CPU, memory and growth of the agent."""
    if not has_real_groups():
        raise BadInput("needs root and version 1 groups: run it on a node of your own")
    with tempfile.TemporaryDirectory() as run_dir:
        node = OwnNode(f"slacktide-test-{os.getpid()}", Path(run_dir))
        try:
            filled(node, pods)
            at_real_pace(node, 20.0 if quick else seconds)
            a_day(node, 20_000 if quick else count)
        finally:
            node.close()


if __name__ == "__main__":
    main()
