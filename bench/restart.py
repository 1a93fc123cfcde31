"""A planner that starts anew beside 5,000 nodes and 50,000 pods: seconds to its first decision.

It was killed with SIGKILL, so its lease has to run out first, or was told to stop and gave the
lease back. A gang that came meanwhile is let go whole: that is the first decision. It is a right
one if nobody else was: the gangs that wait for other nodes, and those that run, are as they were.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from bench.figures import say
from slacktide.contract import RESOURCE_BATCH_CPU
from slacktide.testing.cluster.auditor import Auditor, audited
from slacktide.testing.cluster.batch_pods import answers, gang, planner
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.loading import load
from slacktide.testing.cluster.processes import Process, free_ports

HOLDS = {"cpu": "32", "memory": "64Gi", "pods": "110", RESOURCE_BATCH_CPU: "16000"}
SIZE = 10  # of every gang
RUNNING = 0.8  # of the pods; the others wait
ELSEWHERE = {"disk": "tape"}  # what those who wait ask of a node; there is none
LEASE_S = "7"  # the default
READY = {
    "phase": "Running",
    "conditions": [{"type": "PodScheduled", "status": "True"}],
    "qosClass": "BestEffort",
}


def filled(plane: ControlPlane, nodes: int, pods: int) -> None:
    """Nodes, gangs that run on them, and gangs that wait for others."""
    load(plane, "minions", (node(f"n{k}", holds=HOLDS) for k in range(nodes)))
    running = int(pods * RUNNING)
    load(plane, "pods", _stored(pods, running=running, nodes=nodes))


def _stored(pods: int, *, running: int, nodes: int) -> Iterator[dict[str, Any]]:
    for first in range(0, pods, SIZE):
        for k, pod in enumerate(gang(f"g{first}", SIZE, gated=first >= running)):
            pod["metadata"]["namespace"] = "there"
            pod["spec"] |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}
            if first < running:
                pod["spec"]["nodeName"] = f"n{(first + k) % nodes}"
                pod["status"] = READY
            else:
                pod["spec"]["nodeSelector"] = ELSEWHERE
                pod["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
            yield pod


def restarted(
    plane: ControlPlane,
    auditor: Auditor,
    process: Process,
    end: Callable[[Process], None],
    turn: int,
) -> tuple[Process, float]:
    """Ends the planner, submits a gang, starts the next; it, and the seconds until it let go."""
    end(process)
    name = f"next-{turn}"
    add(plane, auditor.path, gang(name, SIZE))
    begun_s = time.monotonic()
    process = _started(plane, turn)
    auditor.wait(lambda seen: _let_go(seen, name), "a decision", within_s=180)
    return process, time.monotonic() - begun_s


def _let_go(seen: dict[str, Any], name: str) -> bool:
    return name in seen and len(seen[name].released) == SIZE


def _started(plane: ControlPlane, turn: int) -> Process:
    [port] = free_ports(1)
    flags = {"lease-s": LEASE_S, "round-ms": "100"}
    plane.running["planner"] = planner(plane, port=port, name=f"planner-{turn}", **flags)
    plane.running["planner"].wait_until(lambda: answers(port, "/healthz"), within_s=60)
    return plane.running["planner"]


def wrong(plane: ControlPlane) -> int:
    """Pods of those that were there to which something happened."""
    with plane.client() as client:
        found = client.get("/api/v1/namespaces/there/pods", timeout=120).json()["items"]
    return sum("slacktide.io/decision" in one["metadata"]["annotations"] for one in found)


@click.command()
@click.option("--quick", is_flag=True)
@click.option("--nodes", default=5_000, show_default=True)
@click.option("--pods", default=50_000, show_default=True)
@click.option("--runs", default=3, show_default=True)
def main(*, quick: bool, nodes: int, pods: int, runs: int) -> None:
    """Prints the figures."""
    if quick:
        nodes, pods, runs = nodes // 10, pods // 10, 1
    with tempfile.TemporaryDirectory() as folder, control_plane(Path(folder)) as plane:
        filled(plane, nodes, pods)
        with audited(plane, "restart") as auditor:
            process = _started(plane, 0)
            add(plane, auditor.path, gang("first", SIZE))
            auditor.wait(lambda seen: _let_go(seen, "first"), "a decision", within_s=180)
            found: dict[str, list[float]] = {"stopped": [], "killed": []}
            for turn in range(1, runs + 1):
                for how, end in (("stopped", Process.stop), ("killed", Process.kill)):
                    process, took_s = restarted(
                        plane, auditor, process, end, 2 * turn + (how == "killed")
                    )
                    found[how].append(took_s)
            decided = wrong(plane)
    for how, took in found.items():
        say("restart", f"first_decision_s_{how}", took, "s", goal="<=10")
    say("restart", "wrong_decisions", [decided], "pods", goal="0")


if __name__ == "__main__":
    main()
