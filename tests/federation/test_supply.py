from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from federation.core.settings import FederationSettings
from federation.core.supply import ClusterReport, Rung, by_leaf, stand, supply_until, take_in
from slacktide.errors import BadInput

SETTINGS = FederationSettings()
REPORT = ClusterReport(
    cluster="east",
    at_s=1000,
    epoch=7,
    horizons_s=(3600, 86400),
    supply_cpu_cores=np.array([100.0, 60.0]),
    supply_memory_bytes=np.array([4e11, np.nan]),
    forecast_expires_s=1000 + 7200,
    queues=("a", "gone"),
    held_cpu_cores=np.array([5.0, 2.0]),
    demand_cpu_cores=np.array([9.0, 2.0]),
)


@pytest.mark.parametrize(
    ("age_s", "rung", "usable", "said"),
    [
        (0, Rung.FRESH, 100, "last heard 0 s ago"),
        (89, Rung.FRESH, 100, "last heard 89 s ago"),
        (90, Rung.STALE, 100, "nothing grows"),
        (299, Rung.STALE, 100, "nothing grows"),
        (300, Rung.DECAYING, 100, "100% of its supply is believed"),
        (600, Rung.DECAYING, 75, "75% of its supply is believed"),
        (899, Rung.DECAYING, 50.08, "50% of its supply is believed"),
        (900, Rung.LOST, 0, "grants run to their end"),
        (-4, Rung.FRESH, 100, "last heard 0 s ago"),
    ],
)
def test_a_silent_cluster_climbs_down_the_ladder(
    age_s: float, rung: Rung, usable: float, said: str
) -> None:
    standing = stand(REPORT, confirmed_epoch=7, now_s=1000 + age_s, settings=SETTINGS)
    assert standing.rung is rung
    assert standing.supply_cpu_cores == pytest.approx(usable, abs=0.01)
    assert said in standing.reason


@pytest.mark.parametrize(
    ("forecast_ends_s", "longest_s", "expires_s"),
    [(7200, 86400, 900), (300, 86400, 300), (7200, 450, 450)],
)
def test_a_grant_ends_with_its_lease_or_its_forecast_whichever_is_first(
    forecast_ends_s: float, longest_s: int, expires_s: float
) -> None:
    report = replace(REPORT, forecast_expires_s=1000 + forecast_ends_s, horizons_s=(60, longest_s))
    standing = stand(report, confirmed_epoch=0, now_s=1000, settings=SETTINGS)
    assert standing.expires_s == 1000 + expires_s


def test_a_forecast_that_ended_is_no_supply_even_when_the_cluster_is_heard() -> None:
    report = replace(REPORT, forecast_expires_s=990)
    standing = stand(report, confirmed_epoch=0, now_s=1000, settings=SETTINGS)
    assert (standing.rung, standing.supply_cpu_cores) == (Rung.LOST, 0)
    assert "its forecast ended 10 s ago" in standing.reason


def test_a_cluster_that_came_back_with_an_old_epoch_may_not_grow() -> None:
    standing = stand(REPORT, confirmed_epoch=9, now_s=1000, settings=SETTINGS)
    assert standing.rung is Rung.STALE
    assert "obeying epoch 7, older than 9" in standing.reason


def test_an_older_doubled_or_future_report_changes_nothing() -> None:
    def arrive(*reports: ClusterReport) -> tuple[tuple[float, ...], int]:
        inbox = take_in([REPORT], reports, now_s=1100, settings=SETTINGS)
        return tuple(report.at_s for report in inbox.reports), len(inbox.refused)

    assert arrive(replace(REPORT, at_s=900), REPORT) == ((1000,), 0)
    assert arrive(replace(REPORT, at_s=1090), replace(REPORT, at_s=1050)) == ((1090,), 0)
    assert arrive(replace(REPORT, at_s=1104)) == ((1104,), 0)
    assert arrive(replace(REPORT, at_s=1106)) == ((1000,), 1)
    assert arrive(replace(REPORT, cluster="alps")) == ((1000, 1000), 0)


@pytest.mark.parametrize(
    ("until_s", "cpu_cores"), [(1000, 100), (4600, 100), (4601, 60), (10**6, 60)]
)
def test_the_shortest_horizon_that_covers_a_time_decides(until_s: float, cpu_cores: float) -> None:
    assert supply_until(REPORT, until_s)[0] == cpu_cores


def test_missing_supply_is_no_supply_and_a_longer_horizon_never_has_more() -> None:
    broken = replace(REPORT, supply_cpu_cores=np.array([np.nan, 60.0]))
    assert supply_until(broken, 90_000)[0] == 0
    assert supply_until(replace(REPORT, supply_cpu_cores=np.array([-3.0, 5.0])), 1000)[0] == 0


def test_cores_of_a_queue_that_is_gone_are_taken_by_nobodys_quota() -> None:
    held, demand, stray = by_leaf(REPORT, {"new": 0, "a": 1})
    assert held.tolist() == [0, 5]
    assert demand.tolist() == [0, 9]
    assert stray == 2


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"horizons_s": ()}, "horizons_s must ascend"),
        ({"horizons_s": (60, 60)}, "horizons_s must ascend"),
        ({"supply_cpu_cores": np.ones(3)}, "one supply per horizon"),
        ({"held_cpu_cores": np.ones(3)}, "one held and demand per queue"),
    ],
)
def test_a_report_whose_columns_do_not_fit_is_refused(
    broken: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=f"cluster 'east': {message}"):
        replace(REPORT, **broken)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    "broken", [{"decay_after_s": 10.0}, {"floor_share": 2.0}, {"lease_s": 0.0}]
)
def test_settings_out_of_order_are_refused(broken: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="federation: "):
        FederationSettings(**broken)
