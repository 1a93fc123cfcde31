"""Which process decides, as its Lease tells anybody who may read it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import httpx
import msgspec

from scheduler.core.picture import PlannerFact
from slacktide.kube.objects import Meta

PATH: Final = "/apis/coordination.k8s.io/v1/leases"
LEASE: Final = "slacktide-scheduler"


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    renew_time: str | None = None


class _Lease(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: _Spec = _Spec()


class _Leases(msgspec.Struct, frozen=True):
    items: tuple[_Lease, ...] = ()


_LEASES: Final = msgspec.json.Decoder(_Leases)


async def planner_of(client: httpx.AsyncClient, *, now_s: float) -> tuple[PlannerFact | None, str]:
    """The planner, or None and why it cannot be seen.

    Raises:
        httpx.HTTPError: when the server cannot be reached.
    """
    answer = await client.get(PATH, params={"fieldSelector": f"metadata.name={LEASE}"})
    if answer.status_code == httpx.codes.FORBIDDEN:
        return None, "leases may not be listed: whether a planner runs is not known"
    try:
        found = _LEASES.decode(answer.raise_for_status().content).items
    except msgspec.DecodeError:
        found = ()
    facts = [fact for lease in found if (fact := _fact(lease.spec, now_s))]
    return min(facts, key=lambda fact: fact.heard_s, default=None), ""


def _fact(spec: _Spec, now_s: float) -> PlannerFact | None:
    if not spec.holder_identity or not spec.renew_time:
        return None
    try:
        renewed_s = datetime.fromisoformat(spec.renew_time).timestamp()
    except ValueError:
        return None
    heard_s = max(now_s - renewed_s, 0.0)
    alive = heard_s <= (spec.lease_duration_seconds or 0)
    return PlannerFact(holder=spec.holder_identity, heard_s=heard_s, alive=alive)
