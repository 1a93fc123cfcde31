from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slacktide.errors import BadInput
from slacktide.quantity import (
    MAX_LENGTH,
    format_bytes,
    format_cpu_cores,
    milli_cores,
    parse,
    parse_bytes,
    parse_cpu_cores,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", "0.25"),
        ("2", "2"),
        (2, "2"),
        (0.5, "0.5"),
        ("1.5Gi", "1610612736"),
        ("12e6", "12000000"),
        ("12E6", "12000000"),
        ("1E", "1000000000000000000"),
        ("100n", "1e-7"),
        ("3u", "0.000003"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+1k", "1000"),
        ("-1Ki", "-1024"),
        ("1e-3", "0.001"),
    ],
)
def test_a_quantity_is_read_exactly(text: str | float, value: str) -> None:
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "1 Gi", "Gi", "1gi", "1KiB", "1mm", "--1", "1e", "1e999", "0x10", "nan", "inf",
     "1_000", "\u0661", "1" * (MAX_LENGTH + 1), True, "1\n"],
)  # fmt: skip
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not a quantity"):
        parse(text)


@pytest.mark.parametrize("read", [parse_cpu_cores, parse_bytes])
def test_a_negative_resource_is_refused(read: object) -> None:
    with pytest.raises(BadInput, match="cannot be negative"):
        read("-1")  # type: ignore[operator]  # both functions take a text


@given(st.integers(min_value=0, max_value=2**62))
def test_bytes_survive_being_written_and_read(size_bytes: int) -> None:
    assert parse_bytes(format_bytes(size_bytes)) == size_bytes


@given(st.integers(min_value=0, max_value=10**9))
def test_milli_cores_survive_being_written_and_read(milli: int) -> None:
    assert milli_cores(parse_cpu_cores(format_cpu_cores(milli / 1000))) == milli


@given(st.floats(min_value=0, max_value=1e6))
def test_written_cores_are_never_fewer_than_asked_beyond_a_micro_core(cores: float) -> None:
    written = parse(format_cpu_cores(cores))
    assert written - Decimal(cores) + Decimal("1e-6") >= 0
    assert written - Decimal(cores) <= Decimal("0.001001")


@given(st.decimals(min_value=0, max_value=10**6, places=3), st.sampled_from(["", "m", "k", "Ki"]))
def test_reading_multiplies_by_the_suffix(number: Decimal, suffix: str) -> None:
    unit = Decimal({"": "1", "m": "0.001", "k": "1000", "Ki": "1024"}[suffix])
    assert parse(f"{number}{suffix}") == number * unit


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_never_a_crash(text: str) -> None:
    try:
        value = parse(text)
    except BadInput:
        return
    assert value.is_finite()
