"""A test's node is gone when the test is, however it ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slacktide.errors import BadInput
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.node import groups, leftovers
from slacktide.testing.node.leftovers import claimed
from slacktide.testing.node.node import real_node
from slacktide.testing.node.pods import IDLE, a_pod

RUNS_ONE = """
import pathlib, sys, time
from slacktide.testing.cluster.control_plane import control_plane
from slacktide.testing.node.node import real_node
from slacktide.testing.node.pods import IDLE, a_pod
folder = pathlib.Path(sys.argv[1])
with control_plane(folder / "plane") as plane, real_node(plane, folder / "node") as node:
    node.run(a_pod("left", IDLE))
    print("runs", flush=True)
    time.sleep(600)
"""


def traces() -> dict[str, set[str]]:
    """What a node leaves in the machine while it is there."""
    tops = {str(group) for top in groups.hierarchies() for group in top.iterdir() if group.is_dir()}
    mounts = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()}
    links = {link.name for link in Path("/sys/class/net").iterdir()}
    commands = {_command(path) for path in Path("/proc").glob("[0-9]*")}
    return {
        "groups": {top for top in tops if "kubepods" in top or leftovers.SYSTEM in top},
        "mounts": {mount for mount in mounts if "/node/" in mount},
        "links": {link for link in links if link.startswith(("slacktide", "veth"))},
        "programs": {said for said in commands if "containerd-shim" in said},
        "tuned": {f"{name} {leftovers.tuned(name).read_text()}" for name in leftovers.TUNED},
        "places": {str(path) for path in leftovers.FIXED if path.exists()},
    }


def _command(process: Path) -> str:
    """Empty for the dead, whom somebody else has yet to bury."""
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


@pytest.fixture
def before() -> Iterator[dict[str, set[str]]]:
    leftovers.clean()
    yield traces()
    leftovers.clean()


def test_nothing_is_left_when_it_ends(
    plane: ControlPlane, short_folder: Path, before: dict[str, set[str]]
) -> None:
    with real_node(plane, short_folder / "node") as node:
        node.run(a_pod("waits", IDLE))
        during = traces()
        node.forget_pods()
    assert all(during[kind] - before[kind] for kind in before)  # else this test sees nothing
    assert traces() == before


def test_the_next_start_removes_what_a_killed_run_left(
    plane: ControlPlane, short_folder: Path, before: dict[str, set[str]]
) -> None:
    command = [sys.executable, "-c", RUNS_ONE, str(short_folder / "killed")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "runs\n"
        child.kill()
    assert traces()["groups"]  # its pod lives on
    with real_node(plane, short_folder / "node") as node:
        node.run(a_pod("next", IDLE))
        node.forget_pods()
    assert traces() == before


def test_somebody_elses_node_is_never_touched(tmp_path: Path, before: dict[str, set[str]]) -> None:
    foreign = groups.hierarchies()[0] / "kubepods"
    foreign.mkdir()
    try:
        with pytest.raises(BadInput, match="is a node already"), claimed(tmp_path):
            raise AssertionError("claimed")
        assert foreign.is_dir()
    finally:
        foreign.rmdir()
    assert traces() == before
