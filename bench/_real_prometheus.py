"""Debian's Prometheus over blocks of a fleet that a seed makes, with what each run cost it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import httpx
import numpy as np

BLOCK_S: Final = 54 * 3_600  # the longest block of a server's own ladder that holds these days
DAY_S: Final = 86_400
SCRAPE_S: Final = 60  # Prometheus' default
FACTS_EVERY_S: Final = 600  # not each minute: only to keep the filling short
NAMESPACES: Final = 20
MIB: Final = 2**20

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Workloads of one container each, with two weeks behind them."""

    workloads: int
    days: int
    until_s: int

    def container(self, number: int) -> Labels:
        """What cAdvisor says of one."""
        pod = f"{number:032x}"
        return {
            "container": "app",
            "id": f"/kubepods.slice/pod{pod}/{pod}{pod}",
            "image": f"registry.example/team/app:{number % 50}",
            "instance": f"10.0.0.{number % 25}:10250",
            "job": "kubelet",
            "namespace": f"team-{number % NAMESPACES:02d}",
            "node": f"n{number % 25:02d}",
            "pod": f"app-{number:03d}-5d9c7b6f4-x{number:03d}z",
        }

    def facts(self, number: int) -> Iterator[tuple[str, Labels, float]]:
        """What kube-state-metrics says of one."""
        app = self.container(number)
        pod = {name: app[name] for name in ("namespace", "pod")}
        replicas, deployment = f"app-{number:03d}-5d9c7b6f4", f"app-{number:03d}"
        owner = {"owner_kind": "ReplicaSet", "owner_name": replicas}
        yield "kube_pod_owner", pod | owner, 1
        yield "kube_pod_info", pod | {"node": app["node"]}, 1
        above = {"namespace": app["namespace"], "replicaset": replicas}
        deployed = {"owner_kind": "Deployment", "owner_name": deployment}
        yield "kube_replicaset_owner", above | deployed, 1
        asked = pod | {"container": "app"}
        for resource, size in (("cpu", 1.0), ("memory", 2.0**31)):
            named = asked | {"resource": resource}
            yield "kube_pod_container_resource_requests", named, size


def fill(folder: Path, fleet: Fleet, seed: int) -> None:
    """Makes the blocks that a server of these days would have."""
    first_s = fleet.until_s - fleet.days * DAY_S - 900
    used = _Used(np.random.default_rng(seed), fleet)
    folder.mkdir(parents=True, exist_ok=True)
    for block_s in range(first_s // BLOCK_S * BLOCK_S, fleet.until_s, BLOCK_S):
        from_s = max(block_s, first_s)
        stamps = np.arange(from_s, min(block_s + BLOCK_S, fleet.until_s), SCRAPE_S)
        text = folder / "block.txt"
        with text.open("w") as out:
            _write(out, fleet, stamps, used)
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q"]
        command += [f"--max-block-duration={BLOCK_S}s", str(text), str(folder / "data")]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  our own words
        text.unlink()


class _Used:
    """CPU with a daily wave and noise, and memory that wanders, block after block."""

    def __init__(self, rng: np.random.Generator, fleet: Fleet) -> None:
        self._rng = rng
        self._cores = rng.gamma(1.0, 0.2, fleet.workloads)
        self._total_s = np.zeros(fleet.workloads)

    def cpu(self, number: int, stamps: np.ndarray) -> Iterator[str]:
        """A counter that goes on where the block before ended."""
        wave = 1 + 0.5 * np.sin(2 * np.pi * stamps / DAY_S)
        used_s = self._cores[number] * wave * self._rng.gamma(4.0, 0.25, len(stamps)) * SCRAPE_S
        total_s = self._total_s[number] + np.cumsum(used_s)
        self._total_s[number] = total_s[-1]
        return (f"{value:.6f}" for value in total_s.tolist())

    def memory(self, number: int, stamps: np.ndarray) -> Iterator[str]:
        """A gauge of whole pages."""
        wander = 1 + np.cumsum(self._rng.normal(0, 0.001, len(stamps)))
        pages = (self._cores[number] * 2**18 * np.maximum(wander, 0.1)).astype(np.int64)
        return (str(4_096 * page) for page in pages.tolist())


def _write(out: IO[str], fleet: Fleet, stamps: np.ndarray, used: _Used) -> None:
    """A block's usage and facts, family by family."""
    for family, suffix, kind, values in (
        ("container_cpu_usage_seconds", "_total", "counter", used.cpu),
        ("container_memory_working_set_bytes", "", "gauge", used.memory),
    ):
        out.write(f"# TYPE {family} {kind}\n")
        for number in range(fleet.workloads):
            of = fleet.container(number)
            _lines(out, family + suffix, of, stamps, values(number, stamps))
    told = [fact for number in range(fleet.workloads) for fact in fleet.facts(number)]
    now_and_then = stamps[:: FACTS_EVERY_S // SCRAPE_S]
    for metric in dict.fromkeys(name for name, *_ in told):
        out.write(f"# TYPE {metric} gauge\n")
        for name, labels, value in told:
            if name == metric:
                _lines(out, metric, labels, now_and_then, (str(value) for _ in now_and_then))
    out.write("# EOF\n")


def _lines(
    out: IO[str], metric: str, labels: Labels, stamps: np.ndarray, values: Iterator[str]
) -> None:
    named = ",".join(f'{name}="{value}"' for name, value in labels.items())
    series = f"{metric}{{{named}}} "
    lines = zip(values, stamps.tolist(), strict=True)
    out.write("".join([f"{series}{value} {ts_s}\n" for value, ts_s in lines]))


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """Seconds of CPU it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        """The most memory it ever held, the blocks it has mapped and touched included."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1_024

    def queries(self) -> int:
        """How many it has answered or refused, by its own count."""
        text = httpx.get(f"{self.url}/metrics", trust_env=False).text
        asked = (line for line in text.splitlines() if "/api/v1/" in line)
        counts = (line for line in asked if line.startswith("prometheus_http_requests_total"))
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in counts)


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A new server over the same blocks, so that its peak memory is this run's alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "empty.yml").write_text("global: {}\n")
    command = [
        "prometheus",
        f"--config.file={folder / 'empty.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--storage.tsdb.max-block-duration={BLOCK_S}s",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603  our own words
        try:
            server = Served(f"http://127.0.0.1:{port}", process)
            _wait_until_ready(server)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_ready(server: Served) -> None:
    late_s = time.monotonic() + 60
    while time.monotonic() < late_s and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}/-/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError("prometheus did not start")
