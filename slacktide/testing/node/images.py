"""Images without a registry: a docker-archive of one layer, for `ctr images import`.

`BUSYBOX` is Debian's static busybox; each pod's sandbox runs it too. `HOST` has nothing but the
links of a merged /usr: with the machine's own /usr mounted, any program of it runs in a pod.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_REGISTRY: Final = "slacktide.test"


@dataclass(frozen=True, slots=True)
class Image:
    """One layer: what lies in it, and what runs where a pod does not say."""

    tag: str
    programs: Mapping[str, Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ("dev", "proc", "sys", "tmp", "etc")
    command: Sequence[str] = ()

    @property
    def name(self) -> str:
        """As a pod names it."""
        return f"{_REGISTRY}/{self.tag}:1"


BUSYBOX: Final = Image(
    "busybox",
    programs={"bin/busybox": Path("/usr/bin/busybox")},
    links={f"bin/{name}": "busybox" for name in ("sh", "sleep", "dd", "yes", "cat", "httpd")},
    command=("/bin/busybox", "sleep", "2147483647"),
)
HOST: Final = Image(
    "host",
    links={name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")},
    folders=("dev", "proc", "sys", "tmp", "etc", "usr", "run", "var/log", "var/lib"),
)
IMAGES: Final = (BUSYBOX, HOST)


def write_archive(image: Image, file: Path) -> None:
    """The image as `docker save` would write it."""
    layer = _layer(image)
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": list(image.command), "Env": ["PATH=/usr/bin:/usr/sbin:/bin:/sbin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}"]},
        }
    )
    named = f"{_sha256(config)}.json"
    manifest = [{"Config": named, "RepoTags": [image.name], "Layers": ["layer.tar"]}]
    with tarfile.open(file, "w") as archive:
        for name, content in (
            ("layer.tar", layer),
            (named, config),
            ("manifest.json", _json(manifest)),
        ):
            _add(archive, name, content)


def _layer(image: Image) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as layer:
        for name in image.folders:
            _add(layer, name, kind=tarfile.DIRTYPE)
        for name, source in image.programs.items():
            _add(layer, name, source.read_bytes())
        for name, target in image.links.items():
            _add(layer, name, kind=tarfile.SYMTYPE, target=target)
    return held.getvalue()


def _add(
    archive: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.type, entry.linkname = len(content), 0o755, kind, target
    archive.addfile(entry, io.BytesIO(content))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
