"""What runs inside the machine with cgroup v2 alone: the drivers' tests, and the agent on scenes.

    python -m scripts.v2_inside tests scenes
    python -m scripts.v2_inside memory killed       these scenes alone

A scene is a small node: the groups that kubelet makes, an online service that tells its latency,
batch pods of real processes, and the agent as `slacktide serve agent --alone` starts it. The
service is said to be hurt while batch does more than a given amount, so the scene has a right
answer at any speed of the machine. Each prints what the agent wrote, with times.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from qos_controller.adapters.book_file import NAME as BOOK
from qos_controller.adapters.book_file import write_book
from qos_controller.adapters.ticks import TickReader
from qos_controller.app.settings import AgentSettings, to_argument
from qos_controller.core.pods import Book, Feed, Pod, Slo
from slacktide.testing.node.v2_pods import Pods, Qos

TESTS: Final = (
    "test_pure_v2.py", "test_actuator.py", "test_cgroup_layout.py", "test_pods_in_tree.py",
    "test_owned.py", "test_watchdog.py", "test_loop.py",
)  # fmt: skip
ONLINE: Final = "a0000000-0000-4000-8000-000000000001"
BATCH: Final = "b0000000-0000-4000-8000-000000000002"
STRAY: Final = "c0000000-0000-4000-8000-000000000003"
SPIN: Final = ("/bin/sh", "-c", "while :; do :; done")
WRITER: Final = "while :; do dd if=/dev/zero of=/mnt/w bs=1M count=64 oflag=direct 2>&-; done"
GO: Final = Path("/run/go")
GROWER: Final = (
    "import os,time\nh=[]\nwhile 1:\n time.sleep(.1)\n"
    f" if os.path.exists({str(GO)!r}): h.append(bytearray(2<<20))"
)
MOST_SHOWN: Final = 14
WRITTEN: Final = (
    "cpu.weight", "cpu.max", "cgroup.freeze", "io.max", "io.weight", "memory.high", "memory.max"
)  # fmt: skip
MIB: Final = 1 << 20
BOUND_S: Final = 0.030
LOOK_S: Final = 0.01
WITHIN_S: Final = 90.0  # an emulated processor is some ten times slower, and may be shared
REPEATS_A_S: Final = 100.0


class Failure(Exception):  # noqa: N818  named for what happened
    """A scene did not come out as it must."""


class Scene:
    """A node with its agent; `shown` is what changed in the pods' files."""

    def __init__(self, name: str) -> None:
        self.name, self.began_s = name, time.monotonic()
        self.run_dir = Path(tempfile.mkdtemp(dir="/run"))
        self.pods, self.book = Pods(), list[Pod]()
        self.groups: dict[str, Path] = {}
        self.held: dict[Path, str] = {}
        self.shown: list[str] = []
        self.hurt: Callable[[], bool] = lambda: False
        self.is_hurt = False
        self._ended = threading.Event()
        self._agent: subprocess.Popen[bytes] | None = None

    def run(self, uid: str, *command: str, qos: Qos, batch: bool, **more: float) -> Path:
        """A pod, and its line in the book."""
        self.groups[uid] = self.pods.run(uid, qos, command)
        slo, feed = (None, None) if batch else (Slo(bound_s=BOUND_S), Feed(kind="datagram"))
        kind = "BE" if batch else "LS"
        self.book.append(
            Pod(uid=uid, namespace="default", name=uid[:1], batch=batch, qos_class=kind,
                slo=slo, feed=feed, started_s=time.time(), **more)  # type: ignore[arg-type]  # amounts
        )  # fmt: skip
        return self.groups[uid]

    def begin(self) -> None:
        """Starts the agent over what is there."""
        write_book(
            self.run_dir / BOOK, Book(node="v2", written_s=time.time(), pods=tuple(self.book))
        )
        self.held = self.files()
        for task in (self._look, self._serve):
            threading.Thread(target=task, daemon=True).start()
        settings = AgentSettings(node="v2", run_dir=str(self.run_dir), alone=True, latency_port=0)
        command = [sys.executable, "-m", "qos_controller.app.agent_process", to_argument(settings)]
        self._agent = subprocess.Popen(command)
        self.wait("the diary", lambda: self.diary_ticks() > 10)

    def end(self) -> None:
        """SIGTERM to the agent. Raises Failure where a file is not as it was."""
        assert self._agent is not None  # noqa: S101  it was begun
        before = dict(self.held)
        self._agent.send_signal(signal.SIGTERM)
        self._agent.wait(WITHIN_S)
        after = self.files(only=before)
        if other := {str(k): (before[k], v) for k, v in after.items() if v != before[k]}:
            raise Failure(f"not put back: {other}")

    def close(self) -> None:
        """Nothing of it is left."""
        if self._agent is not None and self._agent.poll() is None:
            self._agent.kill()
            self._agent.wait()
        self._ended.set()
        self.pods.remove()

    def files(self, only: dict[Path, str] | None = None) -> dict[Path, str]:
        """What an agent may write, as it is now."""
        besteffort = Path("/sys/fs/cgroup", self.pods.of_class("besteffort"))
        places = [besteffort, *self.groups.values()]
        wanted = only if only is not None else [p / name for p in places for name in WRITTEN]
        found = {}
        for path in wanted:
            with suppress(OSError):
                found[path] = path.read_text().strip()
        return found

    def wait(self, what: str, holds: Callable[[], bool]) -> float:
        """Seconds until it holds. Raises TimeoutError."""
        began_s = time.monotonic()
        while not holds():
            if time.monotonic() - began_s > WITHIN_S:
                raise TimeoutError(f"{what} did not come in {WITHIN_S:g} s")
            time.sleep(LOOK_S)
        return time.monotonic() - began_s

    def seen(self, *parts: str) -> bool:
        """Whether a line that holds all of these was shown."""
        return any(all(part in line for part in parts) for line in self.shown)

    def transcript(self) -> list[str]:
        """What was shown, its middle left out where it is long."""
        if len(self.shown) <= MOST_SHOWN:
            return self.shown
        half = MOST_SHOWN // 2
        between = f"           ... {len(self.shown) - 2 * half} more"
        return [*self.shown[:half], between, *self.shown[-half:]]

    def diary_ticks(self) -> int:
        """How many ticks the loop has written."""
        with suppress(OSError, ValueError):
            diary = TickReader(self.run_dir / "ticks")
            try:
                return diary.counts[0]
            finally:
                diary.close()
        return 0

    def stages(self) -> list[int]:
        """The highest stage of each resource so far."""
        diary = TickReader(self.run_dir / "ticks")
        ticks = [
            (t.cpu_stage, t.disk_stage, t.memory_stage, t.network_stage) for t in diary.ticks()
        ]
        diary.close()
        return [max(column) for column in zip(*ticks, strict=True)]

    def loop_pid(self) -> int:
        """The loop's process."""
        diary = TickReader(self.run_dir / "ticks")
        pid = diary.pid
        diary.close()
        return pid

    def told(self, kind: str) -> list[str]:
        """The agent's own sentences of that kind."""
        diary = TickReader(self.run_dir / "ticks")
        told = [event.text for event in diary.events() if event.kind == kind]
        diary.close()
        return told

    def _look(self) -> None:
        known = dict(self.held)
        while not self._ended.wait(LOOK_S):
            for path, value in self.files().items():
                if known.get(path) != value:
                    at_s = time.monotonic() - self.began_s
                    place = f"{path.parent.name[:12]}/{path.name}"
                    self.shown.append(f"{at_s:7.2f} s  {place}: {known.get(path)} -> {value}")
                    known[path] = value

    def _serve(self) -> None:
        """Tells a latency 100 times a second: beyond its bound while batch does too much."""
        teller = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        while not self._ended.wait(1.0 / REPEATS_A_S):
            self.is_hurt = self.hurt()
            latency_ms = BOUND_S * (3_000.0 if self.is_hurt else 100.0)
            with suppress(OSError):
                said = f"slacktide {ONLINE} {latency_ms:.1f}".encode()
                teller.sendto(said, str(self.run_dir / "latency.sock"))


