"""What a small virtual machine boots from: Debian's kernel, and an initramfs made here.

The kernel is fetched by apt into the user's cache and never installed. The initramfs holds a
static busybox, the modules that it takes to see this machine's files over 9p, and a script that
lays a layer in memory over them, so that nothing done inside is seen outside.
"""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from slacktide.errors import BadInput

KERNEL: Final = "linux-image-amd64"  # the cloud flavour has no 9p
MODULES: Final = (
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "virtio_blk",
    "crc32c_generic",
    "ext4",
    "bfq",
)
BUSYBOX: Final = Path("/usr/bin/busybox")
ENDED: Final = "V2-MACHINE-ENDED"

_INIT: Final = """\
#!/bin/busybox sh
set -e
/bin/busybox mkdir -p /proc /sys /dev /lower /upper /new
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in {modules}; do /bin/busybox insmod /modules/$module.ko; done
/bin/busybox mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 host /lower
/bin/busybox mount -t tmpfs -o size=512m tmpfs /upper
/bin/busybox mkdir /upper/files /upper/work
/bin/busybox mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work all /new
/bin/busybox mount -t proc proc /new/proc
/bin/busybox mount -t sysfs sysfs /new/sys
/bin/busybox mount -t devtmpfs devtmpfs /new/dev
/bin/busybox mount -t tmpfs tmpfs /new/run
/bin/busybox mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
/bin/busybox mount -t ext4 /dev/vda /new/mnt
/bin/busybox ip link set lo up
set +e
/bin/busybox chroot /new /bin/sh -c '{command}'
/bin/busybox echo {ended} $?
/bin/busybox poweroff -f
"""


def kernel(cache: Path) -> tuple[Path, Path]:
    """Debian's kernel and the folder of its modules; fetched into `cache` where it is not there.

    Raises:
        BadInput: where apt cannot fetch it.
    """
    package = _newest()
    folder = cache / package
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            _tell(["apt-get", "download", "-q", package], cwd=scratch)
            [archive] = Path(scratch).glob("*.deb")
            _tell(["dpkg", "-x", str(archive), f"{scratch}/files"], cwd=scratch)
            Path(scratch, "files").rename(folder)
    [image] = folder.glob("boot/vmlinuz-*")
    [modules] = folder.glob("lib/modules/*")
    return image, modules


def _newest() -> str:
    said = _tell(["apt-cache", "depends", KERNEL])
    found = re.search(r"Depends: (linux-image-\S+)", said)
    if not found:
        raise BadInput(f"apt knows no {KERNEL}: apt-get update")
    return found[1]


def _tell(command: list[str], cwd: str | None = None) -> str:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise BadInput(f"{' '.join(command)}: {ran.stderr.strip()}")
    return ran.stdout


def write_initramfs(file: Path, modules: Path, command: str) -> None:
    """An archive that boots into `command`, run in this machine's files.

    Args:
        file: written.
        modules: the kernel's folder of modules.
        command: of the shell; no single quote in it.
    """
    chosen = in_order(modules, MODULES)
    init = _INIT.format(modules=" ".join(m.stem for m in chosen), command=command, ended=ENDED)
    entries = [
        ("init", 0o100755, init.encode()),
        ("bin", 0o040755, b""),
        ("modules", 0o040755, b""),
    ]
    entries.append(("bin/busybox", 0o100755, BUSYBOX.read_bytes()))
    entries += [(f"modules/{m.name}", 0o100644, m.read_bytes()) for m in chosen]
    file.write_bytes(gzip.compress(_cpio(entries), compresslevel=1))


def in_order(modules: Path, names: Iterable[str]) -> list[Path]:
    """The modules and all that they depend on, each after what it needs."""
    there = {_plain(path.stem): path for path in modules.rglob("*.ko")}
    ordered: dict[str, Path] = {}

    def add(name: str) -> None:
        if name in there and name not in ordered:  # a module that is built in needs no file
            for needed in _needs(there[name]):
                add(needed)
            ordered[name] = there[name]

    for name in names:
        add(name)
    return list(ordered.values())


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _needs(module: Path) -> list[str]:
    """As the module says itself, in its section `.modinfo`; then what it wants beforehand."""
    content = module.read_bytes()
    found = [b"depends", b"softdep"]
    said = {key: re.search(rb"\0" + key + rb"=([^\0]*)\0", content) for key in found}
    depends = said[b"depends"]
    names = depends[1].decode().split(",") if depends and depends[1] else []
    soft = said[b"softdep"]
    names += soft[1].decode().removeprefix("pre:").split() if soft else []
    return [_plain(name) for name in names]


def _cpio(entries: Iterable[tuple[str, int, bytes]]) -> bytes:
    """The "newc" archive that kernels unpack (Documentation/driver-api/early-userspace)."""
    held = io.BytesIO()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        held.write(b"070701" + b"".join(b"%08X" % value for value in fields))
        held.write(name.encode() + b"\0")
        held.write(b"\0" * (-held.tell() % 4))
        held.write(content)
        held.write(b"\0" * (-held.tell() % 4))
    return held.getvalue()
