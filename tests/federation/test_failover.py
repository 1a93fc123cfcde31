"""Who runs which gang through an outage, hub and member together; the times are the defaults'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from federation.core.failover import Book, Claims, claim, follow, in_flight, place, submit
from federation.core.member import (
    MemberState,
    finish,
    hear_claims,
    hear_grants,
    may_run,
    quota_cpu_cores,
)
from federation.core.settings import FederationSettings
from federation.core.supply import ClusterReport
from slacktide.messages import QuotaGrant

SETTINGS = FederationSettings()
FENCE_S = SETTINGS.claim_s + SETTINGS.clock_skew_s


def report(
    cluster: str, at_s: float, *, running: tuple[str, ...] = (), finished: tuple[str, ...] = ()
) -> ClusterReport:
    none = np.zeros(0)
    return ClusterReport(
        cluster, at_s, 0, (3600,), np.ones(1), np.ones(1), at_s + 3600, (), none, none,
        running=running, finished=finished,
    )  # fmt: skip


def placed(gang: str = "g", cluster: str = "east", *, pinned: bool = False) -> Book:
    """A gang claimed at time 0."""
    book = place(submit(Book(), [gang], pinned=pinned), {gang: cluster})
    return claim(book, [report(cluster, 0)], now_s=0, settings=SETTINGS).book


def after(
    book: Book, *reports: ClusterReport, now_s: float, listening_since_s: float = -1e6
) -> tuple[Book, Mapping[str, str]]:
    done = follow(
        book, reports, now_s=now_s, listening_since_s=listening_since_s, settings=SETTINGS
    )
    return done.book, done.gang_reasons


@pytest.mark.parametrize(
    ("now_s", "free"), [(500, False), (1000, False), (FENCE_S - 1, False), (FENCE_S, True)]
)
def test_a_gang_of_a_lost_cluster_is_free_only_when_its_claim_has_expired(
    now_s: float, *, free: bool
) -> None:
    book, reasons = after(placed(), report("east", 0, running=("g",)), now_s=now_s)
    assert (book.waiting == {"g"}) is free
    assert ("east is lost and its claim has expired" in reasons.get("g", "")) is free


def test_a_pinned_gang_is_never_moved() -> None:
    book, _ = after(placed(pinned=True), report("east", 0, running=("g",)), now_s=10 * FENCE_S)
    assert book.cluster_of == {"g": "east"}


@pytest.mark.parametrize(("listening_s", "free"), [(0, False), (899, False), (900, True)])
def test_a_hub_that_just_started_does_not_take_its_own_silence_for_others(
    listening_s: float, *, free: bool
) -> None:
    now_s = 2 * FENCE_S
    book, _ = after(placed(), report("east", 0), now_s=now_s, listening_since_s=now_s - listening_s)
    assert (book.waiting == {"g"}) is free


def test_nothing_is_moved_from_a_cluster_that_never_reported() -> None:
    book, _ = after(placed(), now_s=10 * FENCE_S)
    assert book.cluster_of == {"g": "east"}


def test_a_cluster_back_before_its_gang_was_placed_elsewhere_goes_on_with_it() -> None:
    free, _ = after(placed(), report("east", 0, running=("g",)), now_s=FENCE_S)
    back = report("east", 2000, running=("g",))
    book, reasons = after(free, back, now_s=2000)
    assert book.cluster_of == {"g": "east"}
    assert reasons["g"] == "g goes on in east, which came back with it"
    claims = claim(book, [back], now_s=2000, settings=SETTINGS).claims[0]
    assert (claims.run, claims.stop, claims.epoch) == (frozenset("g"), frozenset(), 2)


def test_a_cluster_back_after_that_is_told_to_stop_its_old_copy_and_nothing_else() -> None:
    free, _ = after(placed(), report("east", 0, running=("g",)), now_s=FENCE_S)
    moved = place(free, {"g": "west"})
    back = report("east", 2000, running=("g", "not-ours"))
    book, _ = after(moved, back, report("west", 2000), now_s=2000)
    done = claim(book, [back, report("west", 2000)], now_s=2000, settings=SETTINGS)
    assert [(c.cluster, c.run, c.stop) for c in done.claims] == [
        ("east", frozenset(), frozenset("g")),
        ("west", frozenset("g"), frozenset()),
    ]
    assert done.gang_reasons == {"g": "east is to stop its old copy of g"}


def test_two_clusters_that_come_back_with_copies_do_not_both_go_on() -> None:
    waiting = submit(Book(), ["g"])
    east, west = report("east", 50, running=("g",)), report("west", 50, running=("g",))
    book, _ = after(waiting, east, west, now_s=50)
    done = claim(book, [east, west], now_s=50, settings=SETTINGS)
    assert [(c.run, c.stop) for c in done.claims] == [
        (frozenset("g"), frozenset()),
        (frozenset(), frozenset("g")),
    ]


def test_a_finished_gang_never_runs_again_and_its_old_copy_is_stopped() -> None:
    book, reasons = after(placed(), report("east", 10, finished=("g",)), now_s=10)
    assert reasons == {"g": "g finished in east"}
    assert submit(book, ["g"]).waiting == frozenset()
    old_copy = report("west", 20, running=("g",))
    claims = claim(book, [old_copy], now_s=20, settings=SETTINGS).claims[0]
    assert (claims.run, claims.stop) == (frozenset(), frozenset("g"))


def test_claims_of_a_lost_cluster_are_not_renewed() -> None:
    done = claim(placed(), [report("east", 0)], now_s=900, settings=SETTINGS)
    assert done.claims == ()
    assert done.book.claims["east"].epoch == 1


def test_a_gang_placed_but_not_reported_yet_is_in_flight() -> None:
    book = placed()
    assert in_flight(book, report("east", 5)) == {"g"}
    assert in_flight(book, report("east", 5, running=("g",))) == frozenset()
    assert in_flight(book, report("west", 5)) == frozenset()


CLAIMS = Claims("east", 5, 0, 100, run=frozenset({"g", "p"}), pinned=frozenset({"p"}))


def test_a_member_pauses_what_its_claim_no_longer_covers_and_keeps_it() -> None:
    member, _ = hear_claims(MemberState("east"), CLAIMS, now_s=0)
    assert may_run(member, now_s=99) == {"g", "p"}
    assert may_run(member, now_s=100) == {"p"}
    assert member.gangs == {"g", "p"}
    assert may_run(MemberState("east"), now_s=0) == frozenset()


@pytest.mark.parametrize(
    ("claims", "now_s", "said"),
    [
        (replace(CLAIMS, epoch=5, run=frozenset()), 10, "keeps claims 5: 5 is not newer"),
        (replace(CLAIMS, epoch=4, stop=frozenset("g")), 10, "keeps claims 5: 4 is not newer"),
        (replace(CLAIMS, epoch=6, run=frozenset("x")), 100, "keeps claims 5: 6 came after its end"),
        (replace(CLAIMS, epoch=6, cluster="west"), 10, "keeps claims 5"),
    ],
)
def test_a_member_refuses_old_late_and_foreign_claims(
    claims: Claims, now_s: float, said: str
) -> None:
    member, _ = hear_claims(MemberState("east"), CLAIMS, now_s=0)
    heard, sentence = hear_claims(member, claims, now_s=now_s)
    assert heard == member
    assert said in sentence


def test_a_member_stops_only_the_copies_that_are_named() -> None:
    member, _ = hear_claims(MemberState("east"), CLAIMS, now_s=0)
    newer = Claims("east", 6, 10, 110, run=frozenset({"new"}), stop=frozenset({"g", "other"}))
    member, sentence = hear_claims(member, newer, now_s=10)
    assert member.gangs == {"new", "p"}
    assert sentence == "east obeys claims 6: takes new, stops g, keeps p"


def test_a_member_reports_an_end_until_the_hub_knows_and_does_not_start_again() -> None:
    member, _ = hear_claims(MemberState("east"), CLAIMS, now_s=0)
    member = finish(finish(member, "g"), "never-here")
    assert (member.gangs, member.finished) == (frozenset("p"), frozenset("g"))
    still, _ = hear_claims(member, replace(CLAIMS, epoch=6), now_s=10)
    assert (still.gangs, still.finished) == (frozenset("p"), frozenset("g"))
    known, _ = hear_claims(still, replace(CLAIMS, epoch=7, run=frozenset("p")), now_s=20)
    assert known.finished == frozenset()


def granted(queue: str, cpu_cores: float, epoch: int, *, cluster: str = "east") -> QuotaGrant:
    return QuotaGrant(queue, cluster, cpu_cores, 0, cpu_cores, 0, epoch, 0, 100, "said")


def test_a_member_obeys_only_the_newest_epoch_of_grants() -> None:
    member, _ = hear_grants(MemberState("east"), [granted("a", 10, 4), granted("b", 5, 4)], now_s=0)
    member, sentence = hear_grants(
        member, [granted("a", 14, 5), granted("b", 9, 4), granted("b", 1, 9, cluster="west")],
        now_s=0,
    )  # fmt: skip
    assert [quota_cpu_cores(member, queue, now_s=99) for queue in "ab"] == [14, 0]
    assert quota_cpu_cores(member, "a", now_s=100) == 0
    assert "obeys epoch 5 with 1 grants; 2 of 3 came too late" in sentence
