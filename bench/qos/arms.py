"""What protects online in each arm: nothing, a weight, the 1 s controller, or the agent itself.

Always holds: leaving an arm puts back what it changed; the agent is the real one, unchanged, told
only where its tree and its folder are.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bench.qos.groups import ROOT
from bench.qos.koordinator import Koordinator
from bench.qos.rig import HERE, Rig
from bench.qos.wire import RATE_MBIT
from qos_controller.adapters.ticks import Event, Tick, TickReader


class Arm:
    """Nothing at all; the others differ from it."""

    name = "nothing"
    with_batch = True

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def __enter__(self) -> Self:
        """In force from here."""
        self.rig.plain()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Put back."""
        self.rig.plain()

    def made_batch(self) -> None:
        """The batch pod's groups are there."""

    def rest(self) -> None:
        """Waits until the last episode is forgotten."""

    def diary(self) -> tuple[list[Tick], list[Event]]:
        """What the agent noted since it was last asked."""
        return [], []


class Solo(Arm):
    """Online alone."""

    name = "solo"
    with_batch = False


class Shares(Arm):
    """cpu.shares=2 on the batch pod, and nothing else."""

    name = "shares"

    def made_batch(self) -> None:
        """The pod's weight, as soon as it is there."""
        self.rig.batch.write("cpu.shares", 2)


class OneSecond(Arm):
    """Koordinator's formulas, once a second."""

    name = "koordinator"

    def __enter__(self) -> Self:
        """Starts the controller and lets it look twice."""
        super().__enter__()
        self._controller = Koordinator(self.rig, os.cpu_count() or 1)
        time.sleep(2.2)
        return self

    def __exit__(self, *told: object) -> None:
        """Stops it."""
        self._controller.close()
        self.rig.plain()


class Ours(Arm):
    """`slacktide serve agent --alone`, in a group beside the pods."""

    name = "ours"
    ready_s = 15.0
    rest_s = 5.0

    def __enter__(self) -> Self:
        """Starts the agent and waits for its first ticks."""
        super().__enter__()
        (self.rig.run_dir / "ticks").unlink(missing_ok=True)
        self._read = self._events = 0
        self._reader: TickReader | None = None
        self._inode = 0
        self._wishes = Wishes(self.rig)
        self.rig.write_book()
        self._log = (self.rig.folder / "agent.log").open("ab")
        self._process = self.rig.agent.start(
            self._command(), environment={"PYTHONPATH": str(HERE)}, output=self._log.fileno()
        )
        self._until(self._ticking, self.ready_s, "the agent did not start to tick")
        return self

    def __exit__(self, *told: object) -> None:
        """Asks it to stop, which restores everything, and makes sure."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self.rig.agent.kill()
        self._wishes.close()
        self._log.close()
        self.rig.plain()

    def rest(self) -> None:
        """Until the ladders are at their foot and quotas are wide again, within reason."""
        deadline_s = time.monotonic() + self.rest_s
        while time.monotonic() < deadline_s:
            reader = self._open()
            last = reader.ticks(reader.counts[0] - 2)[-1:] if reader else []
            if last and _calm(last[0]):
                break
            time.sleep(0.05)
        self.diary()

    def diary(self) -> tuple[list[Tick], list[Event]]:
        """Ticks and sentences since the last call; a new diary is read from its beginning."""
        reader = self._open()
        if reader is None:
            return [], []
        ticks, events = reader.ticks(self._read), reader.events(self._events)
        self._read, self._events = reader.counts
        return ticks, events

    @staticmethod
    def is_there() -> bool:
        """Has this checkout an agent?"""
        return importlib.util.find_spec("qos_controller.app.loop_process") is not None

    def kill_loop(self) -> None:
        """SIGKILL to the fast loop alone."""
        reader = self._open()
        if reader is not None:
            os.kill(reader.pid, signal.SIGKILL)

    def _command(self) -> list[str]:
        agent = [sys.executable, "-m", "slacktide.cli", "serve", "agent", "--alone"]
        agent += ["--run-dir", str(self.rig.run_dir), "--cgroup-root", str(ROOT)]
        agent += ["--pods-root", self.rig.top.path, "--own-group", self.rig.agent.path]
        agent += ["--port", "0", "--latency-port", "0", "--link-mbps", str(RATE_MBIT)]
        return [*self.rig.wire.node, *agent] if self.rig.wire else agent

    def _open(self) -> TickReader | None:
        path = self.rig.run_dir / "ticks"
        try:
            inode = path.stat().st_ino
            if self._reader is None or inode != self._inode:
                self._reader, self._inode = TickReader(path), inode
                self._read = self._events = 0
        except (OSError, ValueError):
            return None
        return self._reader

    def _ticking(self) -> bool:
        reader = self._open()
        return reader is not None and reader.counts[0] > 4

    def _until(self, true: Callable[[], bool], limit_s: float, otherwise: str) -> None:
        deadline_s = time.monotonic() + limit_s
        while not true():
            if time.monotonic() > deadline_s or self._process.poll() is not None:
                log = (self.rig.folder / "agent.log").read_text()[-2_000:]
                raise RuntimeError(f"{otherwise}; its log ends: {log}")
            time.sleep(0.02)


class Wishes:
    """Stands for Kubernetes: a wish for an eviction is granted at once."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        path = rig.run_dir / "wishes.sock"
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Grants nothing more."""
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                wish = json.loads(self._socket.recv(65_536))
            except TimeoutError:
                continue
            if wish.get("wish") == "evict":
                self._rig.evict(time.monotonic())


def _calm(tick: Tick) -> bool:
    stages = (tick.cpu_stage, tick.disk_stage, tick.memory_stage, tick.network_stage)
    free = (os.cpu_count() or 1) - tick.online_used_cores - tick.system_used_cores
    wide = not tick.quota_cores < 0.8 * free
    return not any(stages) and wide


ARMS: dict[str, type[Arm]] = {arm.name: arm for arm in (Solo, Arm, Shares, OneSecond, Ours)}
