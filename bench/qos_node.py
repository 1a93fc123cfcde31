"""The agent on a real kubelet node: online's p99 alone, with batch pods, and with the agent beside.

Online is a real pod with an SLO, batch are real pods that come through the API server, the agent is
`slacktide serve agent` as its DaemonSet runs it. The client is an open loop and stamps when each
request was meant to go. Scenes: `stray`, batch that came with ordinary requests, so kubelet gives
it online's weight; `disk`, batch that writes through the page cache while online reads its file.
Arms take turns: warm solo (idle-priority spinners keep the CPUs awake), nothing done, the agent.
"""

from __future__ import annotations

import array
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from bench.figures import say
from qos_controller.adapters.ticks import TickReader
from slacktide.testing.cluster.control_plane import control_plane
from slacktide.testing.node import groups
from slacktide.testing.node.agent import agent
from slacktide.testing.node.leftovers import SYSTEM
from slacktide.testing.node.node import RealNode, real_node
from slacktide.testing.node.pods import PROJECT, batch, hosted, online, stray

ARMS: Final = ("solo", "nothing", "agent")
CLIENT: Final = "slacktide-node-client"
WARM: Final = "slacktide-node-warm"
PORT: Final = 7_000
LEAD_S: Final = 0.6  # the client needs as long to start
QUIET_S: Final = 0.5  # of online alone, before the step
COMING_S: Final = 4.0  # a pod may take as long from its creation to its first process
LOADED_S: Final = 4.0
FILE_BYTES: Final = 1 << 30
NEVER_MS: Final = 1e4  # stands for a request that was never answered
GIB: Final = 1 << 30

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """Who is online, and which batch pods come."""

    name: str
    server: Sequence[str]
    rate_per_s: float
    slo: str
    bound_ms: float
    pods: Callable[[Path], list[Object]]
    goal: str


def strays(_: Path) -> list[Object]:
    """Two pods of two spinning threads each, with requests as ordinary pods have them."""
    command = hosted("/usr/bin/stress-ng", "--cpu", "2", "--cpu-method", "int64")
    return [stray(f"stray-{k}", cpu="450m", **command) for k in range(2)]


def writers(folder: Path) -> list[Object]:
    """One batch pod with four buffered writers of 1 GiB files."""
    command = hosted("/usr/bin/stress-ng", "--hdd", "4", "--temp-path", str(folder))
    return [batch("writers", milli=1_000, memory_bytes=8 * GIB, writable=[folder], **command)]


SCENES: Final = (
    Scene("stray", ("cpu",), 300.0, "p99<40ms", 40.0, strays, "<=1.1"),
    Scene("disk", ("disk", "--workers", "24", "--file"), 200.0, "p99<15ms", 15.0, writers, "<=3"),
)


@dataclass(slots=True)
class Episode:
    """What one came to; NaN: it did not happen."""

    p99_ms: float
    limited_ms: float = math.nan
    """From batch's first process to the agent's first write for it."""
    staged_ms: float = math.nan
    """From the first request beyond the SLO's bound to a stage of the ladder."""
    stages: list[int] = field(default_factory=list)
    late_share: float = 0.0


@click.command()
@click.option("--quick", is_flag=True, help="Two episodes an arm.")
@click.option("--repeats", type=click.IntRange(1), default=8, show_default=True)
@click.option("--scene", "names", multiple=True, type=click.Choice([s.name for s in SCENES]))
@click.option("--seed", type=int, default=1, show_default=True)
def main(quick: bool, repeats: int, names: tuple[str, ...], seed: int) -> None:
    """Measure it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slacktide-")))
        memory = stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
        plane = stack.enter_context(control_plane(folder / "plane"))
        plane.controllers()
        node = stack.enter_context(real_node(plane, folder / "node"))
        node.sell(milli=2_000, memory_bytes=16 * GIB)
        stack.enter_context(usual_dirty_pages())
        outweigh([os.getpid(), *(process.pid for process in plane.running.values())])
        for scene in SCENES:
            if not names or scene.name in names:
                stage = Stage(node, scene, folder, run_dir=Path(memory))
                with stage.served():
                    told(scene, stage.played(2 if quick else repeats, seed), seed)


@contextmanager
def usual_dirty_pages() -> Iterator[None]:
    """As many dirty pages as the kernel's own defaults allow, whatever the machine was set to."""
    files = [Path("/proc/sys/vm", name) for name in ("dirty_ratio", "dirty_background_ratio")]
    in_bytes = [Path("/proc/sys/vm", name) for name in ("dirty_bytes", "dirty_background_bytes")]
    before = {file: file.read_text() for file in files + in_bytes}
    for file, value in zip(files, ("20", "10"), strict=True):
        file.write_text(value)
    try:
        yield
    finally:
        for file, value in before.items():
            if value != "0\n":  # a zero is what the other unit leaves, and may not be written
                file.write_text(value)


def outweigh(others: Sequence[int]) -> None:
    """Pods, kubelet and `others` weigh more than whatever else this machine does meanwhile."""
    for pid in others:
        groups.join(SYSTEM, pid)
    for top in groups.hierarchies():
        for group, shares in (("kubepods", "16384"), (SYSTEM, "8192")):
            with suppress(OSError):
                (top / group / "cpu.shares").write_text(shares)


