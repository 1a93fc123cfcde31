"""`slacktide explain workload`: the recommendation, its reason and the use behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.predictor.sized import DAY_S, Pod, written
from tests.simulator.commanding import program, slacktide


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pods = (
        Pod("cart", 0.25),
        Pod("cart", 0.125),
        Pod("cart", 0.5, namespace="test"),
        Pod("cart.+", 1.0),
        Pod("young", 1.0, start_day=14.75),
    )
    return written(tmp_path_factory.mktemp("traces") / "sized", pods)


def test_it_tells_the_change_the_reason_and_draws_both_resources(folder: Path) -> None:
    answer = program("explain", "workload", "cart", "-n", "shop", "--trace", folder)
    assert (answer.code, answer.err) == (0, "")
    assert "shop/cart, Deployment, container app, 2 running at" in answer.out
    assert "CPU request     (-1750m) 2 -> 250m" in answer.out
    assert "the larger of p95 over 14 days 0.250" in answer.out
    assert "CPU of a replica, cores\n250m |####" in answer.out
    assert "584Mi |----" in answer.out
    assert answer.out.count("# p95 and : maximum") == 1


def test_a_name_is_a_name_and_no_pattern(folder: Path) -> None:
    both = slacktide("explain", "workload", "cart", "--trace", folder).out
    assert "shop/cart," in both
    assert "test/cart," in both
    assert "cart.+" not in both
    assert "shop/cart.+," in slacktide("explain", "workload", "cart.+", "--trace", folder).out


def test_too_little_history_is_said_and_drawn_without_a_line(folder: Path) -> None:
    told = slacktide("explain", "workload", "young", "--trace", folder).out
    assert "seen in 6 of the 24 hours needed" in told
    assert "CPU request     2 -> ?" in told
    assert "?????" in told


def test_the_future_is_not_drawn(folder: Path) -> None:
    early = slacktide("explain", "workload", "cart", "--trace", folder, "--at", str(2 * DAY_S)).out
    picture = [line for line in early.splitlines() if " +" in line]
    assert all(line.count("?") > 60 for line in picture)
    assert picture


def test_who_is_not_there_is_said_in_one_line(folder: Path) -> None:
    refused = slacktide("explain", "workload", "nobody", "--trace", folder).refusal()
    assert "nothing matches" in refused
