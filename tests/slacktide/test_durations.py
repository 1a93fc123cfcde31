"""Durations as people write them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from slacktide.durations import DURATION, HORIZON, LONGEST_S, parse_duration_s

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("24h", 86_400),
        ("1.5h", 5_400),
        ("2d", 172_800),
        ("1w", 604_800),
        (" 5m ", 300),
        ("0.6s", 1),
        ("400d", LONGEST_S),
        ("000000001s", 1),
    ],
)
def test_a_duration_is_read_in_whole_seconds(text: str, seconds: int) -> None:
    assert parse_duration_s(text) == seconds


@given(amount=st.integers(1, 50), unit=st.sampled_from(sorted(UNITS)))
def test_every_unit_counts_as_it_is_called(amount: int, unit: str) -> None:
    assert parse_duration_s(f"{amount}{unit}") == amount * UNITS[unit]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "h", "1 h", "-1h", "+1h", "1e3s", "1h30m", "1H", "1y", "one", "1.h", ".5h", "inf",
        "nan", "1,5h", "\u0661s", "1.0000000s", "1234567890", "0x10", "1hh",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration \(examples: 90s, 15m, 24h, 2d\)"):
        parse_duration_s(text)


@pytest.mark.parametrize("text", ["0", "0s", "0.4s", "401d", "999999999w", "0.000001s"])
def test_what_is_too_short_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not between 1s and 400d"):
        parse_duration_s(text)


@given(st.text(max_size=20))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    try:
        seconds = parse_duration_s(text)
    except ValueError as refusal:
        assert repr(text) in str(refusal)  # noqa: PT017  either outcome will do
    else:
        assert 1 <= seconds <= LONGEST_S


@click.command()
@click.option("--every", type=DURATION, default="3h")
@click.option("--horizon", type=HORIZON, default="24h")
def command(every: int, horizon: int) -> None:
    """Says what it was given."""
    click.echo(f"{every} {horizon}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "10800 86400\n"),
        (["--every", "90s", "--horizon", "60m"], "90 3600\n"),
        (["--horizon", "7d"], "10800 604800\n"),
        (["--horizon", "1w"], "10800 604800\n"),
    ],
)
def test_an_option_gives_seconds(words: list[str], said: str) -> None:
    answer = CliRunner().invoke(command, words)
    assert (answer.exit_code, answer.stdout) == (0, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--every", "soon"], "Invalid value for '--every': 'soon' is no duration"),
        (["--every", "0s"], "'0s' is not between 1s and 400d"),
        (["--horizon", "90m"], "'90m' is no multiple of 1h up to 7d"),
        (["--horizon", "169h"], "'169h' is no multiple of 1h up to 7d"),
        (["--horizon", "soon"], "'soon' is no duration"),
    ],
)
def test_a_wrong_option_is_named(words: list[str], said: str) -> None:
    answer = CliRunner().invoke(command, words)
    assert answer.exit_code == 2
    assert said in answer.stderr
