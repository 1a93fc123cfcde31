"""One scene's actors on their stage: online, batch and the client, each in its own groups.

Always holds: whatever ends the bench, `close` leaves no group, process, file, network namespace or
changed sysctl behind; what a killed bench left, `clean` removes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from bench.qos.groups import HEAVIEST, PREFIX, Group, hierarchies, left_behind
from bench.qos.nginx import start_nginx
from bench.qos.scenes import Scene
from bench.qos.wire import Wire
from qos_controller.adapters.book_file import NAME, write_book
from qos_controller.core.pods import Book, Feed, Pod, Slo

MEMORY = Path("/dev/shm")  # noqa: S108 -- a tmpfs, as /run is: a rename on a busy disk waits for it
HERE = Path(__file__).parents[2]
ONLINE = "a0000000-0000-4000-8000-000000000001"
DIRTY = {"dirty_ratio": "20", "dirty_background_ratio": "10"}
"""The kernel's own defaults, whatever the machine was set to."""
FILE_BYTES = {"disk": 1 << 30, "cached": 512 << 20, "memory": 256 << 20}
WORKERS = {"cpu": 4, "disk": 24, "cached": 8, "memory": 4}


class Rig:
    """The actors of one scene; `with Rig(scene, folder) as rig`."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene = scene
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=folder))
        self.run_dir = MEMORY / f"{PREFIX}{os.getpid()}"
        self.top = Group(f"{PREFIX}{os.getpid()}")
        self.kubepods = self.top / "kubepods"
        self.online = self.kubepods / "burstable" / f"pod{ONLINE}"
        self.besteffort = self.kubepods / "besteffort"
        self.batch_uid = ""
        self.batch = self.besteffort / "pod"
        self._batches = 0
        self.client, self.agent = self.top / "client", self.top / "agent"
        self.wire = Wire(f"{PREFIX}{os.getpid()}") if scene.server == "static" else None
        self.evictions: list[float] = []
        self.port = _free_port()
        self._awake = keep_awake()
        self._dirty = {name: _sysctl(name) for name in DIRTY}
        self._dirty |= {n: _sysctl(n) for n in ("dirty_bytes", "dirty_background_bytes")}

    def __enter__(self) -> Self:
        """Everything but batch is there and warm."""
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """As `close`."""
        self.close()

    def close(self) -> None:
        """Leaves nothing behind."""
        os.close(self._awake)
        _join(Group(""))
        self.top.remove()
        if self.wire:
            self.wire.close()
        for name, value in self._dirty.items():
            if value != "0":
                _set_sysctl(name, value)
        for folder in (self.folder, self.run_dir):
            shutil.rmtree(folder, ignore_errors=True)

    def plain(self) -> None:
        """Weights and limits as kubelet sets them; a batch pod that is not there is not missed."""
        self.top.write("cpu.shares", HEAVIEST)
        self.client.write("cpu.shares", HEAVIEST)
        self.agent.write("cpu.shares", 1024)
        self.kubepods.write("cpu.shares", 2048)
        self.besteffort.write("cpu.cfs_quota_us", -1)
        self.besteffort.write("cpu.shares", 2)
        (self.kubepods / "burstable").write("cpu.shares", 2048 if self.scene.ordinary else 1024)
        self.online.write("cpu.shares", 1024)
        if self.scene.node_bytes:
            self.kubepods.write("memory.limit_in_bytes", self.scene.node_bytes)
        for name, value in DIRTY.items():
            _set_sysctl(name, value)

    def expect_batch(self) -> None:
        """A new batch pod is bound to this node: the book knows it before kubelet makes it."""
        self._batches += 1
        self.batch_uid = f"b0000000-0000-4000-8000-{self._batches:012d}"
        where = self.kubepods / "burstable" if self.scene.ordinary else self.besteffort
        self.batch = where / f"pod{self.batch_uid}"
        self.write_book()

    def make_batch(self) -> None:
        """The batch pod's groups, as kubelet makes them."""
        (self.batch / "main").make()
        self.batch.write("cpu.shares", 1024 if self.scene.ordinary else 2)
        self.batch.write("pids.max", self.scene.pids)

    def batch_command(self) -> list[str]:
        """What the pod runs; a kubelet tells the kernel to kill best-effort pods first."""
        (self.folder / "batch").mkdir(exist_ok=True)
        command = self.wire.flood() if self.wire else self.scene.batch(self.folder / "batch")
        dear = 'echo 1000 > /proc/self/oom_score_adj; exec "$@"'
        return ["/bin/sh", "-c", dear, "batch", *command]

    def start_batch(self, *, wait: bool) -> subprocess.Popen[bytes]:
        """Its container; with `wait` it begins when told."""
        within = self.wire.batch if self.wire else ()
        return (self.batch / "main").start(self.batch_command(), wait=wait, within=within)

    def end_batch(self) -> None:
        """The pod goes, with its groups and files, and the disk comes to rest."""
        if self.batch_uid:
            self.batch.remove()
        self.batch_uid = ""
        self.write_book()
        shutil.rmtree(self.folder / "batch", ignore_errors=True)
        if self.scene.counts == "written":
            settle_disk()

    def evict(self, now_s: float) -> None:
        """What an eviction comes to here: the pod is killed and stays away."""
        self.evictions.append(now_s)
        self.batch.kill()

    def write_book(self) -> None:
        """Who lives here, as the agent's Kubernetes half would have written it."""
        feed = Feed(kind="nginx" if self.scene.server in {"nginx", "static"} else "datagram")
        online = Pod(
            uid=ONLINE,
            namespace="bench",
            name="online",
            batch=False,
            cpu_request_cores=1.0,
            memory_request_bytes=float(1 << 30),
            started_s=time.time(),
            ips=self.wire.online_ips if self.wire else ("127.0.0.1",),
            slo=Slo(bound_s=self.scene.bound_s),
            feed=feed,
        )
        batch = Pod(
            uid=self.batch_uid,
            namespace="bench",
            name="batch",
            batch=True,
            qos_class="BE",
            cpu_request_cores=1.0 if self.scene.ordinary else 0.0,
            batch_cpu_cores=None if self.scene.ordinary else 1.0,
            started_s=time.time(),
            ips=self.wire.batch_ips if self.wire else (),
        )
        book = Book(
            node="bench",
            written_s=time.time(),
            pods=(online, batch) if self.batch_uid else (online,),
        )
        write_book(self.run_dir / NAME, book)

    def start_client(
        self, phases: Sequence[tuple[float, float, float]], seed: int, answers: Path
    ) -> subprocess.Popen[bytes]:
        """The client on its way; phases are (begin, end, rate), CLOCK_MONOTONIC."""
        plan = {
            "host": self.wire.online_ips[0] if self.wire else "127.0.0.1",
            "port": self.port,
            "path": "/file" if self.scene.server in {"nginx", "static"} else "",
            # A kept connection stays with one worker of nginx, however busy that one is.
            "fresh": self.scene.server == "nginx",
            "phases": phases,
            "seed": seed,
        }
        file = self.folder / "plan.json"
        file.write_text(json.dumps(plan))
        # Real time: a client on a machine of its own would not wait for this node's CPUs either.
        command = ["chrt", "--fifo", "1", sys.executable, "-m", "bench.qos.client"]
        command += [str(file), str(answers)]
        if self.wire:
            command = [*self.wire.outside, *command]
        with (self.folder / "client.log").open("wb") as log:
            environment = {"PYTHONPATH": str(HERE)}
            return self.client.start(command, environment=environment, output=log.fileno())

    def online_alive(self) -> bool:
        """False once, where the kernel killed it; it is started anew."""
        if self._online.poll() is None:
            return True
        self.online.kill()
        self._start_online()
        return False

    def _make(self) -> None:
        self.run_dir.mkdir()
        for group in (self.client, self.agent, self.online / "main"):
            group.make()
        self.besteffort.make()
        _join(self.client)
        for group in (self.top, self.client):
            group.write("cpu.rt_runtime_us", 300_000)
        self.plain()
        if self.wire:
            self.wire.make()
        self.write_book()
        self._make_files()
        self._start_online()

    def _make_files(self) -> None:
        sizes = {"file": FILE_BYTES.get(self.scene.server, 0), "stream": self.scene.stream_bytes}
        for name, size in sizes.items():
            with (self.folder / name).open("wb") as file:
                for _ in range(size >> 24):
                    file.write(os.urandom(1 << 20) * 16)
                file.flush()
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def _start_online(self) -> None:
        server = self.scene.server
        if server in {"nginx", "static"}:
            self._online = start_nginx(
                self.online / "main",
                self.folder,
                port=self.port,
                uid=ONLINE,
                run_dir=self.run_dir,
                wire=self.wire,
            )
        else:
            self._online = (self.online / "main").start(self._serving(server))
        if server in {"cached", "memory"}:
            warm = f"echo 0 > /proc/self/oom_score_adj; cat {self.folder}/file > /dev/null"
            (self.online / "main").start(["/bin/sh", "-c", warm]).wait()
        time.sleep(1.0)

    def _serving(self, server: str) -> list[str]:
        python = [sys.executable, "-m", "bench.qos.servers", server]
        return [
            "/usr/bin/env",
            f"PYTHONPATH={HERE}",
            *python,
            *("--port", str(self.port), "--uid", ONLINE),
            *("--tell", str(self.run_dir / "latency.sock")),
            *("--workers", str(WORKERS[server]), "--file", str(self.folder / "file")),
            *("--held-mib", "1024" if server == "memory" else "0"),
        ]