@dataclass(slots=True)
class Stage:
    """Plays episodes of one scene."""

    node: RealNode
    scene: Scene
    folder: Path
    run_dir: Path
    """Of the agent; in memory, as /run is."""
    address: str = ""

    @contextmanager
    def served(self) -> Iterator[None]:
        """The online pod serves."""
        words = list(self.scene.server)
        if words[-1] == "--file":
            words.append(str(self._file()))
        tell = ("--tell", str(self.run_dir / "latency.sock"), "--uid", "default/online")
        where = ("--host", "0.0.0.0", "--port", str(PORT))  # noqa: S104  the pod's own network
        program = [sys.executable, "-m", "bench.qos.servers", *words, *where, *tell]
        given = hosted("/usr/bin/env", f"PYTHONPATH={PROJECT}", *program)
        given["mounts"] += [self.folder, self.run_dir]
        pod = online("online", slo=self.scene.slo, latency_from="datagram", cpu="1", **given)
        self.address = str(self.node.run(pod)["status"]["podIP"])
        try:
            yield
        finally:
            self.node.delete("online")

    def _file(self) -> Path:
        file = self.folder / "online-file"
        with file.open("wb") as made:
            for _ in range(FILE_BYTES >> 24):
                made.write(os.urandom(1 << 20) * 16)
        return file

    def played(self, repeats: int, seed: int) -> dict[str, list[Episode]]:
        """Each arm's, the arms in turn; the first round only warms up."""
        found: dict[str, list[Episode]] = {arm: [] for arm in ARMS}
        for turn in range(repeats + 1):
            for k in range(len(ARMS)):
                arm = ARMS[(turn + k) % len(ARMS)]
                episode = self.episode(arm, seed=seed * 1_000 + turn)
                click.echo(f"{self.scene.name} {turn} {arm}: {episode}", err=True)
                if turn:
                    found[arm].append(episode)
        return found

    def episode(self, arm: str, *, seed: int) -> Episode:
        """One."""
        with ExitStack() as stack:
            stack.enter_context(warm())
            diary = None
            if arm == "agent":
                running = stack.enter_context(agent(self.node, self.run_dir))
                groups.join(SYSTEM, running.process.pid)
                diary = TickReader(running.run_dir / "ticks")
                stack.callback(diary.close)
                self.node.wait(lambda: knows(running.run_dir, "online"), "the agent's book")
            begin_s = time.monotonic() + LEAD_S
            answers = self.folder / "answers"
            client = self.client(begin_s, answers, seed=seed)
            time.sleep(LEAD_S + QUIET_S)
            step_s, limited_s = self.come(arm)
            end_s = step_s + LOADED_S
            time.sleep(max(0.0, end_s - time.monotonic()))
            self.go()
            client.wait()
            return summed(
                answers, self.scene, step_s=step_s, end_s=end_s, limited_s=limited_s, diary=diary
            )

    def client(self, begin_s: float, answers: Path, *, seed: int) -> subprocess.Popen[bytes]:
        """It asks long enough for batch to come and to be measured."""
        end_s = begin_s + QUIET_S + COMING_S + LOADED_S
        plan = {
            "host": self.address,
            "port": PORT,
            "path": "",
            "seed": seed,
            "phases": [(begin_s, end_s, self.scene.rate_per_s)],
        }
        file = self.folder / "plan.json"
        file.write_text(json.dumps(plan))
        answers.unlink(missing_ok=True)
        return started(
            CLIENT, [*REAL_TIME, sys.executable, "-m", "bench.qos.client", file, answers]
        )

    def come(self, arm: str) -> tuple[float, float]:
        """Lets batch in; when its first process ran, and when the agent first wrote for it."""
        if arm == "solo":
            return time.monotonic(), math.nan
        bodies = self.scene.pods(self.batch_folder())
        uids = [self.node.post(pod)["metadata"]["uid"] for pod in bodies]
        step_s, give_up_s = math.nan, time.monotonic() + COMING_S
        while time.monotonic() < give_up_s:
            now_s = time.monotonic()
            if math.isnan(step_s) and any(runs(uid) for uid in uids):
                step_s = now_s
            if not math.isnan(step_s) and (arm != "agent" or all(map(limited, uids))):
                return step_s, now_s if arm == "agent" else math.nan
            time.sleep(0.002)
        raise SystemExit(f"{self.scene.name}: batch did not come, or was not limited: {step_s}")

    def go(self) -> None:
        """Batch leaves, and its files."""
        for name in [pod["metadata"]["name"] for pod in self.scene.pods(self.batch_folder())]:
            if self.node.pod(name):
                self.node.delete(name)
        subprocess.run(["rm", "-rf", self.batch_folder()], check=True)  # noqa: S603, S607
        os.sync()

    def batch_folder(self) -> Path:
        """Where batch writes."""
        made = self.folder / "batch"
        made.mkdir(exist_ok=True)
        return made


