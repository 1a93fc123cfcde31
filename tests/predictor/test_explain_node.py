"""`slacktide explain node`: the forecast, two weeks of use, and how earlier promises went."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.predictor.sized import DAY_S, Pod, written
from tests.simulator.commanding import program, slacktide


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pods = (Pod("cart", 3.0), Pod("shop", 1.0), Pod("late", 2.0, start_day=12))
    return written(tmp_path_factory.mktemp("traces") / "sized", pods)


def test_each_horizon_has_its_sentence_and_both_resources_their_picture(folder: Path) -> None:
    answer = program("explain", "node", "node-0", "--trace", folder)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("node-0: 64 cores and 256Gi, 3 running containers, at ")
    assert "binds: " in answer.out
    for hours in (1, 4, 12, 24):
        assert f"\n  for {hours} h\n    keeps " in answer.out
        assert f"\n  {hours} h: " in answer.out
    assert answer.out.count(" +-----|") == 2
    assert "- what was kept for 24 h then" in answer.out


def test_use_is_the_sum_of_all_pods_and_what_was_kept_lies_over_it(folder: Path) -> None:
    told = slacktide("explain", "node", "node-0", "--trace", folder).out
    picture = told.partition("CPU, cores\n")[2].partition("\n\nmemory")[0].splitlines()
    columns = ["".join(rows) for rows in zip(*(line[-84:] for line in picture[:12]), strict=True)]
    heights = [column.count("#") for column in columns]
    assert heights[-1] > heights[5] > 0  # the third pod came on the twelfth day
    lines = [column.find("-") for column in columns]
    assert all(line >= 0 for line in lines[-12:])


def test_the_future_changes_nothing(folder: Path, tmp_path: Path) -> None:
    short = written(tmp_path / "short", (Pod("cart", 3.0), Pod("shop", 1.0)), days=10)
    at = str(10 * DAY_S - 1_800)
    asked = ("explain", "node", "node-0", "--at", at, "--trace")
    assert slacktide(*asked, folder).out == slacktide(*asked, short).out


@pytest.mark.parametrize(
    ("asked", "told"),
    [(("nobody",), "no node is called 'nobody'; there are: node-0"),
     (("node-0", "--at", "99999999"), "the trace ends at")],
)  # fmt: skip
def test_what_is_not_there_is_said_in_one_line(
    asked: tuple[str, ...], told: str, folder: Path
) -> None:
    assert told in slacktide("explain", "node", *asked, "--trace", folder).refusal()


def test_before_anything_was_learned_it_says_so_and_draws_no_line(folder: Path) -> None:
    told = slacktide("explain", "node", "node-0", "--trace", folder, "--at", "3600").out
    assert "24 h: no window is over yet" in told
