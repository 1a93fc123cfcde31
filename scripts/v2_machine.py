"""The agent on pure cgroup v2: a small virtual machine boots, runs its tests and scenes, and ends.

    python -m scripts.v2_machine                 the tests, then the scenes
    python -m scripts.v2_machine scenes
    python -m scripts.v2_machine --command "cat /sys/fs/cgroup/cgroup.controllers"

It needs Debian's qemu-system-x86 and nothing of the machine's own cgroups: inside is Debian's
kernel with cgroup v2 alone, and this machine's files below a layer in memory. The processor is
emulated, so what is measured inside says that it works and nothing about how fast.

Always holds: nothing is written outside a temporary folder and the kernel's place in the cache;
the machine ends with this process; the exit code is that of what ran inside.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from scripts.v2_boot import ENDED, kernel, write_initramfs
from slacktide.errors import BadInput

ROOT: Final = Path(__file__).resolve().parent.parent
QEMU: Final = "qemu-system-x86_64"
MEMORY_MIB: Final = 1_536
DISK_MIB: Final = 512
BOOT: Final = "console=ttyS0 psi=1 quiet panic=-1 mitigations=off random.trust_cpu=on"
PARTS: Final = ("tests", "scenes")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--command", default="", help="Of the shell, instead; in the project's folder.")
@click.option("--limit-s", type=click.IntRange(30), default=900, show_default=True)
def v2_machine(parts: tuple[str, ...], command: str, limit_s: int) -> None:
    """Run the drivers' tests and the agent's scenes on cgroup v2 alone."""
    if not shutil.which(QEMU):
        raise BadInput("no qemu: apt-get install --no-install-recommends qemu-system-x86")
    with tempfile.TemporaryDirectory(prefix="slacktide-v2-") as made:
        folder = Path(made)
        click.echo("Debian's kernel, an initramfs, a disk ...", err=True)
        image, modules = kernel(_cache())
        inside = f"{_python()} -m scripts.v2_inside {' '.join(parts or PARTS)}"
        write_initramfs(folder / "initramfs", modules, _in_project(command or inside))
        _make_disk(folder / "disk")
        sys.exit(booted(folder, image, limit_s=limit_s))


def booted(folder: Path, image: Path, *, limit_s: float) -> int:
    """Boots and prints what the machine says; the exit code of what ran inside.

    Raises:
        BadInput: when it does not end in time, or ends without a word.
    """
    began_s = time.monotonic()
    code: int | None = None
    with subprocess.Popen(
        _qemu(folder, image), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as machine:
        try:
            for line in _lines(machine, until_s=began_s + limit_s):
                if found := re.search(rf"{ENDED} (\d+)", line):
                    code = int(found[1])
                else:
                    click.echo(line)
        finally:
            machine.kill()
    if code is None:
        raise BadInput("the machine ended before its work; what it said is above")
    click.echo(f"the machine ended after {time.monotonic() - began_s:.0f} s with {code}", err=True)
    return code


def _lines(machine: subprocess.Popen[str], *, until_s: float) -> Iterator[str]:
    """What it says, a line at a time; a watchman ends it when its time is up."""
    assert machine.stdout is not None  # noqa: S101  it is a pipe
    watchman = threading.Timer(until_s - time.monotonic(), machine.kill)
    watchman.start()
    try:
        yield from (line.rstrip() for line in machine.stdout)
    finally:
        watchman.cancel()


def _qemu(folder: Path, image: Path) -> list[str]:
    host = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    return [
        *("setpriv", "--pdeathsig", "KILL", "--", "nice", "-n", "5", QEMU),
        *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB)),
        *("-kernel", str(image), "-initrd", str(folder / "initramfs"), "-append", BOOT),
        *("-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"),
        *("-nic", "none", "-virtfs", host),
        *("-drive", f"file={folder / 'disk'},if=virtio,format=raw,cache=unsafe"),
    ]


def _make_disk(file: Path) -> None:
    with file.open("wb") as made:
        made.truncate(DISK_MIB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", file], check=True)


def _python() -> str:
    return str(Path(sys.prefix) / "bin/python")


def _in_project(command: str) -> str:
    says = "PYTHONPATH=. PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1"
    return f"cd {ROOT} && export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin {says} && {command}"


def _cache() -> Path:
    home = Path(os.environ.get("SLACKTIDE_CACHE") or Path.home() / ".cache" / "slacktide")
    home.mkdir(parents=True, exist_ok=True)
    return home


if __name__ == "__main__":
    try:
        v2_machine()
    except BadInput as error:
        click.echo(f"v2_machine: {error}", err=True)
        sys.exit(2)
