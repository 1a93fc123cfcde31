"""The state's file: whole or not at all, and no file makes a run fail, loop, grow or run code."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictor.adapters import state_file
from predictor.adapters.state_file import read_state, write_state
from predictor.core.forecast import ForecastSettings, ForecastState, advance, warmed_up
from predictor.core.history import History
from slacktide.errors import BadInput
from tests.predictor.conftest import small_fleet

DAY_S = 86_400
QUICK = ForecastSettings(horizons_s=(3_600,), learn_every_s=6 * 3_600)
Members = dict[str, Any]


@pytest.fixture(scope="module")
def past() -> History:
    whole = small_fleet(days=6, pods=6, nodes=2)
    return replace(whole, series=tuple(f"shop/pod-{n}/app" for n in range(6)))


@pytest.fixture(scope="module")
def learned(past: History) -> ForecastState:
    state = warmed_up(past, 5 * DAY_S, QUICK)
    assert state is not None
    return state


@pytest.fixture
def file(tmp_path: Path, past: History, learned: ForecastState) -> Path:
    path = tmp_path / "state.npz"
    write_state(path, learned, past, QUICK)
    return path


def test_what_was_written_is_read(file: Path, past: History, learned: ForecastState) -> None:
    state, _, why = read_state(file, past, QUICK)
    assert why == ""
    assert state is not None
    _, one = advance(state, past, 5 * DAY_S, QUICK)
    _, other = advance(learned, past, 5 * DAY_S, QUICK)
    assert one.peak_cpu_cores.tobytes() == other.peak_cpu_cores.tobytes()
    assert list(file.parent.iterdir()) == [file], "no draft is left beside it"


def test_numpy_opens_it_and_the_header_says_what_it_is(file: Path) -> None:
    with np.load(file, allow_pickle=False) as inside:
        header = json.loads(inside["header"].tobytes())
    assert header["made_by"].startswith("slacktide ")
    assert (header["from_s"], header["until_s"]) == (DAY_S, 5 * DAY_S - 6 * 3_600)
    assert header["series"][0] == "shop/pod-0/app"


def test_the_same_state_gives_the_same_bytes(
    file: Path, past: History, learned: ForecastState
) -> None:
    before = file.read_bytes()
    write_state(file, learned, past, QUICK)
    assert file.read_bytes() == before


def test_no_file_is_no_state_and_says_so(tmp_path: Path, past: History) -> None:
    state, history, why = read_state(tmp_path / "none.npz", past, QUICK)
    assert (state, why) == (None, f"{tmp_path / 'none.npz'} is not there yet")
    assert history is past


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    file: Path, past: History, learned: ForecastState
) -> None:
    before = file.read_bytes()
    with pytest.raises(BadInput, match="cannot be written"):
        write_state(file / "below", learned, past, QUICK)
    assert file.read_bytes() == before


def members_of(file: Path) -> Members:
    with np.load(file) as inside:
        return dict(inside)


def sealed(members: Members) -> bytes:
    """A file with the checksum its members ask for, as a forger would write it."""
    columns = {n: m for n, m in members.items() if n not in {"header", "sha256"}}
    checksum = state_file._checksum(members["header"], columns)
    content = io.BytesIO()
    np.savez(content, **{**members, "sha256": np.frombuffer(checksum, dtype=np.uint8)})
    return content.getvalue()


def without(name: str) -> Callable[[Path], bytes]:
    def made(file: Path) -> bytes:
        content = io.BytesIO()
        np.savez(content, **{n: m for n, m in members_of(file).items() if n != name})
        return content.getvalue()

    return made


def with_member(name: str, value: Callable[[Members], Any]) -> Callable[[Path], bytes]:
    def made(file: Path) -> bytes:
        members = members_of(file)
        return sealed({**members, name: value(members)})

    return made


def with_header(text: bytes) -> Callable[[Path], bytes]:
    return with_member("header", lambda _: np.frombuffer(text, dtype=np.uint8))


def zipped(name: str, content: bytes, *, how: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as archive:
        archive.writestr(name, content)
    return made.getvalue()


def npy(value: Any, **more: Any) -> bytes:
    made = io.BytesIO()
    np.save(made, value, **more)
    return made.getvalue()


def huge(file: Path) -> bytes:
    """A column that claims 8 EiB."""
    del file
    head = io.BytesIO()
    told = {"descr": "<f8", "fortran_order": False, "shape": (1 << 60,)}
    np.lib.format.write_array_header_1_0(head, told)
    return zipped("float64.npy", head.getvalue())


class Runs:
    """What a pickle does to those who load it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was run",))


