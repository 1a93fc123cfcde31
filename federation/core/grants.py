"""Turns one round's shares into grants with an epoch and an end, and keeps the ledger.

A queue's quota moves between clusters only as fast as the old word dies: where a maximum is tight,
the new cluster gets its cores when the old one has confirmed the smaller grant, or when the old
grant has expired. What is above a queue's guarantee is a loan, and like every grant it ends with
the forecast it stands on at the latest.

Always holds, whatever messages are lost, doubled or late: the grants of one epoch sum to at most
the supply they were computed on; over all clusters, what members may still obey exceeds no
queue's maximum (unless the maximum itself was lowered: then nothing grows); every grant says why.
Send a round's grants only after its ledger is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from federation.core.ledger import Ledger
from federation.core.quota_tree import QuotaTree
from federation.core.settings import FederationSettings
from federation.core.shares import Shares, share_out, spread
from federation.core.supply import ClusterReport, Rung
from slacktide.messages import FloatArray, QuotaGrant

_MILLI = 1000.0  # quotas are whole milli-cores, as nodes publish them
_NOISE_MILLI = 1e-6  # binary noise that must not cost a whole milli-core
_SAME_CORES = 1e-6


@dataclass(frozen=True, slots=True)
class Allocation:
    """What the hub says in one round. L leaves, C clusters as in `shares.reports`."""

    grants: tuple[QuotaGrant, ...]  # by cluster, then queue; a lost cluster gets none
    ledger: Ledger  # to be stored before the grants are sent
    shares: Shares
    cpu_cores: FloatArray  # [L, C] as granted
    loan_cpu_cores: FloatArray  # [L, C] the part above the leaf's guarantee


def allocate(
    tree: QuotaTree,
    reports: Sequence[ClusterReport],
    ledger: Ledger,
    *,
    queued_cpu_cores: FloatArray,
    now_s: float,
    settings: FederationSettings,
) -> Allocation:
    """One round without gangs at the hub: shares, then grants. See `share_out` and `grant`."""
    shares = share_out(
        tree, reports, ledger, queued_cpu_cores=queued_cpu_cores, now_s=now_s, settings=settings
    )
    return grant(shares)


def grant(shares: Shares, *, dispatched_cpu_cores: FloatArray | None = None) -> Allocation:
    """The grants of a round.

    Args:
        shares: from `share_out`.
        dispatched_cpu_cores: [L, C] gangs just given a cluster; their cores go where they go.
    """
    target = _placed(shares, dispatched_cpu_cores)
    cpu_cores = _whole_milli_cores(_within_maxima(shares, target))
    guaranteed = _guaranteed_part(shares, cpu_cores)
    memory_bytes = _memory(shares, cpu_cores)
    grants = _write(shares, target, cpu_cores, guaranteed, memory_bytes)
    issued = dict(shares.ledger.issued_epoch) | {grant.cluster: grant.epoch for grant in grants}
    ledger = Ledger(shares.ledger.grants + grants, issued, shares.ledger.confirmed_epoch)
    return Allocation(grants, ledger, shares, cpu_cores, cpu_cores - guaranteed)


def _placed(shares: Shares, dispatched_cpu_cores: FloatArray | None) -> FloatArray:
    """[L, C] settled, then dispatched, then the rest in proportion to free supply."""
    placed, free = shares.settled_cpu_cores, shares.free_cpu_cores
    headroom = shares.headroom_cpu_cores
    if dispatched_cpu_cores is not None:
        placed = placed + dispatched_cpu_cores
        free = np.maximum(free - dispatched_cpu_cores.sum(axis=0), 0.0)
        headroom = np.maximum(headroom - dispatched_cpu_cores.sum(axis=1), 0.0)
    return placed + spread(headroom, free)


def _within_maxima(shares: Shares, target: FloatArray) -> FloatArray:
    """[L, C] the target, grown no further than the maxima allow beside all that may be obeyed."""
    tree, before = shares.tree, shares.outstanding
    growth = np.maximum(target - before.most_cpu_cores, 0.0)
    obeyed = tree.sum_up(before.most_cpu_cores.sum(axis=1) + before.unseen_cpu_cores)
    growing = tree.sum_up(growth.sum(axis=1))
    slack = np.maximum(tree.max_cpu_cores - obeyed, 0.0)
    factor = np.divide(slack, growing, out=np.ones_like(slack), where=growing > slack)
    for level in tree.levels[1:]:
        factor[level] = np.minimum(factor[level], factor[tree.parent[level]])
    kept = np.minimum(target, before.most_cpu_cores)
    grown: FloatArray = kept + growth * factor[tree.leaves][:, None]
    return grown


def _whole_milli_cores(cpu_cores: FloatArray) -> FloatArray:
    whole: FloatArray = np.floor(cpu_cores * _MILLI + _NOISE_MILLI) / _MILLI
    return whole


def _guaranteed_part(shares: Shares, cpu_cores: FloatArray) -> FloatArray:
    """[L, C] what each grant has of its leaf's guarantee, after what lost clusters still have."""
    gone = [standing.rung is Rung.LOST for standing in shares.standings]
    used = shares.outstanding.newest_guaranteed_cpu_cores[:, gone].sum(axis=1)
    left = np.maximum(shares.tree.guaranteed_cpu_cores[shares.tree.leaves] - used, 0.0)
    total = cpu_cores.sum(axis=1)
    part = np.divide(left, total, out=np.ones_like(total), where=total > left)
    return _whole_milli_cores(cpu_cores * part[:, None])


