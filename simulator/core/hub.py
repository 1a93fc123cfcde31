"""Federation and scheduling of one replay step: reports up, grants and gangs down, gangs placed.

Each member says which waiting gangs it could place whole right now (its estimator), the hub
water-fills quotas and deals those gangs to clusters, and each member's planner places what it was
dealt within its grants. Gangs that fit nowhere yet stay with a home cluster, whose planner may
reserve room for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from federation.core import dispatch as dealing
from federation.core.grants import Allocation, grant
from federation.core.ledger import Ledger
from federation.core.quota_tree import QuotaTree
from federation.core.settings import FederationSettings
from federation.core.shares import share_out
from federation.core.supply import ClusterReport
from predictor.core.supply import SupplySettings, offered
from scheduler.core.fit import Room, gangs_that_fit
from scheduler.core.plan import Plan, PlanSettings, plan
from scheduler.core.queues import TOP, QueueTree, QueueUse
from scheduler.core.reserve import Reservation
from scheduler.core.snapshot import (
    GangColumns,
    NodeColumns,
    RunningColumns,
    Snapshot,
    horizon_index,
    nodes_from_forecasts,
)
from simulator.core.fleet import Fleet
from slacktide.messages import BoolArray, FloatArray, IntArray, NodeForecasts
from slacktide.trace import Jobs

UNACCOUNTED_BYTES = 1e18  # memory of a node whose trace has none: it never binds
REPORT_EVERY_S = 300.0


@dataclass(slots=True)
class Member:
    """One cluster as the hub and its own planner know it."""

    name: str
    nodes: IntArray  # indexes into the replay's nodes
    reservation: Reservation | None = None
    report: ClusterReport | None = None  # the newest the hub heard
    epoch: int = 0  # of the grants it obeys
    granted_cores: FloatArray = field(default_factory=lambda: np.zeros(0))  # [L]
    granted_until_s: float = 0.0
    plan: Plan | None = None
    offered: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))  # gangs of that plan


@dataclass(frozen=True, slots=True)
class Start:
    """A gang placed whole."""

    gang: int
    cluster: int
    nodes: IntArray  # indexes into the replay's nodes
    counts: IntArray


def gangs_of(jobs: Jobs, leaf: IntArray) -> GangColumns:
    """Every job as a gang of its queue's leaf [J]; a gang's row is its job's."""
    return GangColumns(
        ids=jobs.job,
        queue=leaf,
        tasks=jobs.tasks,
        min_available=jobs.min_available,
        cpu_cores=jobs.cpu_cores,
        memory_bytes=jobs.memory_bytes,
        duration_s=jobs.duration_s,
        submit_s=jobs.submit_s,
        priority=jobs.priority,
    )


