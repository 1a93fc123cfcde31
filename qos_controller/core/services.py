"""Online's latency as its clients feel it, service by service: has anybody been hurt, or all well?

Each service has a CUSUM (Page, "Continuous inspection schemes", Biometrika 1954) over its own
requests: S = max(0, S + slow - 3 (1 - quantile) x requests), alarm at S > h. Always holds: a small
service is not hidden by a big one; who is silent neither rings nor proves that all is well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from qos_controller.core.node_settings import LatencySettings
from qos_controller.core.sample import Sample, ServiceSample
from qos_controller.core.state import NEVER


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of one service; all counts fade from `heard_s` on."""

    service: str
    slow_sum: float = 0.0
    requests: float = 0.0
    slow: float = 0.0
    worst_share: float = 0.0
    """The slowest answer over its bound."""
    quantile: float = 0.99
    heard_s: float = NEVER


@dataclass(frozen=True, slots=True)
class Latency:
    """What all services say together."""

    level: float = 0.0
    """The highest CUSUM over its alarm."""
    alarm: bool = False
    service: str = ""
    """Whose that is."""
    within: bool = False
    """All are within their SLO, and there are enough fresh answers to say so."""
    hurt: bool = False
    """Some service answers slowly more often than it may, right now: nothing may grow."""
    slack: bool = False
    """Well within: less than half of what the SLO allows is slow, or all is far below the bound."""


SILENT: Final = Latency()


def listen(
    watches: tuple[Watch, ...], sample: Sample, *, now_s: float, settings: LatencySettings
) -> tuple[Watch, ...]:
    """The watches after one sample; a service unheard of for long is forgotten."""
    heard = sample.services or _as_one(sample)
    if not heard:
        return watches
    known = {watch.service: watch for watch in watches}
    for service in heard:
        before = known.get(service.service)
        known[service.service] = (
            _counted(Watch(service.service), service, now_s, settings)
            if before is None
            else _counted(before, service, now_s, settings)
        )
    oldest_s = now_s - 6.0 * settings.forget_s
    return tuple(watch for watch in known.values() if watch.heard_s >= oldest_s)


def judged(watches: tuple[Watch, ...], *, now_s: float, settings: LatencySettings) -> Latency:
    """What they say together."""
    if not watches:
        return SILENT
    level, service, within, slack, hurt, proofs = 0.0, "", True, True, False, 0
    for watch in watches:
        silent_s = now_s - watch.heard_s
        height = watch.slow_sum * math.exp(-silent_s / settings.forget_s) / settings.alarm
        if height > level:
            level, service = height, watch.service
        fade = math.exp(-silent_s / settings.window_s)
        enough = watch.requests * fade >= settings.enough_requests
        if height >= 0.5 or (enough and silent_s > _longest_gap_s(watch, settings)):
            within = False
        elif enough:
            proofs += 1
            slack = slack and _has_slack(watch, settings)
        if watch.slow * fade >= settings.few_slow and _over_budget(watch, settings):
            within, hurt = False, True
    within = within and proofs > 0
    return Latency(level, level > 1.0, service, within, hurt, within and slack)


def told(watches: tuple[Watch, ...], settings: LatencySettings) -> tuple[Watch, ...]:
    """An alarm is told once; what comes after it is counted anew."""
    return tuple(
        replace(watch, slow_sum=0.0) if watch.slow_sum > settings.alarm else watch
        for watch in watches
    )


def _longest_gap_s(watch: Watch, settings: LatencySettings) -> float:
    """So long a silence has a chance of e^-10 where requests come by themselves (Poisson)."""
    rate_per_s = watch.requests / settings.window_s
    return max(settings.least_gap_s, min(settings.fresh_s, 10.0 / rate_per_s))


def _over_budget(watch: Watch, settings: LatencySettings) -> bool:
    return watch.slow > settings.budget_factor * (1.0 - watch.quantile) * watch.requests


def _has_slack(watch: Watch, settings: LatencySettings) -> bool:
    if watch.slow <= 0.5 * (1.0 - watch.quantile) * watch.requests:
        return True
    return 0.0 < watch.worst_share <= 1.0 - settings.slack_share


def _as_one(sample: Sample) -> tuple[ServiceSample, ...]:
    """The signals' sums, where nobody tells the services apart."""
    signals = sample.signals
    if not signals.requests and not signals.slow_requests:
        return ()
    requests = max(signals.requests or 0, signals.slow_requests)
    return (ServiceSample(service="", requests=requests, slow_requests=signals.slow_requests),)


def _counted(
    before: Watch, service: ServiceSample, now_s: float, settings: LatencySettings
) -> Watch:
    silent_s = max(0.0, now_s - before.heard_s)
    slow = max(0, service.slow_requests)
    requests = max(slow, service.requests)
    if not requests:
        return before
    drift = settings.budget_factor * (1.0 - service.quantile) * requests
    slow_sum = before.slow_sum * math.exp(-silent_s / settings.forget_s) + slow - drift
    fade = math.exp(-silent_s / settings.window_s)
    worst = 0.0
    if service.latency_s is not None and service.bound_s:
        worst = service.latency_s / service.bound_s
    return Watch(
        service.service,
        # Twice the alarm is enough to ring; more would only ring longer after the harm is over.
        min(max(0.0, slow_sum), 2.0 * settings.alarm),
        before.requests * fade + requests,
        before.slow * fade + slow,
        max(before.worst_share * fade, worst),
        service.quantile,
        now_s,
    )
