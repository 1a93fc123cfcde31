"""Files that are there whole or not at all: written beside their place, then moved into it.

They are on the disk before they are named, so that a machine that loses its power keeps the old
file or the new one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from slacktide.errors import BadInput

DRAFT: Final = ".tmp"  # ends a draft's name, which begins with a dot


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Replaces the file, or leaves the old one as it was.

    Raises:
        BadInput: it cannot be written, and why.
    """
    draft = path.with_name(f".{path.name}{DRAFT}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise _refusal(path, error) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """The folder and those above it, unless they are there. Raises `BadInput`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> BadInput:
    why = os.strerror(error.errno) if error.errno else str(error)
    return BadInput(f"{path}: cannot be written: {why}")
