"""slacktide in a backtest is what `slacktide forecast` says at the same time, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from predictor.core.history import history_of
from simulator.core.backtest import predictions
from simulator.core.policies.catalogue import make
from slacktide.messages import NodeForecasts
from tests.simulator.commanding import slacktide
from tests.simulator.fleets import DAY_S
from tests.simulator.tiny import trace, written

HOUR_S = 3_600
KEPT = ["node", "peak_cpu_cores", "peak_memory_bytes", "reclaimable_cpu_cores", "reason"]


def test_the_backtest_and_the_forecast_give_the_same_numbers_for_the_same_time(
    tmp_path: Path,
) -> None:
    folder, made = written(tmp_path / "small"), tmp_path / "made.parquet"
    answer = slacktide(
        "backtest", folder, "--policy", "slacktide", "--from-day", "14", "--every", "6h",
        "--horizon", "4h", "--predictions", made,
    )  # fmt: skip
    assert answer.code == 0, answer.err
    backtested = pq.read_table(made)
    times = sorted(set(backtested["ts_s"].to_pylist()))
    assert len(times) > 4
    for at_s in (times[0], times[2], times[-1]):
        out = tmp_path / f"{at_s}.parquet"
        answer = slacktide("forecast", folder, "--at", str(at_s), "--horizon", "4h", "--out", out)
        assert answer.code == 0, answer.err
        rows = [row for row in backtested.to_pylist() if row["ts_s"] == at_s]
        told = [{name: row[name] for name in KEPT} for row in rows]
        assert told == pq.read_table(out).select(KEPT).to_pylist()


def forecasts(times_s: list[int]) -> list[NodeForecasts]:
    history = history_of(trace(1, 2))
    policy = make("slacktide", history, cpu_risk=0.01, memory_risk=0.001, horizons_s=(HOUR_S,))
    return list(predictions(policy, history, times_s))


@pytest.mark.parametrize("every_s", [6 * HOUR_S, 12 * HOUR_S])
def test_what_is_forecast_does_not_depend_on_what_was_asked_before(every_s: int) -> None:
    often = {made.at_s: made for made in forecasts(list(range(14 * DAY_S, 15 * DAY_S, 3 * HOUR_S)))}
    for made in forecasts(list(range(14 * DAY_S, 15 * DAY_S, every_s))):
        assert made.peak_cpu_cores.tolist() == often[made.at_s].peak_cpu_cores.tolist()
        assert made.reasons(0, 0) == often[made.at_s].reasons(0, 0)


def test_its_knob_is_its_risk() -> None:
    history = history_of(trace(1, 2))
    policy = make("slacktide:0.2", history, cpu_risk=0.01, memory_risk=0.001)
    assert policy.promised_risk == 0.2
    assert policy.name == "slacktide:0.2"
