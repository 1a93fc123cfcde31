from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from federation.core.grants import Allocation, allocate, grant
from federation.core.ledger import Ledger, outstanding, restore, settle
from federation.core.quota_tree import QueueSpec, QuotaTree, plant
from federation.core.settings import FederationSettings
from federation.core.shares import share_out
from federation.core.supply import ClusterReport
from slacktide.messages import QuotaGrant

SETTINGS = FederationSettings()
TREE = plant([QueueSpec("a", guaranteed_cpu_cores=30, max_cpu_cores=80), QueueSpec("b")])


def report(
    cluster: str,
    *,
    at_s: float = 0,
    epoch: int = 0,
    supply: float = 100,
    held: tuple[float, float] = (0, 0),
    demand: tuple[float, float] = (0, 0),
    forecast_s: float = 7200,
) -> ClusterReport:
    return ClusterReport(
        cluster=cluster,
        at_s=at_s,
        epoch=epoch,
        horizons_s=(3600, 86400),
        supply_cpu_cores=np.array([supply, supply / 2]),
        supply_memory_bytes=np.array([supply, supply]) * 4e9,
        forecast_expires_s=at_s + forecast_s,
        queues=("a", "b"),
        held_cpu_cores=np.array(held, dtype=float),
        demand_cpu_cores=np.maximum(held, demand).astype(float),
    )


def decide(
    *reports: ClusterReport,
    queued: tuple[float, float] = (0, 0),
    ledger: Ledger | None = None,
    now_s: float = 0,
    tree: QuotaTree = TREE,
) -> Allocation:
    return allocate(
        tree,
        reports,
        ledger or Ledger(),
        queued_cpu_cores=np.array(queued, dtype=float),
        now_s=now_s,
        settings=SETTINGS,
    )


def test_quota_follows_held_work_then_local_demand_then_free_supply() -> None:
    done = decide(
        report("east", held=(20, 0), demand=(30, 0)),
        report("west", held=(0, 40)),
        queued=(0, 45),
    )
    np.testing.assert_allclose(done.cpu_cores.sum(axis=1), [30, 85], atol=0.01)
    np.testing.assert_allclose(done.cpu_cores, [[30.0, 0.0], [24.231, 60.769]], atol=0.01)


def test_where_a_cluster_shrinks_guaranteed_work_keeps_its_place_before_loans() -> None:
    done = decide(report("east", supply=60, held=(30, 45)), report("west", supply=40))
    np.testing.assert_allclose(done.cpu_cores, [[30, 0], [30, 15]], atol=0.01)


def test_gangs_on_their_way_to_a_cluster_keep_their_room_there() -> None:
    shares = share_out(
        TREE,
        [report("east"), report("west")],
        Ledger(),
        queued_cpu_cores=np.array([0.0, 10.0]),
        in_flight_cpu_cores=np.array([[0.0, 70.0], [0.0, 0.0]]),
        now_s=0,
        settings=SETTINGS,
    )
    np.testing.assert_allclose(shares.free_cpu_cores, [100, 30])
    np.testing.assert_allclose(grant(shares).cpu_cores[0], [0, 70])


def test_what_is_above_the_guarantee_is_a_loan_and_memory_goes_with_cpu() -> None:
    given = decide(report("east", demand=(50, 0))).grants[0]
    assert (given.guaranteed_cpu_cores, given.loan_cpu_cores, given.cpu_cores) == (30, 20, 50)
    assert given.memory_bytes == 50 * 4e9


def test_a_loan_ends_with_its_forecast() -> None:
    given = decide(report("east", demand=(50, 0), forecast_s=120)).grants[0]
    assert (given.issued_s, given.expires_s) == (0, 120)


@pytest.mark.parametrize(
    ("demand", "queued", "said"),
    [
        ((10, 0), (0, 0), "10 of 10 wanted cores over all clusters in sight, bound by its demand"),
        ((95, 0), (0, 0), "80 of 95 wanted cores over all clusters in sight, bound by the maximum"),
        ((70, 90), (5, 0), "65 of 75 wanted cores over all clusters in sight, bound by supply"),
    ],
)
def test_every_grant_says_how_much_of_what_and_what_bound_it(
    demand: tuple[float, float], queued: tuple[float, float], said: str
) -> None:
    given = decide(report("east", demand=demand), queued=queued).grants[0]
    assert said in given.reason
    assert "100 cores hold here until then" in given.reason


@pytest.mark.parametrize(
    ("silent_s", "east", "said"),
    [
        (100, 60, "holds what is left of 60 cores: last heard 100 s ago"),
        (600, 60, "75% of its supply is believed"),
        (870, 52.5, "52% of its supply is believed"),
    ],
)
def test_a_cluster_out_of_sight_holds_or_shrinks_but_never_grows(
    silent_s: float, east: float, said: str
) -> None:
    old = report("east", demand=(60, 0))
    ledger = decide(old).ledger
    done = decide(old, queued=(500, 0), ledger=ledger, now_s=silent_s)
    assert done.cpu_cores[0, 0] == pytest.approx(east)
    assert said in done.grants[0].reason
    assert done.grants[0].epoch == 2


