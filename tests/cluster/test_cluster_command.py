"""`make cluster` keeps a cluster up until it is told to stop, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from slacktide.testing.cluster.binaries import binary
from slacktide.testing.cluster.installed import told
from tests.cluster.charted import until

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "scripts.cluster"]


@contextmanager
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Up, so far that it says what to do next."""
    command = [*COMMAND, "--nodes=3", f"--folder={folder}"]
    with (
        (folder.parent / "said").open("w") as said,
        subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, text=True) as running,
    ):
        try:
            until(
                lambda: "Ctrl-C ends it" in heard(folder) or running.poll() is not None,
                lambda: heard(folder),
                within_s=120,
            )
            assert running.poll() is None, heard(folder)
            yield running
        finally:
            running.kill()


def heard(folder: Path) -> str:
    return (folder.parent / "said").read_text()


def kubeconfig(folder: Path) -> str:
    [line] = [line for line in heard(folder).splitlines() if "export KUBECONFIG=" in line]
    return line.partition("=")[2]


def users_of(folder: Path) -> list[str]:
    """Programs whose command line names the folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes()
        except OSError:
            continue  # it has just ended
        if str(folder / "plane").encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found


def test_a_gang_starts_on_it_and_stop_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    with started(folder) as running:
        kubectl = [str(binary("kubectl")), "--kubeconfig", kubeconfig(folder)]
        assert len(told([*kubectl, "get", "nodes", "-o", "name"]).split()) == 3
        assert told([*kubectl, "get", "stq"], "") == ""
        told([*kubectl, "apply", "-f", str(ROOT / "examples/gang.yaml")])
        nodes = [*kubectl, "get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"]
        until(lambda: len(told(nodes).split()) == 4, lambda: told([*kubectl, "get", "pods"]))
        again = subprocess.run(
            [*COMMAND, f"--folder={folder}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (again.returncode, again.stderr) == (
            2,
            "cluster: it runs already: make cluster ARGS=stop\n",
        )
        assert stop(folder) == "stopped\n"
        assert running.wait(20) == 0
    assert not folder.exists()
    assert users_of(folder) == []


def stop(folder: Path) -> str:
    command = [*COMMAND, "stop", f"--folder={folder}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr


def test_nothing_of_it_outlives_a_crash(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    with started(folder) as running:
        assert len(users_of(folder)) >= 6
        os.kill(running.pid, signal.SIGKILL)
        until(lambda: users_of(folder) == [], lambda: str(users_of(folder)))
    assert stop(folder) == "nothing runs; what a crash left is removed\n"
    assert not folder.exists()
    assert stop(folder) == "nothing runs\n"


def test_the_example_is_the_first_gang_of_the_charts_notes() -> None:
    notes = (ROOT / "charts/slacktide/templates/NOTES.txt").read_text()
    shown = notes.split("<<END\n")[1].split("  END\n")[0]
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "examples/gang.yaml").read_text())
