"""One writer of a cluster's history at a time; the kernel frees the lock of a process that died."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from predictor.adapters.whole_files import make_folder
from slacktide.errors import BadInput


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Waits until no other process writes in this folder, which is made where it is missing.

    Not to be nested: a second lock of the same folder waits for the first.

    Raises:
        BadInput: the folder cannot be written.
    """
    make_folder(folder)
    try:
        lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
