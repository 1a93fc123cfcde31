"""Who runs the machine's node now, and what goes when it ends, in order or not.

Always holds: one node at a time, by a lock that the kernel drops with its owner; what the node
changes is written down before it is changed; the next start undoes what a killed run left, by the
same lines that end a run in order. A node that somebody else runs is never touched.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from slacktide.errors import BadInput
from slacktide.testing.node import groups
from slacktide.testing.node.containerd import BRIDGE

PODS_GROUP: Final = "kubepods"
SYSTEM: Final = "slacktide-node"  # the group of containerd, kubelet and the shims
RECORD: Final = Path("/run/slacktide-node.json")
LOCK: Final = Path("/run/slacktide-node.lock")
TURN_S: Final = 900.0

TUNED: Final = (  # by kubelet and by the bridge
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
)
_MADE: Final = ("root", "state", "kubelet", "kubelet-keys", "network", "volume-plugins")
_RUNTIME: Final = Path("/run/containerd")
FIXED: Final = (_RUNTIME, Path("/var/lib/kubelet"), Path("/var/lib/cni"))  # they ask nobody where


class _Record(msgspec.Struct, frozen=True):
    folder: str
    settings: dict[str, str]
    was_there: list[str]


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """This process' turn with the machine's node; what it made under `folder` is gone at the end.

    Raises:
        BadInput: where somebody else's kubelet rules the machine, or another turn does not end.
    """
    with LOCK.open("w") as held:
        _wait_for_turn(held.fileno())
        clean()
        if left := [str(group) for group in groups.subtree(PODS_GROUP)]:
            raise BadInput(f"this machine is a node already ({left[-1]}): run it on another one")
        settings = {name: tuned(name).read_text() for name in TUNED if tuned(name).exists()}
        was_there = [str(path) for path in FIXED if path.exists()]
        RECORD.write_bytes(msgspec.json.encode(_Record(str(folder), settings, was_there)))
        try:
            yield
        finally:
            clean()


def clean() -> None:
    """Ends what the written-down node left: pods first, then what held them."""
    if not RECORD.is_file():
        return
    record = msgspec.json.decode(RECORD.read_bytes(), type=_Record)
    groups.empty(PODS_GROUP)
    groups.empty(SYSTEM)
    folder = Path(record.folder)
    _remove_shims(folder)
    _unmount(folder)
    subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)
    for name, value in record.settings.items():
        tuned(name).write_text(value)
    for made in (*(folder / name for name in _MADE), *FIXED):
        if str(made) not in record.was_there:
            shutil.rmtree(made, ignore_errors=True)
    RECORD.unlink()


def _wait_for_turn(held: int) -> None:
    give_up = time.monotonic() + TURN_S
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > give_up:
            raise BadInput(f"another test's node is still up after {TURN_S:g} s")
        time.sleep(0.2)


def tuned(name: str) -> Path:
    """Where the kernel shows a setting."""
    return Path("/proc/sys") / name


def _remove_shims(folder: Path) -> None:
    """What killed shims and their runc left in a place that all containerds share."""
    for address in folder.glob("state/io.containerd.runtime.v2.task/*/*/address"):
        Path(address.read_text().strip().removeprefix("unix://")).unlink(missing_ok=True)
        shutil.rmtree(_RUNTIME / "runc/k8s.io" / address.parent.name, ignore_errors=True)


def _unmount(folder: Path) -> None:
    """Root file systems, volumes and network namespaces, the newest first."""
    lines = Path("/proc/mounts").read_text().splitlines()
    mounted = [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]
    for where in reversed(mounted):
        subprocess.run(["umount", "--lazy", where], capture_output=True, check=False)