def test_a_lost_cluster_gets_nothing_new_and_what_it_has_counts_until_it_expires() -> None:
    old = report("east", demand=(60, 0))
    early = decide(old)
    late = decide(old, ledger=early.ledger, now_s=800)  # renewed: expires at 1700
    there = report("west", at_s=1000, demand=(90, 0))
    during = decide(old, there, ledger=late.ledger, now_s=1000)
    assert {given.cluster for given in during.grants} == {"west"}
    np.testing.assert_allclose(during.cpu_cores[0], [0, 80 - 58.333], atol=0.01)
    assert during.grants[0].guaranteed_cpu_cores == 0
    assert "beside 58.333 out of sight" in during.grants[0].reason
    after = decide(old, replace(there, at_s=1710, epoch=1), ledger=during.ledger, now_s=1710)
    np.testing.assert_allclose(after.cpu_cores[0], [0, 80], atol=0.01)


def test_quota_at_its_maximum_moves_only_when_the_old_cluster_has_confirmed() -> None:
    first = decide(report("east", demand=(80, 0)), report("west"))
    moved = report("west", at_s=30, epoch=1, demand=(80, 0))
    unheard = decide(report("east", at_s=30), moved, ledger=first.ledger, now_s=30)
    np.testing.assert_allclose(unheard.cpu_cores[0], [0, 0])
    assert "grows when other clusters have confirmed less" in unheard.grants[2].reason
    east = report("east", at_s=60, epoch=2)
    heard = decide(east, replace(moved, at_s=60, epoch=2), ledger=unheard.ledger, now_s=60)
    np.testing.assert_allclose(heard.cpu_cores[0], [0, 80])


def test_all_unconfirmed_grants_count_with_the_most_each_queue_may_still_obey() -> None:
    def granted(cpu_cores: float, epoch: int, expires_s: float) -> QuotaGrant:
        return QuotaGrant(
            "a", "east", cpu_cores, 0.0, cpu_cores, 0.0, epoch, 0.0, expires_s, "said"
        )

    ledger = restore([granted(70, 4, 900), granted(20, 5, 950), granted(99, 3, 100)])
    for confirmed, now_s, most in [
        (0, 50, 99),
        (0, 104, 99),
        (0, 105, 70),
        (4, 50, 70),
        (5, 50, 20),
    ]:
        kept = settle(ledger, [report("east", epoch=confirmed)], now_s=now_s, clock_skew_s=5)
        columns = outstanding(
            kept, leaf_index={"a": 0}, clusters=["east"], now_s=now_s, clock_skew_s=5
        )
        assert columns.most_cpu_cores[0, 0] == most
        assert columns.newest_cpu_cores[0, 0] == 20
    assert settle(ledger, [], now_s=5000, clock_skew_s=5).issued_epoch == {"east": 5}
    assert len(settle(ledger, [], now_s=5000, clock_skew_s=5).grants) == 1


def test_a_restarted_hub_counts_grants_of_clusters_it_has_not_heard_yet() -> None:
    stored = decide(report("east", demand=(80, 0))).ledger.grants
    done = decide(report("west", demand=(80, 0)), ledger=restore(stored), now_s=10)
    assert done.cpu_cores[0, 0] == 0
    assert done.ledger.issued_epoch == {"east": 1, "west": 1}


def test_a_hub_without_memory_learns_epochs_from_its_members() -> None:
    assert decide(report("east", epoch=41)).grants[0].epoch == 42


def test_a_lowered_maximum_lets_nothing_grow_and_shrinks_what_is_held() -> None:
    first = decide(report("east", demand=(80, 0)))
    tight = plant([QueueSpec("a", max_cpu_cores=10), QueueSpec("b")])
    again = decide(
        report("east", at_s=30, epoch=1, demand=(80, 0)), ledger=first.ledger, now_s=30, tree=tight
    )
    assert again.cpu_cores[0, 0] == pytest.approx(10)


def test_an_inner_maximum_binds_the_sum_of_its_children_over_clusters() -> None:
    tree = plant([QueueSpec("dep", max_cpu_cores=50), QueueSpec("a", "dep"), QueueSpec("b", "dep")])
    first = decide(report("east", demand=(50, 0)), report("west"), tree=tree)
    second = decide(
        report("east", at_s=30), report("west", at_s=30, demand=(0, 50)),
        ledger=first.ledger, now_s=30, tree=tree,
    )  # fmt: skip
    assert second.cpu_cores.sum() == 0
    assert (
        "bound by the maximum 50 of dep"
        in decide(report("east", demand=(90, 0)), tree=tree).grants[0].reason
    )