@contextmanager
def scene(name: str) -> Iterator[Scene]:
    """One that is gone afterwards."""
    made = Scene(name)
    try:
        made.run(ONLINE, "sleep", "1000", qos="burstable", batch=False)
        yield made
    finally:
        made.close()


def more_than(group: Path, file: str, word: str, per_s: float) -> Callable[[], bool]:
    """Whether a counter of the group grew faster than that, over the last 100 ms or so."""
    state = {"at_s": time.monotonic(), "was": 0.0, "answer": 0.0}

    def look() -> bool:
        now_s = time.monotonic()
        if now_s - state["at_s"] >= 0.1:
            value = _counter(group / file, word)
            state["answer"] = (value - state["was"]) / (now_s - state["at_s"])
            state["at_s"], state["was"] = now_s, value
        return state["answer"] > per_s

    state["was"] = _counter(group / file, word)
    return look


def _counter(file: Path, word: str) -> float:
    with suppress(OSError):
        words = file.read_text().replace("=", " ").split()
        return sum(float(words[n + 1]) for n, found in enumerate(words) if found == word)
    return 0.0


def standing() -> Iterator[str]:
    """Batch is light and within its own limits wherever it lies; told to end, all is as it was."""
    with scene("standing") as node:
        node.run(STRAY, *SPIN, qos="burstable", batch=True)
        amounts = {"batch_cpu_cores": 0.5, "batch_memory_bytes": 256.0 * MIB}
        node.run(BATCH, *SPIN, qos="besteffort", batch=True, **amounts)
        node.begin()
        node.wait("the lightest weight", lambda: node.seen("podc", "cpu.weight", "-> 1"))
        node.wait("its own quota", lambda: node.seen("podb", "cpu.max", "-> 50000"))
        node.wait("its memory limit", lambda: node.seen("podb", "memory", f"-> {256 * MIB}"))
        node.end()
        yield from node.transcript()


