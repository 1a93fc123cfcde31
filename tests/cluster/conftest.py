"""One control plane for all tests that only add to it; others start their own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slacktide.testing.cluster.control_plane import ControlPlane, control_plane


def _why_not() -> str:
    if not sys.platform.startswith("linux"):
        return "Kubernetes' control plane is built for Linux"
    if not (shutil.which("go") or Path("/usr/local/go/bin/go").exists()):
        return "no Go to build Kubernetes with"
    return ""


@pytest.fixture(scope="session", autouse=True)
def _buildable() -> None:
    """Elsewhere these tests skip and say why; in CI they never do."""
    why_not = _why_not()
    if why_not and not os.environ.get("CI"):
        pytest.skip(why_not)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the controllers."""
    with control_plane(tmp_path_factory.mktemp("plane")) as started:
        started.controllers()
        yield started
