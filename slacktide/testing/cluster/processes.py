"""Child processes that never outlive the one that started them, each with its own log.

`setpriv --pdeathsig` has the kernel kill a child when its parent dies, so a test that crashes or is
killed leaves nothing running.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from slacktide.errors import BadInput

STOP_S = 10.0


class Process:
    """One running program; `log` holds what it said."""

    def __init__(self, name: str, command: Sequence[str | Path], *, folder: Path) -> None:
        """Starts it; the log is `folder/name.log`."""
        self.name, self.log = name, folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for who started it, who ends it in order
            )

    @property
    def pid(self) -> int:
        """Of the program itself."""
        return self._child.pid

    @property
    def has_ended(self) -> bool:
        """By itself or not."""
        return self._child.poll() is not None

    def kill(self) -> None:
        """At once, as a lost machine would."""
        self._child.kill()
        self._child.wait()

    def stop(self) -> None:
        """Asks it to end, and kills it where it does not."""
        self._child.terminate()
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait_ended(self, *, within_s: float) -> int:
        """Returns its exit code once it has ended by itself.

        Raises:
            BadInput: when it has not in time.
        """
        try:
            return self._child.wait(within_s)
        except subprocess.TimeoutExpired as why:
            raise BadInput(f"{self.name} still runs after {within_s:g} s") from why

    def wait_until(self, ready: Callable[[], bool], *, within_s: float) -> None:
        """Returns when `ready()`.

        Raises:
            BadInput: when the program ended, or was not ready in time; with the end of its log.
        """
        give_up = time.monotonic() + within_s
        while not ready():
            if self._child.poll() is not None:
                raise BadInput(f"{self.name} ended with {self._child.returncode}: {self._said()}")
            if time.monotonic() > give_up:
                raise BadInput(f"{self.name} was not ready after {within_s:g} s: {self._said()}")
            time.sleep(0.05)

    def _said(self) -> str:
        return self.log.read_text(errors="replace")[-1_500:]


def free_ports(count: int) -> list[int]:
    """That many ports of this machine that nobody listens on now."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
