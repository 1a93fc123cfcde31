"""Prices, floors and filters as typed on the command line, and what the answer then shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from predictor.core.money import MONTH_HOURS, Prices
from tests.predictor.sized import GIB, MIB, Pod, written
from tests.simulator.commanding import slacktide

PODS = (
    Pod("cart", 0.25),
    Pod("cart", 0.25),
    Pod("tiny", 0.001, used_bytes=8.0 * MIB, container="istio-proxy"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("traces") / "priced", PODS)


def test_a_month_is_730_hours_of_cores_and_gib() -> None:
    assert Prices(0.03, 0.004).monthly(2.0, 4.0 * GIB) == pytest.approx(
        MONTH_HOURS * (2 * 0.03 + 4 * 0.004)
    )


def test_money_is_shown_where_there_is_a_price_and_nowhere_else(folder: Path) -> None:
    priced = ("recommend", "--trace", folder, "--cpu-price", "0.03")
    rows = slacktide(*priced, "-o", "json").rows()
    [cart] = [row for row in rows if row["workload"] == "cart"]
    assert cart["saved_a_month"] == pytest.approx(cart["freed_cores"] * 0.03 * MONTH_HOURS)
    assert "saves a month" in slacktide(*priced).out
    assert "a month" not in slacktide("recommend", "--trace", folder).out
    assert "saved_a_month" in slacktide(*priced, "-o", "csv").out.splitlines()[0]


def test_floors_are_of_all_containers_or_of_one(folder: Path) -> None:
    asked = ("--cpu-min", "20m", "--mem-min", "40Mi", "--mem-min", "istio-proxy=96Mi")
    rows = slacktide("recommend", "--trace", folder, *asked, "-o", "json").rows()
    [tiny] = [row for row in rows if row["workload"] == "tiny"]
    assert tiny["recommended_cpu_request_cores"] == 0.02
    assert tiny["recommended_memory_request_bytes"] == 96 * MIB
    assert "floor is 96 MiB" in tiny["reason"]


def test_a_limit_ratio_is_in_the_patch(folder: Path) -> None:
    asked = ("recommend", "--trace", folder, "--memory-limit-ratio", "2", "-o", "krr-json")
    [cart, _] = json.loads(slacktide(*asked).out)["scans"]
    sizes = cart["recommended"]
    assert sizes["limits"]["memory"]["value"] == 2 * sizes["requests"]["memory"]["value"]
    assert sizes["limits"]["cpu"]["value"] is None
    assert sizes["info"]["memory"].startswith("memory")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--cpu-min", "10"), "say the unit: 10m"),
        (("--mem-min", "proxy=100"), "say the unit: 100Mi"),
        (("--cpu-min", "much"), "not a quantity"),
        (("--cpu-price", "nan"), "a number is wanted"),
        (("-s", "app=web"), "knows no labels"),
        (("-s", "app in"), "no label selector"),
        (("--cluster", "nowhere"), "clusters: here"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(
    folder: Path, asked: tuple[str, ...], said: str
) -> None:
    assert said in slacktide("recommend", "--trace", folder, *asked).refusal()
