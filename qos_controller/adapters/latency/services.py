"""What each service with an SLO told since the last tick.

Services are not added up here: ten slow requests of a small one would drown in a thousand fast ones
of a big one, so the law hears each for itself; the sums are for people.
Always holds: where no service told anything for `stale_s`, requests are None, which is not the same
as no slow request; in the ticks between, they are 0.
Cost: 0.2 us a request told, 1.5 us a service that told, nothing for the silent ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from qos_controller.core.pods import Pod, Slo
from qos_controller.core.sample import ServiceSample

STALE_S: Final = 5.0
NEAR_SHARE: Final = 0.8
"""An answer that took this much of the bound is near it."""


class Service:
    """One service's count since the last tick."""

    __slots__ = ("_bound_s", "_inbox", "requests", "slo", "slow", "uid", "worst_s")

    def __init__(self, uid: str, slo: Slo, inbox: list[Service]) -> None:
        self.uid, self.slo = uid, slo
        self._inbox = inbox
        self._bound_s = slo.bound_s
        self.requests = self.slow = 0
        self.worst_s: float | None = None

    def add(self, latency_s: float) -> None:
        """One request."""
        if not self.requests:
            self._inbox.append(self)
        self.requests += 1
        if latency_s > self._bound_s:
            self.slow += 1
        if self.worst_s is None or latency_s > self.worst_s:
            self.worst_s = latency_s

    def add_counts(self, requests: int, slow: int) -> None:
        """Requests that the sender judged."""
        if not self.requests and requests:
            self._inbox.append(self)
        self.requests += requests
        self.slow += slow

    @property
    def near_bound(self) -> bool:
        """Whether an answer since the last tick came late, or nearly so."""
        return self.slow > 0 or (self.worst_s or 0.0) > NEAR_SHARE * self._bound_s

    def take(self) -> ServiceSample:
        """What came, and begins anew."""
        sample = ServiceSample(
            service=self.uid,
            requests=self.requests,
            slow_requests=self.slow,
            quantile=self.slo.quantile,
            bound_s=self._bound_s,
            latency_s=self.worst_s,
        )
        self.requests = self.slow = 0
        self.worst_s = None
        return sample


@dataclass(frozen=True, slots=True)
class Heard:
    """What was told in one tick."""

    services: tuple[ServiceSample, ...] = ()
    requests: int | None = None
    slow: int = 0
    latency_s: float | None = None
    """The longest of all."""


_NOBODY: Final = Heard()
_SILENCE: Final = Heard(requests=0)


class Services:
    """All services with an SLO on this node."""

    def __init__(self, *, stale_s: float = STALE_S) -> None:
        self._stale_s = stale_s
        self._by_uid: dict[str, Service] = {}
        self._inbox: list[Service] = []
        self._heard_s = -math.inf

    def follow(self, pods: Sequence[Pod]) -> None:
        """Keeps what is known of those that stay with the same promise."""
        before = self._by_uid
        self._by_uid = {
            pod.uid: known
            if (known := before.get(pod.uid)) is not None and known.slo == pod.slo
            else Service(pod.uid, pod.slo, self._inbox)
            for pod in pods
            if pod.slo is not None and pod.managed and not pod.batch
        }

    def get(self, uid: str) -> Service | None:
        """That of one pod; None where it promised nothing."""
        return self._by_uid.get(uid)

    @property
    def near_bound(self) -> bool:
        """Whether some service is, by what was told since `take`."""
        return any(service.near_bound for service in self._inbox)

    def __len__(self) -> int:
        return len(self._by_uid)

    def take(self, now_s: float) -> Heard:
        """What came since the last call; the counts begin anew."""
        if not self._inbox:
            return _SILENCE if now_s - self._heard_s <= self._stale_s else _NOBODY
        told = tuple(it.take() for it in self._inbox if it.uid in self._by_uid)
        self._inbox.clear()
        self._heard_s = now_s
        latencies = [it.latency_s for it in told if it.latency_s is not None]
        return Heard(
            told,
            sum(it.requests for it in told),
            sum(it.slow_requests for it in told),
            max(latencies, default=None),
        )
