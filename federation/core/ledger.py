"""Every grant some member may still obey: what makes quotas safe when messages are lost.

A grant is a lease. Once sent it counts until it has expired, or until the member has confirmed a
newer epoch, for a member obeys only the newest epoch it has seen (fencing, as in Gray & Cheriton,
Leases, SOSP'89). The ledger is a value: store it before its grants are sent, and a hub that
restarts from it, or from the stored grants alone, makes no promise twice.

Always holds: epochs of a cluster only grow; a grant leaves the ledger only when nobody can obey
it any more and a newer one carries the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from federation.core.supply import ClusterReport
from slacktide.messages import FloatArray, QuotaGrant


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the hub has promised; the mappings are never changed in place."""

    grants: tuple[QuotaGrant, ...] = ()
    issued_epoch: Mapping[str, int] = field(default_factory=dict)  # cluster -> newest ever issued
    confirmed_epoch: Mapping[str, int] = field(default_factory=dict)  # cluster -> newest obeyed


@dataclass(frozen=True, slots=True)
class Outstanding:
    """The ledger as columns. L leaves, C clusters as reported."""

    most_cpu_cores: FloatArray  # [L, C] the most a member may still believe it was granted
    newest_cpu_cores: FloatArray  # [L, C] by the newest epoch; 0 once expired
    newest_memory_bytes: FloatArray  # [L, C]
    newest_guaranteed_cpu_cores: FloatArray  # [L, C]
    unseen_cpu_cores: FloatArray  # [L] in clusters that have not reported since the hub started


def restore(stored: Iterable[QuotaGrant]) -> Ledger:
    """The ledger of a hub that lost all but the grants it had stored."""
    grants = tuple(stored)
    issued: dict[str, int] = {}
    for grant in grants:
        issued[grant.cluster] = max(issued.get(grant.cluster, 0), grant.epoch)
    return Ledger(grants, issued)


def settle(
    ledger: Ledger, reports: Sequence[ClusterReport], *, now_s: float, clock_skew_s: float
) -> Ledger:
    """The ledger without what nobody can obey any more.

    The newest grants of a cluster stay even when expired: they carry its epoch through a restart.
    A member that reports a newer epoch than the hub remembers is right: the hub lost its memory,
    and its next epoch must be newer still.
    """
    issued, confirmed = dict(ledger.issued_epoch), dict(ledger.confirmed_epoch)
    for report in reports:
        confirmed[report.cluster] = max(confirmed.get(report.cluster, 0), report.epoch)
        issued[report.cluster] = max(issued.get(report.cluster, 0), report.epoch)
    kept = tuple(
        grant
        for grant in ledger.grants
        if grant.epoch == issued[grant.cluster]
        or (
            grant.expires_s + clock_skew_s > now_s
            and grant.epoch >= confirmed.get(grant.cluster, 0)
        )
    )
    return Ledger(kept, issued, confirmed)


def outstanding(
    ledger: Ledger,
    *,
    leaf_index: Mapping[str, int],
    clusters: Sequence[str],
    now_s: float,
    clock_skew_s: float,
) -> Outstanding:
    """A settled ledger as columns; grants to queues no longer in the tree are left out."""
    shape = len(leaf_index), len(clusters)
    columns = Outstanding(
        np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape[0])
    )
    cluster_index = {name: index for index, name in enumerate(clusters)}
    unseen: dict[tuple[int, str], float] = {}
    for grant in ledger.grants:
        leaf = leaf_index.get(grant.queue)
        if leaf is None or grant.expires_s + clock_skew_s <= now_s:
            continue
        cluster = cluster_index.get(grant.cluster)
        if cluster is None:
            place = leaf, grant.cluster
            unseen[place] = max(unseen.get(place, 0.0), grant.cpu_cores)
        else:
            _enter(columns, ledger, grant, (leaf, cluster), now_s)
    for (leaf, _), cpu_cores in unseen.items():
        columns.unseen_cpu_cores[leaf] += cpu_cores
    return columns


def _enter(
    columns: Outstanding, ledger: Ledger, grant: QuotaGrant, at: tuple[int, int], now_s: float
) -> None:
    most = columns.most_cpu_cores
    most[at] = max(most[at], grant.cpu_cores)
    if grant.epoch == ledger.issued_epoch[grant.cluster] and grant.expires_s > now_s:
        columns.newest_cpu_cores[at] = grant.cpu_cores
        columns.newest_memory_bytes[at] = grant.memory_bytes
        columns.newest_guaranteed_cpu_cores[at] = grant.guaranteed_cpu_cores
