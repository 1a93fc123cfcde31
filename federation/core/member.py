"""The member's side: whom to obey, and what may run when the hub is silent.

A member obeys only the newest epoch it has seen, of grants and of claims each. It must keep its
`MemberState` through restarts. With the hub gone it starts nothing new once grants have expired,
pauses (never deletes) gangs whose claim has expired, and lets pinned gangs run on.

Always holds: epochs never fall; nothing is stopped that was not named; a message that arrives
after its own end is not taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from federation.core.failover import Claims
from slacktide.messages import QuotaGrant


@dataclass(frozen=True, slots=True)
class MemberState:
    """What one member has been told."""

    cluster: str
    grant_epoch: int = 0
    grants: Mapping[str, QuotaGrant] = field(default_factory=dict)  # by queue, of that epoch
    claims: Claims | None = None
    gangs: frozenset[str] = frozenset()  # copies it has, running or paused
    finished: frozenset[str] = frozenset()  # ended here, and the hub has not said it knows


def hear_grants(
    member: MemberState, grants: Sequence[QuotaGrant], *, now_s: float
) -> tuple[MemberState, str]:
    """The member after one cluster's grants arrived, in any number and order, and why.

    The first grant of a newer epoch drops all of the older one: a queue whose grant is still on
    its way has none meanwhile, which is less than it had and never more.
    """
    epoch, kept = member.grant_epoch, dict(member.grants)
    refused = 0
    for grant in grants:
        if grant.cluster != member.cluster or grant.epoch < epoch or grant.expires_s <= now_s:
            refused += 1
            continue
        if grant.epoch > epoch:
            epoch, kept = grant.epoch, {}
        kept[grant.queue] = grant
    sentence = (
        f"{member.cluster} obeys epoch {epoch} with {len(kept)} grants; {refused} of "
        f"{len(grants)} came too late, from an older epoch or for another cluster"
    )
    return replace(member, grant_epoch=epoch, grants=kept), sentence


def quota_cpu_cores(member: MemberState, queue: str, *, now_s: float) -> float:
    """What a queue may hold here now; 0 once its grant has expired."""
    grant = member.grants.get(queue)
    return grant.cpu_cores if grant is not None and now_s < grant.expires_s else 0.0


def hear_claims(member: MemberState, claims: Claims, *, now_s: float) -> tuple[MemberState, str]:
    """The member after claims arrived: it takes new gangs, and stops the copies that are named."""
    known = member.claims.epoch if member.claims is not None else 0
    if claims.cluster != member.cluster or claims.epoch <= known:
        return member, f"{member.cluster} keeps claims {known}: {claims.epoch} is not newer"
    if claims.expires_s <= now_s:
        return member, f"{member.cluster} keeps claims {known}: {claims.epoch} came after its end"
    new = claims.run - member.gangs - member.finished
    stopped = member.gangs & claims.stop
    gangs = (member.gangs | new) - stopped
    finished = member.finished & claims.run  # the rest the hub knows to be finished
    sentence = (
        f"{member.cluster} obeys claims {claims.epoch}: takes {_names(new)}, "
        f"stops {_names(stopped)}, keeps {_names(gangs - new)}"
    )
    return replace(member, claims=claims, gangs=gangs, finished=finished), sentence


def may_run(member: MemberState, *, now_s: float) -> frozenset[str]:
    """The gangs that may run here now; all others it has are paused."""
    if member.claims is None:
        return frozenset()
    covered = member.claims.run if now_s < member.claims.expires_s else member.claims.pinned
    return member.gangs & covered


def finish(member: MemberState, gang: str) -> MemberState:
    """A gang came to its end here."""
    ended = member.gangs & {gang}
    return replace(member, gangs=member.gangs - ended, finished=member.finished | ended)


def _names(gangs: frozenset[str]) -> str:
    return ", ".join(sorted(gangs)) or "none"
