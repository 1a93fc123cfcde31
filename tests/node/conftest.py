"""A control plane for all tests here, and a real node for each file of them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.node.containerd import missing_programs
from slacktide.testing.node.groups import hierarchies
from slacktide.testing.node.node import RealNode, real_node


def _why_not() -> str:
    if not sys.platform.startswith("linux"):
        return "kubelet runs on Linux"
    if os.geteuid() != 0:
        return "only root makes containers"
    if not hierarchies() or not all(os.access(top, os.W_OK) for top in hierarchies()):
        return "no cgroups to write to"
    if missing := missing_programs():
        return f"a node needs {missing}: sh scripts/install_test_packages.sh"
    return ""


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    """Elsewhere these tests skip and say why; in CI they never do."""
    why_not = _why_not()
    if why_not and not os.environ.get("CI"):
        pytest.skip(why_not)


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """Sockets lie in it, and their paths may not be long."""
    with tempfile.TemporaryDirectory(prefix="slacktide-") as made:
        yield Path(made)


@pytest.fixture(scope="session")
def plane(short_folder: Path) -> Iterator[ControlPlane]:
    """A control plane with controllers and a scheduler, which notes who asked for what."""
    with control_plane(short_folder / "plane", audited=True) as started:
        started.controllers()
        started.scheduler({})
        yield started


@pytest.fixture(scope="module")
def node(plane: ControlPlane, short_folder: Path) -> Iterator[RealNode]:
    """Its pods are gone with it."""
    with real_node(plane, short_folder / "node") as started:
        try:
            yield started
        finally:
            started.forget_pods()
