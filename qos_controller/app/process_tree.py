"""The agent's processes: this one starts the others, and starts them again when they end.

    slacktide serve agent (this; the neighbour: Kubernetes and HTTP)
      ├── loop       ends with this process by SIGTERM (prctl), and puts everything back then
      └── watchdog   a session and a group of its own, so that it outlives this process and the loop

Always holds: the watchdog is there before the loop; a child that ends is started again, after 0.1 s
at first and 5 s at most; a loop whose heart stood still for 10 s is killed and started again; told
to end, this ends within a second, with the node put back by the loop, or by this process where the
loop cannot.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from qos_controller.adapters.ticks import TickReader
from qos_controller.app import watchdog
from qos_controller.app.own_process import cpu_trees, join, leave, trees
from qos_controller.app.restoring import put_back_left
from qos_controller.app.settings import AgentSettings, to_argument
from slacktide.errors import BadInput

FIRST_BACKOFF_S: Final = 0.1
MOST_BACKOFF_S: Final = 5.0
HEALTHY_AFTER_S: Final = 30.0
"""A child that lived so long starts at the first back-off again."""
STUCK_AFTER_S: Final = 10.0
"""The watchdog made the node safe within 3 s; a loop that is only late deserves to come back."""
END_WITHIN_S: Final = 0.7
"""For what has nothing to put back."""
PUT_BACK_WITHIN_S: Final = 10.0
"""A loop puts all back in milliseconds; killed before it is done, it would leave some of it."""
WRONG_USE: Final = 2
"""The loop's exit code where it can never work."""

Say = Callable[[str], None]
Neighbour = Callable[[AgentSettings], Awaitable[None]]
LOOP: Final = ("-m", "qos_controller.app.loop_process")


class ProcessTree:
    """The children of one agent."""

    def __init__(self, settings: AgentSettings, *, say: Say, loop: Sequence[str] = LOOP) -> None:
        self._settings = settings
        self._say = say
        self._children: dict[str, Process] = {}
        self._started_s: dict[str, float] = {}
        me = str(os.getpid())
        self._commands = {
            "watchdog": ("-I", "-S", watchdog.__file__, settings.run_dir, me),
            "loop": (*loop, to_argument(settings), me),
        }
        self.starts = dict.fromkeys(self._commands, 0)

    async def run(self, neighbour: Neighbour | None) -> None:
        """Until cancelled."""
        self._settings.run.mkdir(parents=True, exist_ok=True)
        # Where batch crowds everybody out, Kubernetes' half must still hear SIGTERM.
        cpu = cpu_trees(Path(self._settings.cgroup_root))
        if refusal := join(os.getpid(), self._settings.own_group, cpu):
            self._say(refusal)
        await self._start("watchdog")
        await self._start("loop")
        tasks = [
            asyncio.create_task(self._keep("watchdog")),
            asyncio.create_task(self._keep("loop")),
            asyncio.create_task(self._kill_when_stuck()),
        ]
        if neighbour is not None:
            tasks.append(asyncio.create_task(self._keep_neighbour(neighbour)))
        try:
            # None of them returns; the first that raises ends all.
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            # The node first: what else has to end may take its time.
            await self._end_all()
            await asyncio.wait(tasks, timeout=END_WITHIN_S)

    async def _keep(self, name: str) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            began_s = time.monotonic()
            code = await self._children[name].wait()
            if name == "loop" and code == WRONG_USE:
                raise BadInput("the loop cannot work here, and said why")
            if time.monotonic() - began_s > HEALTHY_AFTER_S:
                backoff_s = FIRST_BACKOFF_S
            self._say(f"the {name} ended with {code}; it starts again in {backoff_s:g} s")
            await asyncio.sleep(backoff_s)
            backoff_s = min(2.0 * backoff_s, MOST_BACKOFF_S)
            await self._start(name)

    async def _start(self, name: str) -> Process:
        # Only the watchdog leaves the session: a loop without its supervisor should end.
        alone = name == "watchdog"
        child = await asyncio.create_subprocess_exec(
            sys.executable, *self._commands[name], start_new_session=alone
        )
        self._children[name] = child
        self._started_s[name] = time.monotonic()
        self.starts[name] += 1
        if alone:
            refusal = join(child.pid, self._watchdog_group, self._trees)
            if refusal:
                self._say(f"the watchdog: {refusal}")
        return child

    async def _keep_neighbour(self, neighbour: Neighbour) -> None:
        """The loop protects the node without it, so its faults end nothing.

        Raises:
            BadInput: it must not run here (another agent's node, a port that is taken).
        """
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                return await neighbour(self._settings)
            except BadInput:
                raise
            except Exception as why:  # noqa: BLE001  whatever it is, the loop must go on
                self._say(f"Kubernetes' half failed: {type(why).__name__}: {why}; starts again")
            await asyncio.sleep(backoff_s)
            backoff_s = min(2.0 * backoff_s, MOST_BACKOFF_S)

    async def _kill_when_stuck(self) -> None:
        diary = watchdog.Diary(str(self._settings.run / "ticks"))
        while True:
            await asyncio.sleep(1.0)
            now_s = time.monotonic()
            loop = self._children.get("loop")
            if loop is None or loop.returncode is not None:
                continue
            # The diary is the former loop's until a slow machine's new one has written its own.
            still_s = now_s - max(diary.beat_s(now_s), self._started_s["loop"])
            if still_s > STUCK_AFTER_S:
                self._say(f"the loop's heart stood still for {still_s:.0f} s: it is killed")
                loop.kill()
                await loop.wait()

    async def _end_all(self) -> None:
        """The loop puts everything back; then the watchdog has nothing left to guard."""
        whole = await self._end("loop")
        if not whole and watchdog.is_owner(self._settings.run_dir):
            self._say("the loop did not put everything back: it is done in its place")
            # A ledger that is none must not keep the others from ending.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                for said in put_back_left(self._settings.run).said:
                    self._say(said)
        await self._end("watchdog")
        leave(self._watchdog_group, self._trees)
        if self._settings.own_group:
            leave(f"{self._settings.own_group}-loop", self._trees)

    async def _end(self, name: str) -> bool:
        """Whether it ended by itself, in time."""
        child = self._children.get(name)
        if child is None or child.returncode is not None:
            return child is None or child.returncode == 0
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(PUT_BACK_WITHIN_S if name == "loop" else END_WITHIN_S):
                return await child.wait() == 0
        except TimeoutError:
            child.kill()
            await child.wait()
            return False

    @property
    def _watchdog_group(self) -> str:
        return f"{self._settings.own_group}-watchdog" if self._settings.own_group else ""

    @property
    def _trees(self) -> list[Path]:
        return trees(Path(self._settings.cgroup_root))


def heartbeat_age_s(run_dir: Path) -> float | None:
    """How long ago the loop last lived; None where there is no diary."""
    try:
        diary = TickReader(run_dir / "ticks")
    except (OSError, ValueError):
        return None
    age_s = time.monotonic() - diary.heartbeat_s
    diary.close()
    return age_s
