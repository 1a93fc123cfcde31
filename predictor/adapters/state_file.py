"""A forecast's state in one file, so that the next run goes on where this one ended.

The file is an `.npz` anyone can open with NumPy: a JSON header, one column for each dtype, and a
SHA-256 over all of them. It is replaced whole or not at all. A file that cannot be used is never an
error: the run says why and learns from the history again. Always holds: nothing is unpickled, and
no more is read into memory than the file is long, whatever it claims.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from predictor.adapters.whole_files import write_whole
from predictor.core.forecast import ForecastSettings, ForecastState
from predictor.core.history import History
from predictor.core.saved import Columns, Saved, Unsound, restored, saved
from slacktide import __version__
from slacktide.messages import BoolArray

MOST_BYTES: Final = 4 << 30  # a quarter's moments of some ten thousand nodes
HEADER, CHECKSUM = "header", "sha256"
DTYPES: Final = frozenset({"bool", "int64", "uint64", "float32", "float64"})


def write_state(
    path: Path, state: ForecastState, history: History, settings: ForecastSettings
) -> None:
    """Replaces the file. Raises `BadInput` where it cannot be written."""
    made = saved(state, history, settings, made_by=f"slacktide {__version__}")
    header = np.frombuffer(json.dumps(made.header).encode(), dtype=np.uint8)
    checksum = np.frombuffer(_checksum(header, made.columns), dtype=np.uint8)
    content = BytesIO()
    members: Any = {HEADER: header, CHECKSUM: checksum, **made.columns}
    np.savez(content, **members)
    write_whole(path, content.getbuffer())


def read_state(
    path: Path, history: History, settings: ForecastSettings, *, most_bytes: int = MOST_BYTES
) -> tuple[ForecastState | None, History, str]:
    """The state, the history in its order and ""; or None, the history and why there is none."""
    if not path.exists():
        return None, history, f"{path} is not there yet"
    try:
        state, ordered = restored(_read(path, most_bytes), history, settings)
    except Unsound as why:
        return None, history, f"{path} {why}"
    return state, ordered, ""


def _read(path: Path, most_bytes: int) -> Saved:
    """What the file holds, checked as bytes. Raises `Unsound`."""
    try:
        size = path.stat().st_size
        if size > most_bytes:
            raise Unsound(f"has {size} bytes, more than {most_bytes}")
        with zipfile.ZipFile(path) as archive:
            inside = archive.infolist()
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in inside)
            if not stored or sum(member.file_size for member in inside) > size:
                raise Unsound("is damaged: it claims to hold more than it is long")
            members = {m.filename.removesuffix(".npy"): _member(archive, m) for m in inside}
        header, checksum = members.pop(HEADER), members.pop(CHECKSUM)
        if checksum.tobytes() != _checksum(header, members):
            raise Unsound("is damaged: its checksum is another")
        told = json.loads(header.tobytes())
    except KeyError as why:
        raise Unsound("is no saved state") from why
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as why:
        raise Unsound(f"cannot be read: {why}") from why
    except (ValueError, RecursionError) as why:
        raise why if isinstance(why, Unsound) else Unsound(f"is damaged: {why}") from why
    if not isinstance(told, dict):
        raise Unsound("is no saved state")
    return Saved(told, members)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One column [n]: the bytes NumPy writes before one, which are compared and never parsed."""
    name = member.filename.removesuffix(".npy")
    if name not in DTYPES and name not in {HEADER, CHECKSUM}:
        raise Unsound("is no saved state")
    dtype: np.dtype[Any] = np.dtype(name if name in DTYPES else np.uint8)
    content = archive.read(member)
    count = (len(content) - BEFORE_BYTES) // dtype.itemsize
    before = _before(dtype, max(count, 0))
    if len(content) != BEFORE_BYTES + count * dtype.itemsize or not content.startswith(before):
        raise Unsound(f"is damaged: {name} is no column of {dtype}")
    if dtype == np.bool_:  # any other byte than 0 and 1 would be a third truth
        truth: BoolArray = np.frombuffer(content, dtype=np.uint8, offset=BEFORE_BYTES) != 0
        return truth
    return np.frombuffer(content, dtype=dtype, offset=BEFORE_BYTES)


def _before(dtype: np.dtype[Any], count: int) -> bytes:
    written = BytesIO()
    told = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)}
    npy.write_array_header_1_0(written, told)
    return written.getvalue()


BEFORE_BYTES: Final = len(_before(np.dtype(np.float64), 0))


def _checksum(header: NDArray[np.uint8], columns: Columns) -> bytes:
    total = hashlib.sha256(header.tobytes())
    for name in sorted(columns):
        total.update(name.encode())
        total.update(columns[name].data)
    return total.digest()