@dataclass(slots=True)
class Hub:
    """The hub and its members over one replay; G gangs, L leaves, C members, N nodes."""

    tree: QuotaTree
    leaf: IntArray  # [G] the queue of each gang
    gangs: GangColumns  # all of them; a gang's row is its number
    members: list[Member]
    node_cluster: IntArray  # [N]
    node_memory_bytes: FloatArray  # [N] NaN where unknown
    silent: Callable[[str, float], bool]  # whether a cluster is cut off from the hub at a time
    ledger: Ledger = field(default_factory=Ledger)
    federation: FederationSettings = field(
        default_factory=lambda: FederationSettings(
            stale_after_s=3 * REPORT_EVERY_S, decay_after_s=1_800.0, lost_after_s=3_600.0
        )
    )
    planning: PlanSettings = field(default_factory=PlanSettings)
    supply: SupplySettings = field(default_factory=SupplySettings)
    dealt: dealing.Dispatch | None = None  # of the last round
    dealt_gangs: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))  # its gangs

    def round(
        self, fleet: Fleet, predicted_s: IntArray, forecasts: NodeForecasts, *, now_s: int
    ) -> list[Start]:
        """One round at `now_s`: who starts where. `predicted_s` [G] are predicted durations."""
        waiting = self._in_line(fleet.waiting())
        forecasts = offered(forecasts, self.node_memory_bytes, self.supply)
        columns = replace(self.gangs, duration_s=predicted_s)
        held = self.held(fleet)
        clusters = [
            _cluster_nodes(forecasts, member.nodes, fleet, predicted_s, now_s=now_s)
            for member in self.members
        ]
        fits = self._placeable(clusters, columns, waiting)
        for member, (nodes, _), use in zip(self.members, clusters, held, strict=True):
            if not self.silent(member.name, now_s):
                member.report = self._report(member, nodes, use, now_s)
        dealt, allocation = self._deal(columns, waiting, fits, now_s=now_s)
        starts: list[Start] = []
        for index, member in enumerate(self.members):
            self._deliver(member, allocation, now_s)
            mine = waiting[(dealt == index) | self._at_home(waiting, fits, index)]
            snapshot = self._snapshot(
                member, clusters[index], columns, mine, held=held[index], now_s=now_s
            )
            starts += self._place(member, index, snapshot, mine, now_s=now_s)
        return starts

    def pending_reason(self, gang: int) -> str:
        """Why a gang waits, by the planner that looked at it last, or by the hub's deal."""
        for member in self.members:
            at = np.flatnonzero(member.offered == gang)
            if at.size and member.plan is not None:
                return member.plan.reason(int(at[0]))
        at = np.flatnonzero(self.dealt_gangs == gang)
        if at.size and self.dealt is not None:
            return self.dealt.reasons(int(at[0]))
        return "submitted after the last round"

    def _in_line(self, waiting: IntArray) -> IntArray:
        order = np.lexsort((self.gangs.submit_s[waiting], -self.gangs.priority[waiting]))
        return waiting[order]

    def held(self, fleet: Fleet) -> list[QueueUse]:
        """What every queue holds in each member."""
        cores, size = fleet.held_by_queue(
            self.leaf, len(self.tree.leaves), self.node_cluster, len(self.members)
        )
        return [QueueUse(cores[c], size[c]) for c in range(len(self.members))]

    def _placeable(
        self,
        clusters: list[tuple[NodeColumns, RunningColumns]],
        columns: GangColumns,
        waiting: IntArray,
    ) -> BoolArray:
        """[C, W] which waiting gangs a member could place whole now: its estimator's answer."""
        fits = np.zeros((len(clusters), len(waiting)), np.bool_)
        for index, (nodes, _) in enumerate(clusters):
            room = Room.of(
                nodes, cpu_cores=nodes.free_cpu_cores, memory_bytes=nodes.free_memory_bytes
            )
            level = horizon_index(columns.duration_s, nodes.horizons_s)
            fits[index] = np.isin(waiting, gangs_that_fit(room, columns, waiting, level=level))
        return fits

    def _deal(
        self,
        columns: GangColumns,
        waiting: IntArray,
        fits: BoolArray,
        *,
        now_s: int,
    ) -> tuple[IntArray, Allocation]:
        """[W] the cluster each waiting gang is dealt to, and the grants."""
        heard = np.flatnonzero([member.report is not None for member in self.members])
        reports = [member.report for member in self.members if member.report is not None]
        ready = np.flatnonzero(fits.any(axis=0))
        chosen = waiting[ready]
        wanted = columns.tasks[chosen] * columns.cpu_cores[chosen]
        queued = np.bincount(self.leaf[chosen], wanted, len(self.tree.leaves))
        shares = share_out(
            self.tree,
            reports,
            self.ledger,
            queued_cpu_cores=queued.astype(np.float64),
            now_s=now_s,
            settings=self.federation,
        )
        # Where only one member has room for the gang whole, that is where it should go.
        only = np.where(fits[:, ready].sum(axis=0) == 1, fits[:, ready].argmax(axis=0), -1)
        names = (*(member.name for member in self.members), "")
        dealt = dealing.dispatch(
            dealing.Gangs(
                ids=tuple(columns.ids[gang] for gang in chosen.tolist()),
                leaf=self.leaf[chosen],
                tasks=columns.tasks[chosen],
                min_available=columns.min_available[chosen],
                cpu_cores=columns.cpu_cores[chosen],
                memory_bytes=columns.memory_bytes[chosen],
                duration_s=columns.duration_s[chosen].astype(np.float64),
                data_cluster=tuple([names[cluster] for cluster in only.tolist()]),
            ),
            shares,
        )
        self.dealt, self.dealt_gangs = dealt, chosen
        allocation = grant(shares, dispatched_cpu_cores=dealt.cpu_cores)
        self.ledger = allocation.ledger
        cluster = np.full(len(waiting), dealing.WAITS, np.int64)
        placed = dealt.cluster != dealing.WAITS
        cluster[ready[placed]] = heard[dealt.cluster[placed]]
        return cluster, allocation

    def _report(
        self, member: Member, nodes: NodeColumns, held: QueueUse, now_s: int
    ) -> ClusterReport:
        """What a member tells the hub: what it may sell in all, and what its queues hold."""
        holding = float(held.cpu_cores.sum())
        free = np.maximum(nodes.free_cpu_cores, 0.0).sum(axis=0)
        size = np.maximum(nodes.free_memory_bytes, 0.0).sum(axis=0)
        return ClusterReport(
            cluster=member.name,
            at_s=now_s,
            epoch=member.epoch,
            horizons_s=tuple(int(h) for h in nodes.horizons_s),
            supply_cpu_cores=free + holding,
            supply_memory_bytes=size + float(held.memory_bytes.sum()),
            forecast_expires_s=now_s + float(nodes.horizons_s[0]),
            queues=self.tree.leaf_names,
            held_cpu_cores=held.cpu_cores,
            demand_cpu_cores=held.cpu_cores,
            held_memory_bytes=float(held.memory_bytes.sum()),
        )

    def _deliver(self, member: Member, allocation: Allocation, now_s: int) -> None:
        """The member's newest grants, unless it is cut off: then it obeys what it has."""
        if self.silent(member.name, now_s):
            return
        mine = [grant for grant in allocation.grants if grant.cluster == member.name]
        if mine:
            member.epoch = mine[0].epoch
            member.granted_until_s = mine[0].expires_s
            member.granted_cores = np.array([grant.cpu_cores for grant in mine])

    def _at_home(self, waiting: IntArray, fits: BoolArray, index: int) -> BoolArray:
        """[W] gangs that fit nowhere now and wait with this member."""
        return np.asarray(~fits.any(axis=0) & (waiting % len(self.members) == index))

    def _snapshot(
        self,
        member: Member,
        cluster: tuple[NodeColumns, RunningColumns],
        columns: GangColumns,
        mine: IntArray,
        *,
        held: QueueUse,
        now_s: int,
    ) -> Snapshot:
        """What a member's planner knows: its nodes, what runs, its gangs, and its grants."""
        granted = member.granted_cores if now_s < member.granted_until_s else held.cpu_cores
        return Snapshot(
            nodes=cluster[0],
            running=cluster[1],
            gangs=_rows(columns, self.leaf, mine),
            queues=_queues(self.tree, granted),
            used=held,
        )

    def _place(
        self, member: Member, index: int, snapshot: Snapshot, mine: IntArray, *, now_s: int
    ) -> list[Start]:
        made = plan(snapshot, now_s=now_s, settings=self.planning, kept=member.reservation)
        member.plan, member.reservation, member.offered = made, made.reservation, mine
        return [
            Start(
                gang=int(mine[placement.gang]),
                cluster=index,
                nodes=member.nodes[placement.nodes],
                counts=placement.count,
            )
            for placement in made.placements
        ]