HOSTILE: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty": (lambda _: b"", "cannot be read: File is not a zip file"),
    "text": (lambda _: b"made with love", "cannot be read"),
    "half": (lambda f: f.read_bytes()[: f.stat().st_size // 2], "cannot be read"),
    "no header": (without("header"), "is no saved state"),
    "no checksum": (without("sha256"), "is no saved state"),
    "pickle": (lambda _: pickle.dumps(Runs()), "cannot be read"),
    "pickled objects": (
        lambda _: zipped("float64.npy", npy(np.array([Runs()]), allow_pickle=True)),
        "is damaged: float64 is no column of float64",
    ),
    "huge shape": (huge, "is damaged: float64 is no column of float64"),
    "zip bomb": (
        lambda _: zipped("float64.npy", bytes(1 << 24), how=zipfile.ZIP_DEFLATED),
        "claims to hold more than it is long",
    ),
    "strange name": (lambda _: zipped("../../evil.npy", npy(np.zeros(2))), "is no saved state"),
    "wrong type": (
        with_member("float32", lambda m: m["float32"].astype(np.float64)),
        "float32 is no column of float32",
    ),
    "table": (
        with_member("float64", lambda m: m["float64"][None]),
        "is damaged: float64 is no column of float64",
    ),
    "fewer": (with_member("float32", lambda m: m["float32"][:9]), "larger than what the file"),
    "other bits": (
        lambda f: f.read_bytes().replace(b'"made_by": "slacktide', b'"made_by": "somebody!', 1),
        "cannot be read: Bad CRC-32",
    ),
    "no json": (with_header(b"{"), "is damaged: Expecting property name"),
    "no text": (with_header(b"\xff\xfe\xfa"), "is damaged: "),
    "deep json": (with_header(b"[" * 100_000), "maximum recursion depth"),
    "a list": (with_header(b"[]"), "is no saved state"),
    "another version": (with_header(b'{"version": 99}'), "is of version 99, not 1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_reason_and_a_fresh_start(file: Path, past: History, name: str) -> None:
    make, expected = HOSTILE[name]
    file.write_bytes(make(file))
    state, history, why = read_state(file, past, QUICK)
    assert state is None
    assert history is past
    assert why.startswith(f"{file} ")
    assert expected in why


def test_a_checksum_finds_what_zip_does_not(file: Path, past: History) -> None:
    members = members_of(file)
    members["float64"] = members["float64"] * 2
    content = io.BytesIO()
    np.savez(content, **members)
    file.write_bytes(content.getvalue())
    assert read_state(file, past, QUICK)[2] == f"{file} is damaged: its checksum is another"


def test_a_file_above_the_limit_is_not_read(file: Path, past: History) -> None:
    size = file.stat().st_size
    why = read_state(file, past, QUICK, most_bytes=size - 1)[2]
    assert why == f"{file} has {size} bytes, more than {size - 1}"
    assert read_state(file, past, QUICK, most_bytes=size)[2] == ""


def test_a_folder_in_its_place_is_said(tmp_path: Path, past: History) -> None:
    assert "cannot be read" in read_state(tmp_path, past, QUICK)[2]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.sampled_from([None, *range(8)]))
def test_no_flipped_bit_and_no_cut_is_taken_for_a_state_or_raises(
    file: Path, past: History, learned: ForecastState, at: float, bit: int | None
) -> None:
    whole = file.read_bytes()
    place = int(at * len(whole))
    torn = bytearray(whole)
    if bit is None:
        del torn[place:]
    else:
        torn[place] ^= 1 << bit
    broken = file.with_name("broken.npz")
    broken.write_bytes(torn)
    state, _, why = read_state(broken, past, QUICK)
    assert (state is None) == bool(why)
    if state is not None:  # a bit of the archive's own bookkeeping that says nothing
        assert state.cpu.fitted_s == learned.cpu.fitted_s
        assert state.at_s == learned.at_s