def clean(folder: Path) -> list[str]:
    """Removes what dead benches left behind; says what."""
    gone = []
    for group in left_behind():
        group.remove()
        gone.append(group.path)
    for name in Wire.left_behind():
        Wire(name).close()
        gone.append(name)
    for path in (*folder.glob(f"{PREFIX}*"), *MEMORY.glob(f"{PREFIX}*")):
        pid = path.name.removeprefix(PREFIX).split("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(path, ignore_errors=True)
            gone.append(str(path))
    return gone


def settle_disk(limit_s: float = 8.0) -> None:
    """Waits until hardly anything is on its way to a disk."""
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        if sum(int(told[name].split()[0]) for name in ("Dirty", "Writeback")) < 40_000:
            return
        os.sync()
        time.sleep(0.05)


def keep_awake() -> int:
    """Keeps idle CPUs polling while the descriptor is open, in every arm alike.

    A halted virtual CPU wakes slowly, so online alone would look slower than online beside batch. A
    spinner a CPU would do the same, but the kernel then finds no idle CPU to wake a task on
    (SIS_UTIL counts the spinners' use) and piles online up on one (measured: p99 of seconds).
    Source: Linux Documentation/power/pm_qos_interface.rst; drivers/cpuidle/governors/haltpoll.c.
    """
    try:
        fd = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
    except OSError:
        return os.open("/dev/null", os.O_WRONLY)
    os.write(fd, (0).to_bytes(4, sys.byteorder))
    return fd


def ends_well() -> None:
    """A plain kill unwinds as Ctrl-C does, so that everything is put back."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))


def _join(group: Group) -> None:
    for hierarchy in hierarchies():
        with contextlib.suppress(OSError):
            (hierarchy / group.path / "cgroup.procs").write_text(str(os.getpid()))


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _sysctl(name: str) -> str:
    return Path("/proc/sys/vm", name).read_text().strip()


def _set_sysctl(name: str, value: str) -> None:
    Path("/proc/sys/vm", name).write_text(value)
