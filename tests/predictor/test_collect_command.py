"""`slacktide collect`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from predictor.app.collect_command import changed_settings
from slacktide.errors import BadInput
from slacktide.testing.prometheus import FakePrometheus, Reply
from tests.predictor.fake_fleet import FakeFleet
from tests.simulator.commanding import program, slacktide


def test_it_tells_what_it_stored_and_then_that_it_is_stored(tmp_path: Path) -> None:
    with FakePrometheus(FakeFleet()) as fake:
        args = ("collect", fake.url, "--into", tmp_path, "--since", "3h", "-o", "json")
        first, second = slacktide(*args), slacktide(*args)
    (row,) = first.rows()
    # It is on the hour: the last one has not settled yet, so the three before it are read.
    assert (row["hours_read"], row["pieces"], row["samples"]) == (3, 6, 144)
    assert row["missing_pieces"] == row["values_dropped"] == row["without_owner"] == 0
    (row,) = second.rows()
    assert (row["hours_read"], row["hours_stored_before"], row["samples"]) == (0, 3, 0)


def test_what_is_missing_is_told_and_is_exit_code_1(tmp_path: Path) -> None:
    fleet = FakeFleet(
        lambda asked: Reply(422, b"no") if "shop" in asked.params.get("query", "") else None
    )
    with FakePrometheus(fleet) as fake:
        made = slacktide("collect", fake.url, "--into", tmp_path, "--since", "1h", "-o", "json")
    assert made.code == 1
    assert "missing: default, namespace shop, hour " in made.err
    assert "status 422 no" in made.err


def test_the_real_program_prints_a_table(tmp_path: Path) -> None:
    with FakePrometheus(FakeFleet()) as fake:
        made = program("collect", fake.url, "--into", tmp_path, "--since", "1h")
    assert (made.code, made.err) == (0, "")
    assert "collected into" in made.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "give http"),
        (["http://localhost:1", "--set", "cpu_metric=a b"], "cpu_metric 'a b' is no name"),
        (["http://localhost:1", "--set", "colour=red"], "no such setting"),
        (["http://localhost:1", "--set", "most_cells=many"], "give a number"),
        (["http://localhost:1", "--cluster", "a", "--cluster", "b"], "need --cluster-label"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, args: list[str], said: str) -> None:
    assert said in slacktide("collect", *args, "--into", tmp_path).refusal()


def test_every_kind_of_setting_can_be_set() -> None:
    made = changed_settings(["pod_label=pod_name", "most_cells=10", "first_backoff_s=0.5"])
    assert (made.pod_label, made.most_cells, made.first_backoff_s) == ("pod_name", 10, 0.5)
    with pytest.raises(BadInput, match="no such setting"):
        changed_settings(["pod_label"])
