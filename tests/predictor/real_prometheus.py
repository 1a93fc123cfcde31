"""Debian's Prometheus on a free port, filled by promtool, with its own folder; gone afterwards."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

SCRAPE_S = 60

Line = tuple[str, Mapping[str, str], Iterable[tuple[int, float]]]


def openmetrics(lines: Iterable[Line]) -> str:
    """Counters where the name ends in _total, gauges elsewhere; (stamp, value) points."""
    families: dict[str, list[str]] = {}
    for metric, labels, points in lines:
        named = ",".join(f'{name}="{value}"' for name, value in labels.items())
        families.setdefault(metric, []).extend(
            f"{metric}{{{named}}} {value:.17g} {ts_s}" for ts_s, value in points
        )
    text = []
    for metric, samples in families.items():
        kind = "counter" if metric.endswith("_total") else "gauge"
        text += [f"# TYPE {metric.removesuffix('_total')} {kind}", *samples]
    return "\n".join([*text, "# EOF", ""])


@contextmanager
def prometheus(folder: Path, lines: Iterable[Line], *flags: str) -> Iterator[str]:
    """The address of a server that holds those samples."""
    (folder / "samples.txt").write_text(openmetrics(lines))
    (folder / "empty.yml").write_text("global: {}\n")
    data = folder / "data"
    fill = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run(
        [*fill, folder / "samples.txt", data], check=True, capture_output=True, timeout=60
    )
    port = _free_port()
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'empty.yml'}",
                f"--storage.tsdb.path={data}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--storage.tsdb.retention.time=10y",
                *flags,
            ],
            stderr=log,
            stdout=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, server, folder / "log")
            yield url
        finally:
            server.terminate()
            server.wait(20)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Asks until it answers; the transport waits between tries, so nothing sleeps here."""
    for _ in range(400):
        assert server.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/-/ready", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        try:
            server.wait(0.05)  # or until it dies
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(log.read_text())


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
