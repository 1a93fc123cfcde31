"""A life that was written is read back; what is no life is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.life_note import is_worth_writing, life_of, life_text
from scheduler.core.lifecycle import Life, Phase

seconds = st.integers(1, 4_000_000_000).map(float)
lives = st.builds(
    Life,
    phase=st.sampled_from(Phase),
    reason=st.text(max_size=200),
    submit_s=seconds,
    since_s=seconds,
    not_before_s=st.just(0.0) | seconds,
    runs=st.integers(0, 100),
    preemptions=st.integers(0, 100),
    setbacks=st.integers(0, 100),
    failed_pods=st.integers(0, 100),
    evicted_s=st.none() | seconds,
)
LIFE = Life(phase=Phase.RUNNING, reason="runs", submit_s=10.0, since_s=20.0)


@given(lives)
def test_what_is_written_is_read_back(life: Life) -> None:
    assert life_of(life_text(life)) == life


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "[]",
        "no json",
        life_text(LIFE).replace("running", "walking"),
        life_text(LIFE).replace("1970", "year"),
        life_text(replace(LIFE, reason="x" * 5_000)),
    ],
)
def test_what_is_no_life_counts_as_not_written(text: str | None) -> None:
    assert life_of(text) is None


@given(st.text(max_size=300))
def test_no_text_is_an_error(text: str) -> None:
    assert life_of(text) is None or text.startswith("{")


@pytest.mark.parametrize(
    ("life", "tasks", "worth"),
    [
        (replace(LIFE, phase=Phase.QUEUED), 10, False),
        (replace(LIFE, phase=Phase.ADMITTED), 10, False),
        (LIFE, 1, False),
        (LIFE, 2, True),
        (replace(LIFE, setbacks=1), 1, True),
        (replace(LIFE, phase=Phase.QUEUED, preemptions=1), 1, True),
        (replace(LIFE, evicted_s=5.0), 1, True),
        (replace(LIFE, phase=Phase.FAILED), 1, True),
        (replace(LIFE, phase=Phase.DONE), 10, False),
    ],
)
def test_only_what_pods_do_not_say_is_worth_a_note(life: Life, tasks: int, worth: bool) -> None:
    assert is_worth_writing(life, tasks=tasks) == worth