def _rows(columns: GangColumns, leaf: IntArray, rows: IntArray) -> GangColumns:
    return GangColumns(
        ids=tuple([columns.ids[row] for row in rows.tolist()]),
        queue=leaf[rows],
        tasks=columns.tasks[rows],
        min_available=columns.min_available[rows],
        cpu_cores=columns.cpu_cores[rows],
        memory_bytes=columns.memory_bytes[rows],
        duration_s=columns.duration_s[rows],
        submit_s=columns.submit_s[rows],
        priority=columns.priority[rows],
    )


def _queues(tree: QuotaTree, granted_cores: FloatArray) -> QueueTree:
    """The leaves as a member sees them: its grants are the maxima."""
    leaves = tree.leaves
    return QueueTree(
        names=tree.leaf_names,
        parent=np.full(len(leaves), TOP, np.int64),
        guaranteed_cpu_cores=np.minimum(tree.guaranteed_cpu_cores[leaves], granted_cores),
        max_cpu_cores=granted_cores,
        weight=tree.weight[leaves],
    )


def _cluster_nodes(
    forecasts: NodeForecasts,
    mine: IntArray,
    fleet: Fleet,
    predicted_s: IntArray,
    *,
    now_s: int,
) -> tuple[NodeColumns, RunningColumns]:
    """A member's nodes and what runs on them, as its planner sees them."""
    place = np.full(fleet.node_count, -1, np.int64)
    place[mine] = np.arange(len(mine))
    rows = np.flatnonzero(place[fleet.row_node] >= 0)
    gang, count = fleet.row_gang[rows], fleet.row_count[rows]
    running = RunningColumns(
        node=place[fleet.row_node[rows]],
        cpu_cores=fleet.jobs.cpu_cores[gang] * count,
        memory_bytes=fleet.jobs.memory_bytes[gang] * count,
        end_s=(fleet.started_s[gang]).astype(np.int64) + predicted_s[gang],
    )
    memory = forecasts.reclaimable_memory_bytes[mine]
    part = replace(
        forecasts,
        nodes=tuple(forecasts.nodes[node] for node in mine.tolist()),
        peak_cpu_cores=forecasts.peak_cpu_cores[mine],
        reclaimable_cpu_cores=forecasts.reclaimable_cpu_cores[mine],
        peak_memory_bytes=forecasts.peak_memory_bytes[mine],
        reclaimable_memory_bytes=np.where(np.isnan(memory), UNACCOUNTED_BYTES, memory),
    )
    is_open = np.ones(len(mine), np.bool_)
    return nodes_from_forecasts(part, running, now_s=now_s, is_open=is_open), running
