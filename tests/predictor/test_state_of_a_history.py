"""Forecasts of a stored history go on from what a folder remembers, a file a shard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from predictor.adapters.embedded_runner import embedded
from predictor.adapters.engine import fitted
from predictor.core.fit import Question
from predictor.core.forecast import ForecastSettings
from predictor.core.stored_trace import origin_of
from slacktide.errors import BadInput
from tests.predictor.stored_fleet import CLUSTER, DAY_S, HOUR_S, stored_fleet

QUICK = ForecastSettings(horizons_s=(HOUR_S, 4 * HOUR_S), learn_every_s=12 * HOUR_S)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Question]:
    root = tmp_path_factory.mktemp("store")
    asked = stored_fleet(root, days=6)
    return root, replace(asked, sizing=None, forecast=QUICK)


def test_a_run_that_goes_on_says_what_one_from_the_start_says(
    store: tuple[Path, Question], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root, asked = store
    learned = tmp_path / "learned"
    before = replace(asked, now_s=asked.now_s - DAY_S)
    assert origin_of(before.from_s) != origin_of(asked.from_s), "they count time differently"
    first = embedded(root, before, processes=1, state=learned)
    said = capfd.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2] for line in said] == ["learning from the history"] * 3
    assert {path.name for path in learned.iterdir()} == {
        f"here%20%26%20there-{shard}.npz" for shard in range(3)
    }
    again = embedded(root, asked, processes=1, state=learned)
    assert capfd.readouterr().err == ""
    assert first.forecasts.equals(embedded(root, before, processes=1).forecasts)
    assert again.forecasts.equals(embedded(root, asked, processes=1).forecasts)


def test_going_back_in_time_is_refused_by_the_clock_of_the_history(
    store: tuple[Path, Question], tmp_path: Path
) -> None:
    root, asked = store
    embedded(root, asked, processes=1, state=tmp_path)
    earlier = replace(asked, now_s=asked.now_s - DAY_S)
    with pytest.raises(BadInput, match=f"was learned until {asked.now_s}: give a later --at"):
        embedded(root, earlier, processes=1, state=tmp_path)


def test_spark_keeps_no_state_and_says_so(store: tuple[Path, Question], tmp_path: Path) -> None:
    root, asked = store
    assert asked.cluster == CLUSTER
    with pytest.raises(BadInput, match="--state goes with --engine local"):
        fitted(root, asked, "local[2]", state=tmp_path)


def test_a_folder_that_cannot_be_made_is_said(store: tuple[Path, Question], tmp_path: Path) -> None:
    root, asked = store
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        embedded(root, asked, processes=1, state=tmp_path / "file")
