"""What shards learned is kept beside a history: the next day goes on where this one ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from predictor.adapters.embedded_runner import embedded
from predictor.core.fit import Fitted, Question
from predictor.core.stored_trace import WEEK_S, origin_of
from slacktide.errors import BadInput
from tests.predictor.stored_fleet import DAY_S, stored_fleet


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    stored_fleet(root, days=6, pods=12)
    return root


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Question:
    return stored_fleet(tmp_path_factory.mktemp("same"), days=6, pods=12)


@pytest.fixture(scope="module")
def anew(store: Path, asked: Question) -> Fitted:
    return embedded(store, asked, processes=1)


def test_going_on_from_yesterday_says_what_learning_it_all_again_says(
    store: Path,
    asked: Question,
    anew: Fitted,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    yesterday = replace(asked, now_s=asked.now_s - DAY_S)
    state = tmp_path / "state"
    embedded(store, yesterday, processes=1, state=state)
    assert sorted(file.name for file in state.iterdir()) == [f"shard-{k}.npz" for k in range(3)]
    went_on = embedded(store, asked, processes=1, state=state)
    assert "learning" not in capfd.readouterr().err
    assert went_on.forecasts.equals(anew.forecasts)
    assert went_on.use.equals(anew.use)


def test_a_state_goes_on_over_the_end_of_a_week(
    store: Path, asked: Question, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    days = [
        replace(asked, now_s=asked.now_s - ago, history_s=5 * DAY_S - 300) for ago in (DAY_S, 0)
    ]
    assert origin_of(days[0].from_s) == origin_of(days[1].from_s) - WEEK_S
    for day in days:
        found = embedded(store, day, processes=1, state=tmp_path)
    assert "learning" not in capfd.readouterr().err
    assert found.forecasts["ts_s"].to_pylist() == [asked.now_s] * 12
    kept = found.forecasts["peak_cpu_cores"].to_pylist()
    assert all(one is None or 0 < one < 8 for one in kept)
    assert "(realised so far" in found.forecasts["reason"][0].as_py()


def test_a_state_is_used_once_more_at_the_same_time(
    store: Path, asked: Question, anew: Fitted, tmp_path: Path
) -> None:
    for _ in range(2):
        found = embedded(store, asked, processes=1, state=tmp_path)
        assert found.forecasts.equals(anew.forecasts)


def test_a_state_of_a_later_time_is_refused(store: Path, asked: Question, tmp_path: Path) -> None:
    embedded(store, asked, processes=1, state=tmp_path)
    with pytest.raises(BadInput, match=r"was learned until \d+: give a later --at, or delete it"):
        embedded(store, replace(asked, now_s=asked.now_s - DAY_S), processes=1, state=tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"\x00" * 1_000])
def test_a_broken_state_is_said_and_learned_anew(  # noqa: PLR0917  fixtures come by name
    store: Path,
    asked: Question,
    anew: Fitted,
    tmp_path: Path,
    content: bytes,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "shard-1.npz").write_bytes(content)
    found = embedded(store, replace(asked, sizing=None), processes=1, state=tmp_path)
    assert "shard-1.npz" in capfd.readouterr().err
    assert found.forecasts.equals(anew.forecasts)
