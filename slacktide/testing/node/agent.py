"""The node agent as its DaemonSet runs it, beside kubelet: the same command, on a real node."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slacktide.testing.cluster.processes import Process, free_ports
from slacktide.testing.node.node import RealNode

PROGRAM: Final = "from qos_controller.app.serve_command import agent; agent()"
READY_S: Final = 30.0


@dataclass(slots=True)
class Agent:
    """A running one; `run_dir` has its book, diary, ledger and sockets."""

    process: Process
    run_dir: Path
    port: int

    def stop(self) -> None:
        """SIGTERM, as kubelet ends a pod."""
        self.process.stop()


@contextmanager
def agent(node: RealNode, run_dir: Path, **flags: str) -> Iterator[Agent]:
    """`slacktide serve agent` of that node; it is up when its diary is."""
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "ticks").unlink(missing_ok=True)
    port, latency_port = free_ports(2)
    given = {
        "node-name": node.name,
        "run-dir": run_dir,
        "kubeconfig": node.plane.kubeconfig(),
        "port": port,
        "latency-port": latency_port,
        **flags,
    }
    command = [sys.executable, "-c", PROGRAM]
    command += [f"--{flag}={value}" for flag, value in given.items()]
    process = Process("agent", command, folder=run_dir)
    try:
        process.wait_until((run_dir / "ticks").exists, within_s=READY_S)
        yield Agent(process, run_dir, port)
    finally:
        process.stop()
