"""The book of pods on disk: whole or not at all, and nothing but a book."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.adapters.book_file import MOST_BYTES, decoded, read_book, write_book
from qos_controller.core.pods import Book, Feed, Pod, Slo
from slacktide.errors import BadInput

AMOUNT = st.none() | st.floats(0, 1e15, allow_nan=False)
PODS = st.builds(
    Pod,
    uid=st.uuids().map(str),
    namespace=st.text(max_size=20),
    name=st.text(max_size=20),
    batch=st.booleans(),
    qos_class=st.sampled_from(["LSE", "LSR", "LS", "BE"]),
    cpu_limit_cores=AMOUNT,
    batch_cpu_cores=AMOUNT,
    checkpoint_s=AMOUNT,
    priority=st.integers(-(2**31), 2**31),
    ips=st.lists(st.ip_addresses().map(str), max_size=2).map(tuple),
    slo=st.none() | st.just(Slo(bound_s=0.03)),
    feed=st.none() | st.just(Feed(kind="http", where="http://127.0.0.1/")),
)
POD = Pod(uid="a", namespace="n", name="p", batch=True)


@given(st.lists(PODS, max_size=5, unique_by=lambda pod: pod.uid), st.booleans())
def test_what_was_written_is_read(pods: list[Pod], off: bool) -> None:
    book = Book(node="node-1", written_s=1_000.5, pods=tuple(pods), off=off)
    assert decoded(msgspec.json.encode(book)) == book


def test_a_book_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "pods.json"
    for when in (1.0, 2.0):
        write_book(file, Book(node="n", written_s=when, pods=(POD,)))
    assert read_book(file).written_s == 2.0
    assert [one.name for one in tmp_path.iterdir()] == ["pods.json"]


def text(**fields: object) -> bytes:
    """A book with one pod that has these fields too."""
    pod = {"uid": "a", "namespace": "n", "name": "p", "batch": True} | fields
    return msgspec.json.encode({"node": "n", "written_s": 1.0, "pods": [pod]})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "truncated"),
        (b"{}", "missing required field"),
        (b"\xff\xfe", "no book"),
        (b"[" * 100_000, "no book"),
        (b" " * (MOST_BYTES + 1), "at most"),
        (text(uid="../../etc"), "its UID is none"),
        (text(uid=""), "its UID is none"),
        (text(uid="a" * 100), "its UID is none"),
        (text(qos_class="GOLD"), "its class is 'GOLD'"),
        (text(cpu_limit_cores=-1), "cpu_limit_cores is -1, below 0"),
        (text(cpu_limit_cores="2"), "Expected `float | null`"),
        (text(slo={"bound_s": 0.0}), "SLO can never be kept"),
        (text(slo={"bound_s": 1.0, "quantile": 1.0}), "SLO can never be kept"),
        (text(feed={"kind": "carrier pigeon"}), "Invalid enum value"),
    ],
)
def test_what_is_no_book_is_refused_in_words(body: bytes, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        decoded(body)
    assert said in str(refused.value)


def test_the_same_pod_twice_is_no_book() -> None:
    with pytest.raises(BadInput, match="stands there twice"):
        decoded(msgspec.json.encode(Book(node="n", written_s=1.0, pods=(POD, POD))))


@pytest.mark.parametrize("amount", [math.nan, math.inf, -1.0])
def test_a_book_that_nobody_could_read_is_not_written(tmp_path: Path, amount: float) -> None:
    file = tmp_path / "pods.json"
    write_book(file, Book(node="n", written_s=1.0, pods=(POD,)))
    bad = Pod(uid="b", namespace="n", name="p", batch=True, started_s=amount)
    with pytest.raises(BadInput):
        write_book(file, Book(node="n", written_s=2.0, pods=(bad,)))
    assert read_book(file).pods == (POD,)


def test_no_file_is_said_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"pods.json: no book of pods: No such file"):
        read_book(tmp_path / "pods.json")
