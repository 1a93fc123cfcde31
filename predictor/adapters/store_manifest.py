"""store.json: what a whole history has in common, written once when it is begun.

Two intervals or two numbers of shards in one folder would mix samples that mean different things,
so what does not fit is refused, never converted.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from predictor.adapters.whole_files import make_folder, write_whole
from slacktide.errors import BadInput

FILE: Final = "store.json"
VERSION: Final = 1
SHARDS: Final = 16  # of 100,000 containers and two weeks each is read into under a GiB
MOST_SHARDS: Final = 4_096
INTERVAL_S: Final = 300


@dataclass(frozen=True, slots=True)
class Manifest:
    """The fixed facts of a history."""

    version: int = VERSION
    interval_s: int = INTERVAL_S  # between samples
    shards: int = SHARDS  # folders a day


def read_manifest(root: Path) -> Manifest | None:
    """The manifest, or None where nothing was stored yet.

    Raises:
        BadInput: it is torn, of another version, or missing beside samples.
    """
    file = root / FILE
    if not file.is_file():
        if any(root.glob("cluster=*/day=*")):
            raise BadInput(f"{root}: has samples and no {FILE}; collect into a new folder")
        return None
    try:
        found = Manifest(**json.loads(file.read_bytes()))
        fits = 1 <= found.shards <= MOST_SHARDS and 1 <= found.interval_s <= 86_400
    except (OSError, ValueError, TypeError, RecursionError) as why:
        example = json.dumps(asdict(Manifest()))
        raise BadInput(f"{file} is torn; put its content back, such as {example}") from why
    if found.version != VERSION:
        raise BadInput(
            f"{file}: version {found.version} was written by another slacktide, this one knows"
            f" {VERSION}; collect into a new folder"
        )
    if not fits:
        raise BadInput(f"{file}: {found} is not possible; put its content back")
    return found


def begin(root: Path, wanted: Manifest) -> Manifest:
    """The manifest that is there, or else `wanted`, written. Raises `BadInput` as above."""
    found = read_manifest(root)
    if found is None:
        make_folder(root)
        write_whole(root / FILE, json.dumps(asdict(wanted)).encode() + b"\n")
        return wanted
    return found