def _memory(shares: Shares, cpu_cores: FloatArray) -> FloatArray:
    """[L, C] whole bytes: the share of a cluster's memory that goes with its share of CPU."""
    per_core = np.array(
        [
            standing.supply_memory_bytes / standing.supply_cpu_cores
            if standing.supply_cpu_cores > 0
            else 0.0
            for standing in shares.standings
        ]
    )
    whole: FloatArray = np.floor(cpu_cores * per_core)
    return whole


def _write(
    shares: Shares,
    target: FloatArray,
    cpu_cores: FloatArray,
    guaranteed: FloatArray,
    memory_bytes: FloatArray,
) -> tuple[QuotaGrant, ...]:
    """A grant for every queue, zero too, in every cluster that is not lost, under a new epoch.

    A whole set every time: a member that gets one of them drops all older ones.
    """
    names = shares.tree.leaf_names
    bounds = _bounds(shares)
    grants: list[QuotaGrant] = []
    for cluster, (name, standing) in enumerate(zip(shares.clusters, shares.standings, strict=True)):
        if standing.rung is Rung.LOST:
            continue
        epoch = shares.ledger.issued_epoch[name] + 1
        for leaf, queue in enumerate(names):
            cpu, sure = float(cpu_cores[leaf, cluster]), float(guaranteed[leaf, cluster])
            held_back = float(target[leaf, cluster]) > cpu + 1 / _MILLI
            grants.append(
                QuotaGrant(
                    queue=queue,
                    cluster=name,
                    cpu_cores=cpu,
                    memory_bytes=float(memory_bytes[leaf, cluster]),
                    guaranteed_cpu_cores=sure,
                    loan_cpu_cores=round(cpu - sure, 3),
                    epoch=epoch,
                    issued_s=shares.at_s,
                    expires_s=standing.expires_s,
                    reason=_reason(shares, leaf, cluster, bounds[leaf], held_back=held_back),
                )
            )
    return tuple(grants)


def _reason(shares: Shares, leaf: int, cluster: int, bound: str, *, held_back: bool) -> str:
    standing = shares.standings[cluster]
    if standing.rung is not Rung.FRESH:
        had = shares.outstanding.newest_cpu_cores[leaf, cluster]
        return f"holds what is left of {had:g} cores: {standing.reason}"
    waits = (
        "; grows when other clusters have confirmed less or their grants expired, so that the "
        "maximum holds meanwhile"
        if held_back
        else ""
    )
    return f"{bound}; {shares.supply_cpu_cores[cluster]:g} cores hold here until then{waits}"


def _bounds(shares: Shares) -> list[str]:
    """[L] a sentence per leaf: its fill over all clusters in sight and what bound it."""
    tree, total = shares.tree, shares.fill_cpu_cores + shares.elsewhere_cpu_cores
    used = tree.sum_up(total)
    sentences = []
    for leaf, queue in enumerate(tree.leaves.tolist()):
        fill, demand = float(shares.fill_cpu_cores[leaf]), float(shares.demand_cpu_cores[leaf])
        away = float(shares.elsewhere_cpu_cores[leaf])
        beside = f", beside {away:g} out of sight" if away else ""
        full = [q for q in tree.path(queue) if used[q] >= tree.max_cpu_cores[q] - _SAME_CORES]
        if fill >= demand - _SAME_CORES:
            binding = "its demand"
        elif full:
            binding = f"the maximum {tree.max_cpu_cores[full[0]]:g} of {tree.names[full[0]]}"
        else:
            binding = (
                f"supply: guaranteed {tree.guaranteed_cpu_cores[queue]:g}, "
                f"then by weight {tree.weight[queue]:g}"
            )
        sentences.append(
            f"{fill:g} of {demand:g} wanted cores over all clusters in sight{beside}, "
            f"bound by {binding}"
        )
    return sentences