def cpu() -> Iterator[str]:
    """A service that batch's CPU use hurts is well again, by a quota or a freeze."""
    with scene("cpu") as node:
        group = node.run(STRAY, *SPIN, qos="burstable", batch=True)
        node.begin()
        node.wait("the lightest weight", lambda: node.seen("podc", "cpu.weight", "-> 1"))
        node.hurt = more_than(group, "cpu.stat", "usage_usec", 0.3e6)
        node.wait("harm", lambda: node.is_hurt)
        acted_s = node.wait("an act", lambda: node.seen("cpu.max") or node.seen("cgroup.freeze"))
        well_s = node.wait("it to be well", lambda: not node.is_hurt)
        yield f"acted after {acted_s:.2f} s, well {well_s:.2f} s later, stages {node.stages()}"
        node.hurt = lambda: False
        node.end()
        yield from node.transcript()


def disk() -> Iterator[str]:
    """A service that batch's writes hurt is well again."""
    with scene("disk") as node:
        group = node.run(BATCH, "/bin/sh", "-c", WRITER, qos="besteffort", batch=True)
        node.begin()
        node.wait("writes", lambda: _counter(group / "io.stat", "wbytes") > 8 * MIB)
        node.hurt = more_than(group, "io.stat", "wbytes", 6.0 * MIB)
        node.wait("harm", lambda: node.is_hurt)
        acted_s = node.wait(
            "an act", lambda: any(map(node.seen, ("io.max", "cpu.max", "cgroup.freeze")))
        )
        well_s = node.wait("it to be well", lambda: not node.is_hurt)
        yield f"acted after {acted_s:.2f} s, well {well_s:.2f} s later, stages {node.stages()}"
        node.hurt = lambda: False
        node.end()
        yield from node.transcript()


def memory() -> Iterator[str]:
    """A pod that grows to the end of all memory goes, evicted or by its limit; online lives."""
    with scene("memory") as node:
        Path("/sys/fs/cgroup", node.pods.top, "memory.max").write_text(str(320 * MIB))
        grower = (sys.executable, "-I", "-S", "-c", GROWER)
        group = node.run(BATCH, *grower, qos="besteffort", batch=True)
        node.begin()
        GO.touch()
        gone_s = node.wait(
            "its end", lambda: "populated 0" in (group / "cgroup.events").read_text()
        )
        yield f"gone {gone_s:.2f} s after it began to grow by 20 MiB/s, stages {node.stages()}"
        yield from node.told("eviction")
        kills = _counter(group / "memory.events", "oom_kill")
        yield f"kernel's kills in the pod's own group: {kills:g}"
        if _counter(node.groups[ONLINE] / "memory.events", "oom_kill"):
            raise Failure("the kernel killed online")
        node.end()
        yield from node.transcript()


def killed() -> Iterator[str]:
    """The loop is killed while batch is held down: nothing stays frozen, and it comes back."""
    with scene("killed") as node:
        group = node.run(STRAY, *SPIN, qos="burstable", batch=True)
        node.begin()
        node.hurt = more_than(group, "cpu.stat", "usage_usec", 0.05e6)
        node.wait("a quota", lambda: node.seen("cpu.max"))
        before = node.loop_pid()
        os.kill(before, signal.SIGKILL)
        thawed_s = node.wait("it to run", lambda: (group / "cgroup.freeze").read_text() == "0\n")
        back_s = node.wait("the loop", lambda: node.loop_pid() != before)
        yield f"thawed {thawed_s:.2f} s after the kill, the loop back {back_s:.2f} s later"
        node.hurt = lambda: False
        node.end()


SCENES: Final = (standing, cpu, disk, memory, killed)


def play() -> int:
    """How many scenes failed."""
    failed = 0
    for one in [one for one in SCENES if one.__name__ in sys.argv] or SCENES:
        print(f"\n== {one.__name__}: {one.__doc__}", flush=True)
        try:
            for line in one():
                print(f"   {line}", flush=True)
            print("   ok", flush=True)
        except (Failure, TimeoutError, OSError) as why:
            failed += 1
            print(f"   FAILED: {why}", flush=True)
    return failed


def main() -> int:
    """What was asked for."""
    failed = 0
    if "tests" in sys.argv:
        there = [f"tests/qos_controller/{name}" for name in TESTS]
        quiet = ["-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short"]
        failed += subprocess.run([sys.executable, *quiet, *there], check=False).returncode != 0
    if "tests" not in sys.argv[1:2] or "scenes" in sys.argv:
        failed += play()
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main())
