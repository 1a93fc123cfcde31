"""The federation as a state machine: messages are lost, doubled, late; members and hub drop out.

Real hub and real members; only the network, the clocks and the work are made up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from federation.core.dispatch import Gangs
from federation.core.failover import Claims, submit
from federation.core.grants import Allocation, allocate
from federation.core.hub import HubState, run_round
from federation.core.ledger import Ledger, restore
from federation.core.member import (
    MemberState,
    finish,
    hear_claims,
    hear_grants,
    may_run,
    quota_cpu_cores,
)
from federation.core.quota_tree import QueueSpec, plant
from federation.core.settings import FederationSettings
from federation.core.supply import ClusterReport
from slacktide.messages import FloatArray, QuotaGrant

SETTINGS = FederationSettings(
    stale_after_s=3, decay_after_s=4, lost_after_s=6, lease_s=8, claim_s=10, clock_skew_s=1
)
CLUSTERS = ("east", "north", "west")
TREE = plant(
    [
        QueueSpec("science", guaranteed_cpu_cores=20, max_cpu_cores=40),
        QueueSpec("bio", "science", guaranteed_cpu_cores=10, max_cpu_cores=30),
        QueueSpec("math", "science", guaranteed_cpu_cores=5, lendable_share=0.5),
        QueueSpec("guests", weight=2, max_cpu_cores=25),
    ]
)
LEAVES = TREE.leaf_names
NAN = float("nan")
CLOSE = 1e-6

clusters = st.sampled_from(CLUSTERS)
skews_s = st.sampled_from([-0.5, -0.2, 0.0, 0.5])  # each within half of what is allowed
FATES = ("arrives", "arrives", "lost", "late", "doubled")


class Federation(RuleBasedStateMachine):
    """Three members, one hub, a bad network."""

    def __init__(self) -> None:
        super().__init__()
        self.time_s = 100.0
        self.members = {name: MemberState(name) for name in CLUSTERS}
        self.skew_s = dict.fromkeys((*CLUSTERS, "hub"), 0.0)
        self.supply = dict.fromkeys(CLUSTERS, 20.0)
        self.waiting_there = {name: np.zeros(len(LEAVES)) for name in CLUSTERS}
        self.hub = HubState(listening_since_s=0.0)
        self.gangs: dict[str, tuple[int, int]] = {}  # id -> leaf, tasks of one core
        self.late: list[Any] = []
        self.epochs_used: set[tuple[str, int]] = set()
        self.supply_of_epoch: dict[tuple[str, int], float] = {}

    def now_s(self, who: str) -> float:
        return self.time_s + self.skew_s[who]

    # what happens in the world

    @rule(step_s=st.integers(1, 6))
    def time_passes(self, step_s: int) -> None:
        self.time_s += step_s

    @rule(who=st.sampled_from((*CLUSTERS, "hub")), skew_s=skews_s)
    def a_clock_steps(self, who: str, skew_s: float) -> None:
        self.skew_s[who] = skew_s

    @rule(name=clusters, cpu_cores=st.sampled_from([0.0, 5.0, 20.0, 40.0]))
    def online_work_takes_or_leaves_room(self, name: str, cpu_cores: float) -> None:
        self.supply[name] = cpu_cores

    @rule(name=clusters, leaf=st.integers(0, 2), cpu_cores=st.sampled_from([0.0, 3.0, 50.0]))
    def work_waits_in_a_cluster(self, name: str, leaf: int, cpu_cores: float) -> None:
        self.waiting_there[name][leaf] = cpu_cores

    @precondition(lambda self: len(self.gangs) < 15)
    @rule(leaf=st.integers(0, 2), tasks=st.integers(1, 6), pinned=st.booleans())
    def a_gang_is_submitted(self, leaf: int, tasks: int, *, pinned: bool) -> None:
        gang = f"gang{len(self.gangs)}"
        self.gangs[gang] = leaf, tasks
        self.hub = replace(self.hub, book=submit(self.hub.book, [gang], pinned=pinned))

    @rule(name=clusters)
    def a_gang_finishes(self, name: str) -> None:
        for gang in sorted(may_run(self.members[name], now_s=self.now_s(name)))[:1]:
            self.members[name] = finish(self.members[name], gang)

    # what the network does

    @rule(
        cut=st.dictionaries(clusters, st.sampled_from(["both ways", "reports", "orders"])),
        rounds=st.integers(1, 12),
        fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=7),
        moods=st.lists(st.tuples(clusters, st.integers(0, 2), st.sampled_from([0.0, 50.0]))),
    )
    def rounds_pass_in_a_storm(
        self,
        cut: dict[str, str],
        rounds: int,
        fates: list[str],
        moods: list[tuple[str, int, float]],
    ) -> None:
        fate = itertools.cycle(fates)
        mute = {name for name, way in cut.items() if way != "orders"}
        deaf = {name for name, way in cut.items() if way != "reports"}
        for turn in range(rounds):
            self.time_s += 2
            for name, leaf, cpu_cores in moods[turn : turn + 1]:
                self.waiting_there[name][leaf] = cpu_cores
            reports = self.survivors([self.report(name) for name in CLUSTERS], mute, fate)
            _, sent = self.hub_round(reports)
            for message in self.survivors(sent, deaf, fate):
                self.hear(message)
            self.all_invariants_hold()

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def late_messages_arrive_in_any_order(self, data: st.DataObject) -> None:
        messages, self.late = data.draw(st.permutations(self.late)), []
        reports = [message for message in messages if isinstance(message, ClusterReport)]
        for message in messages:
            if not isinstance(message, ClusterReport):
                self.hear(message)
                self.all_invariants_hold()
        self.late += self.hub_round(reports)[1]

    def survivors(self, messages: Sequence[Any], cut: set[str], fate: Iterator[str]) -> list[Any]:
        """What of these arrives now; late and doubled ones come (again) at some other time."""
        arrived = []
        for message in messages:
            what = next(fate)
            if what in {"late", "doubled"}:
                self.late.append(message)
            if message.cluster not in cut and what in {"arrives", "doubled"}:
                arrived.append(message)
        return arrived

    # what the hub does

    @rule(ledger_too=st.booleans())
    def the_hub_restarts(self, *, ledger_too: bool) -> None:
        ledger = restore(self.hub.ledger.grants) if ledger_too else self.hub.ledger
        self.hub = HubState(self.now_s("hub"), (), ledger, self.hub.book)

    @initialize()
    def everybody_starts_healthy_and_busy(self) -> None:
        for leaf in range(len(LEAVES)):
            self.a_gang_is_submitted(leaf, 5, pinned=False)
            self.a_gang_is_submitted(leaf, 4, pinned=leaf == 0)
        for _ in range(3):
            self.healthy_round()

    # what must always hold

    @invariant()
    def no_member_obeys_more_than_the_supply_its_grants_were_computed_on(self) -> None:
        for name, member in self.members.items():
            if member.grant_epoch:
                supply = self.supply_of_epoch[name, member.grant_epoch]
                assert self.obeyed(name).sum() <= supply + CLOSE

    @invariant()
    def no_queue_holds_more_than_its_maximum_over_all_members(self) -> None:
        obeyed = sum((self.obeyed(name) for name in CLUSTERS), np.zeros(len(LEAVES)))
        assert (TREE.sum_up(obeyed) <= TREE.max_cpu_cores + CLOSE).all()

    @invariant()
    def no_gang_runs_in_two_clusters(self) -> None:
        running = [
            gang
            for name, member in self.members.items()
            for gang in may_run(member, now_s=self.now_s(name))
        ]
        assert len(running) == len(set(running))

    def all_invariants_hold(self) -> None:
        self.no_member_obeys_more_than_the_supply_its_grants_were_computed_on()
        self.no_queue_holds_more_than_its_maximum_over_all_members()
        self.no_gang_runs_in_two_clusters()

    def teardown(self) -> None:
        """When all is healthy again, nothing remembers the outage."""
        for _ in range(20):
            self.healthy_round()
        book = self.hub.book
        for name, member in self.members.items():
            assert member.gangs == {gang for gang, at in book.cluster_of.items() if at == name}
        never_out = self.three_rounds(Ledger())
        np.testing.assert_allclose(self.three_rounds(self.hub.ledger), never_out, atol=0.01)

    # how the world is made

    def obeyed(self, name: str) -> FloatArray:
        now_s = self.now_s(name)
        return np.array([quota_cpu_cores(self.members[name], q, now_s=now_s) for q in LEAVES])

    def report(self, name: str) -> ClusterReport:
        member, now_s = self.members[name], self.now_s(name)
        held = np.zeros(len(LEAVES))
        for gang in member.gangs:
            leaf, tasks = self.gangs[gang]
            held[leaf] += tasks
        return ClusterReport(
            cluster=name,
            at_s=now_s,
            epoch=member.grant_epoch,
            horizons_s=(10, 100),
            supply_cpu_cores=np.array([self.supply[name], 0.9 * self.supply[name]]),
            supply_memory_bytes=np.array([NAN, NAN]),
            forecast_expires_s=now_s + 20,
            queues=LEAVES,
            held_cpu_cores=held,
            demand_cpu_cores=held + self.waiting_there[name],
            running=tuple(sorted(member.gangs)),
            finished=tuple(sorted(member.finished)),
        )

    def hear(self, message: Any) -> None:
        name = message.cluster
        member, now_s = self.members[name], self.now_s(name)
        if isinstance(message, QuotaGrant):
            member, reason = hear_grants(member, [message], now_s=now_s)
        else:
            member, reason = hear_claims(member, message, now_s=now_s)
        assert reason
        self.members[name] = member

    def hub_round(self, arrived: list[ClusterReport]) -> tuple[Allocation, list[Any]]:
        now_s = self.now_s("hub")
        done = run_round(
            self.hub, arrived, tree=TREE, gangs=self.columns(), now_s=now_s, settings=SETTINGS
        )
        self.hub = done.state
        self.check_what_was_issued(done.allocation, done.claims)
        assert done.gang_reasons.keys() >= done.state.book.waiting
        return done.allocation, [*done.allocation.grants, *done.claims]

    def check_what_was_issued(self, allocation: Allocation, claims: tuple[Claims, ...]) -> None:
        shares = allocation.shares
        for cluster, name in enumerate(shares.clusters):
            newest = allocation.ledger.issued_epoch[name]
            forecast_ends_s = shares.reports[cluster].forecast_expires_s
            for grant in allocation.grants:
                if grant.cluster == name:
                    assert grant.reason
                    assert grant.epoch == newest
                    assert grant.expires_s <= forecast_ends_s
            self.supply_of_epoch.setdefault((name, newest), shares.supply_cpu_cores[cluster])
        issued = {(grant.cluster, grant.epoch) for grant in allocation.grants}
        assert not issued & self.epochs_used
        self.epochs_used |= issued
        for claim in claims:
            assert not claim.run & self.hub.book.finished
            assert not claim.stop & {
                gang for gang, at in self.hub.book.cluster_of.items() if at == claim.cluster
            }

    def columns(self) -> Gangs:
        ids = [gang for gang in self.gangs if gang not in self.hub.book.finished]
        leaf, tasks = (
            np.array([self.gangs[gang][column] for gang in ids], dtype=np.int64)
            for column in (0, 1)
        )
        size = len(ids)
        one = np.ones(size)
        return Gangs(tuple(ids), leaf, tasks, tasks, one, 0 * one, 60 * one, ("",) * size)

    def healthy_round(self) -> None:
        self.time_s += 2
        for message in self.hub_round([self.report(name) for name in CLUSTERS])[1]:
            self.hear(message)

    def three_rounds(self, ledger: Ledger) -> FloatArray:
        """[L, C] what a hub with this ledger grants on the members' work as it is now."""
        for _ in range(3):
            reports = [
                replace(self.report(name), epoch=ledger.issued_epoch.get(name, 0))
                for name in CLUSTERS
            ]
            allocation = allocate(
                TREE,
                reports,
                ledger,
                queued_cpu_cores=np.zeros(len(LEAVES)),
                now_s=self.now_s("hub"),
                settings=SETTINGS,
            )
            ledger = allocation.ledger
        return allocation.cpu_cores


def test_grants_and_gangs_stay_safe_under_random_outages() -> None:
    run_state_machine_as_test(
        Federation,
        settings=settings(
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            max_examples=60,
            stateful_step_count=15,
            deadline=None,  # a busy machine is no failure
            suppress_health_check=[HealthCheck.too_slow],  # each step is a whole hub round
        ),
    )
