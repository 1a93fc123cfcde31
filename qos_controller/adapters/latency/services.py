"""What each service with an SLO told lately, and which of them the law should hear.

Services must not be added up: ten slow requests of a small one would drown in a thousand fast ones
of a big one. So each keeps a CUSUM of its own (Page 1954; the same drift as the law's), and the
law hears the one that stands worst, or all together while none does.
A promise of another quantile is told in units of p99: a slow request of a p95 service weighs 0.2,
of a p99.9 service 10, since the law's budget of slow requests is made for p99.
Always holds: a service that told nothing for `stale_s` is not heard; where none is, requests are
None. Cost: 0.2 us a request told, 0.4 us a service and tick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from qos_controller.core.pods import Pod, Slo

DRIFT: Final = 0.03
"""Share of slow requests that is no news, as in core/settings.py."""
FADE_S: Final = 10.0
STALE_S: Final = 5.0
_WORST: Final = 5.0
"""Twice the law's alarm: beyond it a CUSUM would only ring longer."""


@dataclass(slots=True)
class Service:
    """One service's count since the last tick, and its standing."""

    uid: str
    slo: Slo
    requests: int = 0
    slow: float = 0.0
    worst_s: float | None = None
    excess: float = 0.0
    heard_s: float = -math.inf

    @property
    def weight(self) -> float:
        """What one slow request counts, in units of p99."""
        return 0.01 / (1.0 - self.slo.quantile)

    def add(self, latency_s: float) -> None:
        """One request."""
        self.requests += 1
        if latency_s > self.slo.bound_s:
            self.slow += self.weight
        if self.worst_s is None or latency_s > self.worst_s:
            self.worst_s = latency_s

    def add_counts(self, requests: int, slow: int) -> None:
        """Requests that the sender judged."""
        self.requests += requests
        self.slow += slow * self.weight


@dataclass(frozen=True, slots=True)
class Heard:
    """What the law is told of one tick."""

    requests: int | None = None
    slow: int = 0
    latency_s: float | None = None
    """The longest of all, for people."""


class Services:
    """All services with an SLO on this node."""

    def __init__(self, *, stale_s: float = STALE_S) -> None:
        self._stale_s = stale_s
        self._by_uid: dict[str, Service] = {}
        self._carried = 0.0
        self._taken_s = -math.inf

    def follow(self, pods: tuple[Pod, ...]) -> None:
        """Keeps what is known of those that stay with the same promise."""
        before = self._by_uid
        self._by_uid = {
            pod.uid: known
            if (known := before.get(pod.uid)) is not None and known.slo == pod.slo
            else Service(pod.uid, pod.slo)
            for pod in pods
            if pod.slo is not None and not pod.batch
        }

    def get(self, uid: str) -> Service | None:
        """That of one pod; None where it promised nothing."""
        return self._by_uid.get(uid)

    def __len__(self) -> int:
        return len(self._by_uid)

    def take(self, now_s: float) -> Heard:
        """What came since the last call; the counts begin anew."""
        fade = math.exp(-max(0.0, min(now_s - self._taken_s, 1e6)) / FADE_S)
        self._taken_s = now_s
        requests, slow, latency_s = 0, 0.0, None
        worst: Service | None = None
        counts = (0, 0.0)
        heard = False
        for service in self._by_uid.values():
            if service.requests:
                service.heard_s = now_s
                if service.worst_s is not None:
                    latency_s = max(latency_s or 0.0, service.worst_s)
                requests += service.requests
                slow += service.slow
            elif now_s - service.heard_s > self._stale_s:
                service.excess = 0.0
                continue
            heard = True
            drift = DRIFT * service.requests
            service.excess = max(0.0, min(service.excess * fade + service.slow - drift, _WORST))
            if service.excess > (worst.excess if worst else 0.0):
                worst, counts = service, (service.requests, service.slow)
            service.requests, service.slow, service.worst_s = 0, 0.0, None
        if not heard:
            self._carried = 0.0
            return Heard()
        if worst is not None:
            requests, slow = counts
        return Heard(requests, self._whole(slow), latency_s)

    def _whole(self, slow: float) -> int:
        """Whole requests; the rest counts with the next tick's."""
        self._carried += slow
        whole = int(self._carried + 1e-9)
        self._carried -= whole
        return whole
