"""The scenes: who is online, who is batch, what happens, and for how long.

Always holds: a scene is plain data; every command runs as it is written here in a pod of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Server = Literal["cpu", "nginx", "disk", "cached", "memory", "static"]
Step = Literal["batch_on", "online_doubles", "agent_dies"]
GIB = 1 << 30
ARMS = ("solo", "nothing", "shares", "koordinator", "ours")
AT_ALL_LOADS = (60, 70, 60, 40, 60, 70, 20, 60, 60, 70, 60, 20, 60, 40, 70, 60)
"""Loads of a block's episodes in turn, in percent of the node; 60 % is what the goals speak of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One way in which batch meets online."""

    name: str
    says: str
    server: Server
    batch: Callable[[Path], Sequence[str]]
    """The batch pod's command, given a folder for its files."""
    step: Step = "batch_on"
    arms: tuple[str, ...] = ("solo", "nothing", "koordinator", "ours")
    loads: tuple[int, ...] = (0,)
    """Percent of the node; 0: `rate_per_s` as it is."""
    rate_per_s: float = 0.0
    bound_s: float
    """The service's SLO: 99 % within."""
    ordinary: bool = False
    """The batch pod asks for CPU as online does, so kubelet gives it the same weight."""
    appears: bool = False
    """The pod itself is made at the step, as kubelet makes one; else it waits idle before."""
    creeps: bool = False
    """Harm comes some time after the step, so reactions are timed from the first harmed request."""
    counts: Literal["cpu", "written", "sent", "nothing"] = "cpu"
    """What batch gets done."""
    pre_s: float = 0.6
    loaded_s: float = 3.0
    less_often: int = 1
    """Other arms than ours take part in every so many-th block of episodes."""
    most_repeats: int = 1_000
    stream_bytes: int = 0
    """Size of a file made before, for batch to read."""
    node_bytes: int = 0
    """Memory limit of all pods together; 0: none."""
    pids: int = 1024


def _shell(script: str) -> Sequence[str]:
    return ("/bin/sh", "-c", script)


def _python(script: str) -> Sequence[str]:
    return ("/usr/bin/env", "python3", "-I", "-S", "-c", script)


def hogs(_: Path) -> Sequence[str]:
    """Twice as many spinning threads as cores."""
    return ("stress-ng", "--cpu", "4", "--cpu-method", "int64")


def short_tasks(_: Path) -> Sequence[str]:
    """Eight shells that start one process after the other."""
    return _shell("for i in 1 2 3 4 5 6 7 8; do (while :; do /bin/true; done) & done; wait")


def fork_bomb(_: Path) -> Sequence[str]:
    """Every process forks for ever; the pod's pids limit is all that stops it."""
    return _python("import os\nwhile True:\n try: os.fork()\n except OSError: pass")


def disk_writers(folder: Path, *options: str) -> Sequence[str]:
    """Four writers of 1 GiB files each."""
    return ("stress-ng", "--hdd", "4", "--temp-path", str(folder), *options)


def growth(_: Path) -> Sequence[str]:
    """Takes 1-2 GiB a second and never gives back; starts again when the kernel kills it."""
    taker = (
        "import mmap,time;h=[];f=bytes(32<<20)\n"
        "while True:\n m=mmap.mmap(-1,32<<20,mmap.MAP_PRIVATE|mmap.MAP_ANONYMOUS)\n"
        " m[:]=f; h.append(m); time.sleep(0.01)"
    )
    return _shell(f"while :; do python3 -I -S -c '{taker}'; done")


def thrash(folder: Path) -> Sequence[str]:
    """Two readers stream a file that is larger than the page cache, again and again."""
    read = f"while :; do cat {folder.parent}/stream >/dev/null; done"
    return _shell(f"({read}) & sleep 0.7; {read}")


SCENES = (
    Scene(
        name="hogs",
        says="CPU hogs in a batch group",
        server="cpu",
        batch=hogs,
        loads=AT_ALL_LOADS,
        less_often=2,
        bound_s=0.040,
    ),
    Scene(
        name="equal_weight",
        says="batch as ordinary pods with requests, at online's own weight",
        server="cpu",
        batch=hogs,
        arms=ARMS,
        loads=AT_ALL_LOADS,
        less_often=2,
        bound_s=0.040,
        ordinary=True,
        appears=True,
    ),
    Scene(
        name="short_tasks",
        says="eight shells that start one short process after the other",
        server="nginx",
        batch=short_tasks,
        loads=AT_ALL_LOADS,
        less_often=2,
        bound_s=0.040,
    ),
    Scene(
        name="fork_bomb",
        says="a fork bomb within kubelet's pids limit",
        server="cpu",
        batch=fork_bomb,
        loads=(60,),
        bound_s=0.040,
        less_often=2,
    ),
    Scene(
        name="disk_buffered",
        says="four buffered writers; online reads its own file past the page cache",
        server="disk",
        batch=disk_writers,
        rate_per_s=200.0,
        bound_s=0.002,
        creeps=True,
        counts="written",
        pre_s=0.8,
        loaded_s=6.0,
        less_often=4,
    ),
    Scene(
        name="disk_direct",
        says="four direct writers; online reads its own file past the page cache",
        server="disk",
        batch=lambda folder: disk_writers(folder, "--hdd-opts", "direct"),
        rate_per_s=200.0,
        bound_s=0.002,
        counts="written",
        less_often=2,
    ),
    Scene(
        name="memory_growth",
        says="batch takes 1-2 GiB a second up to the node's limit",
        server="memory",
        batch=growth,
        rate_per_s=200.0,
        bound_s=0.010,
        creeps=True,
        counts="nothing",
        loaded_s=5.0,
        less_often=2,
        node_bytes=3 * GIB,
    ),
    Scene(
        name="page_cache_thrash",
        says="batch streams files through the page cache that online reads from",
        server="cached",
        batch=thrash,
        rate_per_s=400.0,
        bound_s=0.002,
        stream_bytes=5 * GIB,
        creeps=True,
        counts="cpu",
        less_often=2,
        node_bytes=3 * GIB,
    ),
    Scene(
        name="network_flood",
        says="batch sends all that the node's uplink takes",
        server="static",
        batch=lambda _: (),
        rate_per_s=200.0,
        bound_s=0.005,
        counts="sent",
        less_often=2,
    ),
    Scene(
        name="doubling",
        says="online doubles from 30 to 60 % while hogs run in a batch group",
        server="cpu",
        batch=hogs,
        step="online_doubles",
        loads=(60,),
        bound_s=0.040,
    ),
    Scene(
        name="kill",
        says="the agent's loop is killed while ordinary batch pods run",
        server="cpu",
        batch=hogs,
        step="agent_dies",
        arms=("solo", "ours"),
        loads=(60,),
        bound_s=0.040,
        ordinary=True,
        less_often=4,
    ),
    Scene(
        name="calm",
        says="online alone with hogs in a batch group, for minutes: every stage 2 is a false alarm",
        server="cpu",
        batch=hogs,
        arms=("ours",),
        loads=(60, 40),
        bound_s=0.040,
        loaded_s=60.0,
        most_repeats=6,
    ),
)
BY_NAME = {scene.name: scene for scene in SCENES}
