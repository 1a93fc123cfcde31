"""One round of the hub: reports in, grants and claims out, every decision a sentence.

The order matters. Gangs are freed or taken back before quotas are shared, so that nobody's demand
is counted twice; they are dispatched before grants are written, so that a gang's quota is where
the gang goes; claims come last and name what was just placed.

Always holds: the result depends on the arguments alone. The shell stores the new state first, and
sends after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from federation.core.dispatch import WAITS, Dispatch, Gangs, dispatch
from federation.core.failover import Book, Claims, claim, follow, in_flight, place
from federation.core.grants import Allocation, grant
from federation.core.ledger import Ledger
from federation.core.quota_tree import QuotaTree
from federation.core.settings import FederationSettings
from federation.core.shares import share_out
from federation.core.supply import ClusterReport, take_in
from slacktide.messages import FloatArray


@dataclass(frozen=True, slots=True)
class HubState:
    """All the hub remembers; `reports` may be lost in a restart, ledger and book may not."""

    listening_since_s: float
    reports: tuple[ClusterReport, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)
    book: Book = field(default_factory=Book)


@dataclass(frozen=True, slots=True)
class HubRound:
    """What one round decided."""

    state: HubState  # to be stored before anything is sent
    allocation: Allocation  # its grants are to be sent
    claims: tuple[Claims, ...]  # to be sent
    refused: tuple[str, ...]  # reports that were not taken
    gang_reasons: Mapping[str, str]  # each gang that moved or waits
    cluster_reasons: Mapping[str, str]  # each cluster: its standing


def run_round(
    state: HubState,
    arrived: Sequence[ClusterReport],
    *,
    tree: QuotaTree,
    gangs: Gangs,
    now_s: float,
    settings: FederationSettings,
) -> HubRound:
    """One round.

    Args:
        state: what the last round left, with new gangs submitted to its book.
        arrived: reports since then, in any order.
        tree: L leaves.
        gangs: every gang of the book that is not finished, most urgent first.
        now_s: by the hub's clock.
        settings: ladder, lease, claim.
    """
    inbox = take_in(state.reports, arrived, now_s=now_s, settings=settings)
    followed = follow(
        state.book,
        inbox.reports,
        now_s=now_s,
        listening_since_s=state.listening_since_s,
        settings=settings,
    )
    rows = [row for row, gang in enumerate(gangs.ids) if gang in followed.book.waiting]
    waiting = gangs.pick(np.array(rows, dtype=np.int64))
    shares = share_out(
        tree,
        inbox.reports,
        state.ledger,
        queued_cpu_cores=_cores_by_leaf(waiting, tree),
        in_flight_cpu_cores=_in_flight_cores(followed.book, inbox.reports, gangs, tree),
        now_s=now_s,
        settings=settings,
    )
    dispatched = dispatch(waiting, shares)
    allocation = grant(shares, dispatched_cpu_cores=dispatched.cpu_cores)
    book = place(followed.book, _placements(waiting, dispatched, shares.clusters))
    claimed = claim(book, inbox.reports, now_s=now_s, settings=settings)
    return HubRound(
        state=HubState(state.listening_since_s, inbox.reports, allocation.ledger, claimed.book),
        allocation=allocation,
        claims=claimed.claims,
        refused=inbox.refused,
        gang_reasons={
            **followed.gang_reasons,
            **claimed.gang_reasons,
            **{gang: dispatched.reasons(row) for row, gang in enumerate(waiting.ids)},
        },
        cluster_reasons={
            name: standing.reason
            for name, standing in zip(shares.clusters, shares.standings, strict=True)
        },
    )


def _cores_by_leaf(gangs: Gangs, tree: QuotaTree) -> FloatArray:
    """[L] cores of whole gangs."""
    cores = np.zeros(len(tree.leaves))
    np.add.at(cores, gangs.leaf, gangs.tasks * gangs.cpu_cores)
    return cores


def _in_flight_cores(
    book: Book, reports: Sequence[ClusterReport], gangs: Gangs, tree: QuotaTree
) -> FloatArray:
    """[L, C] cores of gangs placed where the newest report does not show them yet."""
    columns = []
    for report in reports:
        flying = in_flight(book, report)
        rows = [row for row, gang in enumerate(gangs.ids) if gang in flying]
        columns.append(_cores_by_leaf(gangs.pick(np.array(rows, dtype=np.int64)), tree))
    return np.stack(columns, axis=1) if columns else np.zeros((len(tree.leaves), 0))


def _placements(waiting: Gangs, dispatched: Dispatch, clusters: tuple[str, ...]) -> dict[str, str]:
    return {
        gang: clusters[cluster]
        for gang, cluster in zip(waiting.ids, dispatched.cluster.tolist(), strict=True)
        if cluster != WAITS
    }
