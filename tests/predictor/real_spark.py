"""A standalone Spark cluster on this machine: a master and two workers, all stopped at the end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pytest

REPOSITORY = Path(__file__).parents[2]
MASTER, WORKER = (f"org.apache.spark.deploy.{name}" for name in ("master.Master", "worker.Worker"))
READY_S = 60.0


def skip_without_spark() -> None:
    """Skips where Spark cannot run; in CI that is a failure."""
    lacking = "Java 17 (openjdk-17-jre-headless)" if shutil.which("java") is None else ""
    lacking = lacking or next((name for name in ("pyspark", "pandas") if not find_spec(name)), "")
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(f"CI has no {lacking}: scripts/install_test_packages.sh and the dev extra")
    if lacking:
        pytest.skip(f"needs {lacking}")


def environment() -> dict[str, str]:
    """Spark's processes find this Python, this code, and nobody but this machine."""
    mine = {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_NO_DAEMONIZE": "1",
        "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # start soon, end soon
    }
    return os.environ | mine


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The URL of a cluster with two workers of one core each; its logs and work lie in `folder`."""
    with ExitStack() as stack:
        ports = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        log = stack.enter_context(_running(folder / "master", MASTER, *ports))
        url = _said(log, r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")
        for number in range(2):
            work = folder / f"worker-{number}"
            log = stack.enter_context(
                _running(work, WORKER, *ports, "-c", "1", "-m", "1g", "-d", str(work), url)
            )
            _said(log, r"(Successfully registered with master)")
        yield url


@contextmanager
def _running(folder: Path, what: str, *arguments: str) -> Iterator[Path]:
    """A process of Spark's; yields its log."""
    folder.mkdir()
    log = folder / "log"
    with log.open("wb") as file:
        process = _started(what, arguments, file)
        try:
            yield log
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _started(what: str, arguments: tuple[str, ...], log: IO[bytes]) -> subprocess.Popen[bytes]:
    found = find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    spark_class = Path(found.origin).parent / "bin" / "spark-class"
    return subprocess.Popen(
        [str(spark_class), what, *arguments],
        env=environment(),
        stdout=log,
        stderr=log,
        start_new_session=True,  # its own group, stopped as one
    )


def _said(log: Path, what: str) -> str:
    """What a process says once it is ready."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        found = re.search(what, log.read_text(errors="replace"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"nothing like {what!r} in {READY_S} s:\n{log.read_text()[-2_000:]}")