def knows(run_dir: Path, name: str) -> bool:
    """Whether the agent's book has the pod."""
    with suppress(OSError, ValueError):
        return any(
            p["name"] == name for p in json.loads((run_dir / "pods.json").read_text())["pods"]
        )
    return False


def runs(uid: str) -> bool:
    """Whether a container of the pod has its second process: its own, after the sandbox's."""
    return any(
        sum(bool(groups.processes(below)) for below in group.glob("*/")) > 1
        for group in groups.where(uid)
        if "/cpu/" in str(group) or (group / "cgroup.controllers").exists()
    )


def limited(uid: str) -> bool:
    """Whether the pod's groups say that it is batch: the lightest weight, or a quota of its own."""
    for group in groups.where(uid):
        with suppress(OSError):
            if (group / "cpu.cfs_quota_us").read_text() != "-1\n":
                return True
            if group.parent.name != "besteffort" and (group / "cpu.shares").read_text() == "2\n":
                return True
    return False


@contextmanager
def warm() -> Iterator[None]:
    """A spinner a CPU that runs only where nobody else wants to: no CPU falls asleep."""
    spinners = [started(WARM, SPINNER) for _ in range(_CPUS)]
    try:
        yield
    finally:
        for one in spinners:
            one.kill()
            one.wait()
        groups.empty(WARM)
        groups.empty(CLIENT)


_CPUS: Final = os.cpu_count() or 1
REAL_TIME: Final = ("chrt", "--fifo", "1")  # on a machine of its own it would not wait either
SPINNER: Final = ("chrt", "--idle", "0", "/bin/sh", "-c", "while :; do :; done")


def started(group: str, command: Sequence[str | Path]) -> subprocess.Popen[bytes]:
    """A program in a group of its own: the client's heavier than all, the spinners' lightest."""
    gated = ["/bin/sh", "-c", 'read _; exec "$@"', "sh", *command]
    process = subprocess.Popen(gated, cwd=PROJECT, stdin=subprocess.PIPE)  # noqa: S603
    groups.join(group, process.pid)
    for top in groups.hierarchies():
        for name, value in _WEIGHTS[group]:
            with suppress(OSError):
                if (top / group / name).exists():
                    (top / group / name).write_text(value)
    _open(process)
    return process


def _open(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101  it is a pipe
    process.stdin.write(b"\n")
    process.stdin.close()


_WEIGHTS: Final = {
    CLIENT: (("cpu.shares", "262144"), ("cpu.weight", "10000"), ("cpu.rt_runtime_us", "300000")),
    WARM: (("cpu.shares", "2"), ("cpu.weight", "1")),
}


def summed(
    answers: Path,
    scene: Scene,
    *,
    step_s: float,
    end_s: float,
    limited_s: float,
    diary: TickReader | None,
) -> Episode:
    """The episode's figures from what the client wrote and the agent's diary."""
    flat = array.array("d", answers.read_bytes())
    rows = [
        (meant, sent, answered)
        for meant, sent, answered in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        if step_s <= meant < end_s
    ]
    took_ms = [NEVER_MS if math.isnan(end) else (end - meant) * 1e3 for meant, _, end in rows]
    late = sum(math.isnan(sent) or sent - meant > 0.002 for meant, sent, _ in rows)
    made = Episode(
        p99_ms=statistics.quantiles(took_ms, n=100)[98],
        limited_ms=(limited_s - step_s) * 1e3,
        late_share=late / len(rows),
    )
    if diary is not None:
        slow_s = next(
            (m for (m, _, _), ms in zip(rows, took_ms, strict=True) if ms > scene.bound_ms),
            math.nan,
        )
        ticks = [tick for tick in diary.ticks() if step_s <= tick.monotonic_s < end_s]
        stages = [(t.cpu_stage, t.disk_stage, t.memory_stage, t.network_stage) for t in ticks]
        made.stages = [max(stage) for stage in zip(*stages, strict=True)]
        staged_s = [t.monotonic_s for t, s in zip(ticks, stages, strict=True) if any(s)]
        made.staged_ms = max(0.0, staged_s[0] - slow_s) * 1e3 if staged_s else math.nan
    return made


def told(scene: Scene, found: dict[str, list[Episode]], seed: int) -> None:
    """Prints the figures."""
    p99 = {arm: [one.p99_ms for one in episodes] for arm, episodes in found.items()}
    say(
        "qos_node", f"{scene.name}_p99_ms", p99["agent"], "ms", goal=f"{scene.goal} x solo",
        baseline="warm solo", baseline_values=p99["solo"], seed=seed,
    )  # fmt: skip
    say(
        "qos_node", f"{scene.name}_p99_without_agent_ms", p99["nothing"], "ms",
        baseline="warm solo", baseline_values=p99["solo"], seed=seed,
    )  # fmt: skip
    for name, goal in (("limited_ms", "<=1000"), ("staged_ms", "<=150")):
        seen = [v for one in found["agent"] if not math.isnan(v := getattr(one, name))]
        if seen:
            say("qos_node", f"{scene.name}_{name}", seen, "ms", goal=goal, seed=seed)


if __name__ == "__main__":
    main()
