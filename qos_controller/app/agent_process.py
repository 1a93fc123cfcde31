"""The supervisor's process: `python -m qos_controller.app.agent_process SETTINGS`.

`slacktide serve agent` becomes this by exec, since the command line's own libraries would be a
third of the agent's memory.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from qos_controller.app.process_tree import LOOP, ProcessTree
from qos_controller.app.settings import AgentSettings, from_argument
from slacktide.errors import BadInput

AGENT_LOCK: Final = "agent.lock"


def say(line: str) -> None:
    """One line on stderr with the time."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{stamp} slacktide agent: {line}\n")
    sys.stderr.flush()


def protects(settings: AgentSettings) -> str:
    """What the agent is here for, in one line."""
    place = f"{settings.cgroup_root}/*/{settings.pods_root or 'kubepods'}"
    does = (
        "observes pods, writes nothing"
        if settings.observe
        else "keeps online pods' latency safe from batch pods"
    )
    told = "alone, pods as" if settings.alone else "pods from the API server by"
    return (
        f"node {settings.node}: {does} below {place}; {told} {settings.run_dir}/pods.json; "
        f"diary in {settings.run_dir}/ticks; SIGTERM puts everything back"
    )


async def neighbour(settings: AgentSettings) -> None:
    """Kubernetes' half, imported after the loop has started: the node's safety does not wait."""
    from qos_controller.app.neighbour.run import run  # noqa: PLC0415  see above
    from qos_controller.app.neighbour.settings import NeighbourSettings  # noqa: PLC0415  as above

    await run(
        NeighbourSettings(
            node_name=settings.node,
            run_dir=settings.run,
            kubeconfig=Path(settings.kubeconfig) if settings.kubeconfig else None,
            context=settings.context or None,
            host=settings.host,
            port=settings.port,
            alone=settings.alone,
            beside_others=settings.beside_others,
            evict=settings.evict and not settings.observe,
            bind=not settings.observe,
            note_cpus=settings.note_cpus,
            log_level=settings.log_level,
        )
    )


async def _until_told(settings: AgentSettings, loop: Sequence[str]) -> None:
    running = asyncio.ensure_future(ProcessTree(settings, say=say, loop=loop).run(neighbour))
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        say("ended")


def hold_alone(run_dir: Path) -> int | None:
    """The lock of this node's one agent; None where another has it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    fd = os.open(run_dir / AGENT_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def main(loop: Sequence[str] = LOOP) -> None:
    """The process; `loop` is how the interpreter is told to run the loop."""
    settings = from_argument(sys.argv[1])
    if hold_alone(settings.run) is None:
        say(f"another agent runs in {settings.run_dir}: two would undo each other's work; stop it")
        sys.exit(2)
    if os.geteuid() != 0 and not settings.observe:
        say("not root: nothing can be written below the cgroup root, so this only observes well")
    say(protects(settings))
    try:
        asyncio.run(_until_told(settings, loop))
    except BadInput as why:
        say(str(why))
        sys.exit(2)


if __name__ == "__main__":
    main()
