"""The uplink's law: batch sends what online leaves, and less while online's connections suffer.

ceiling = link - online's - margin: Heracles (Lo et al., ISCA 2015). The margin is 5 % of the link
or 75 % of what online sends: its bursts queue at what they are left, by use / (1 - use) of it
(Kleinrock, Queueing Systems, 1975), so a little over half used is short and nine tenths is long.
Where the link's speed is not known, or where the harm is elsewhere on the way, round trips and
retransmits of online's own connections decide by AIMD. Always holds: no ceiling where no batch pod
is, or where the link is unknown and batch sends next to nothing; where it is known the ceiling
stands as soon as a batch pod is there; a lost signal freezes the ceiling where it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from qos_controller.core.decision import Action, Reason, SetEgress, Verdict
from qos_controller.core.node_settings import NetworkSettings
from qos_controller.core.sample import NetworkSample
from qos_controller.core.state import NEVER

CALM: Final = 0
CEILING: Final = 1
TIGHTENED: Final = 2
NETWORK_STAGES: Final = ("calm", "ceiling", "tightened")
_MIB: Final = float(2**20)

_SAYS: Final = (
    "network {0}: batch may send {1:.1f} MiB/s of {2:.1f} (link) - margin - {3:.1f} (online); "
    "it sends {4:.1f}; online's connections are at {5:.2f} of their limit"
)
_SAYS_UNKNOWN: Final = _SAYS.replace("{2:.1f} (link) - margin", "an unknown link")
UNSEEN: Final = Verdict(CALM, 0.0, Reason("network calm: not seen yet"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMemory:
    """What is remembered of the uplink."""

    heard_s: float = NEVER
    sent_s: float = NEVER
    """When batch last sent more than next to nothing."""
    online_bytes_per_s: float = 0.0
    """Estimate of what online needs: up at once, down slowly."""
    usual_srtt_s: float = 0.0
    usual_retransmits_per_s: float = 0.0
    harmed_s: float = NEVER
    tightened_bytes_per_s: float = math.inf
    """Ceiling by AIMD; infinite: the formula's alone."""
    ceiling_bytes_per_s: float = math.inf
    """In force."""
    verdict: Verdict = UNSEEN


def decide_network(
    sample: NetworkSample,
    before: NetworkMemory,
    *,
    alarm: bool,
    batch_is_here: bool = False,
    now_s: float,
    settings: NetworkSettings,
) -> tuple[NetworkMemory, list[Action]]:
    """The memory after one look, and the new ceiling where it changed enough."""
    dt_s = now_s - before.heard_s if before.heard_s > NEVER else 0.0
    sent = sample.offline_sent_bytes_per_s or 0.0
    sends = sent >= settings.idle_bytes_per_s
    sent_s = now_s if sends else before.sent_s
    online = _online(sample, before, dt_s, settings)
    level = level_of(sample, before, settings)
    busy = now_s - sent_s < settings.idle_after_s
    harmed = busy and (alarm or level > 1.0)
    tightened, harmed_s = before.tightened_bytes_per_s, before.harmed_s
    if not busy:
        tightened = math.inf
    elif harmed and now_s - harmed_s >= settings.react_s:
        tightened, harmed_s = settings.backoff * min(tightened, max(sent, 1.0)), now_s
    elif tightened < math.inf and level < 0.5 and now_s - harmed_s >= settings.hold_s:
        tightened = _grown(tightened, sample, dt_s, settings)
    formula = _formula(sample, online, settings) if busy or batch_is_here else math.inf
    if tightened >= formula:
        tightened = math.inf
    floor = _floor(sample, settings)
    ceiling = max(floor, min(formula, tightened))
    if not tightened == math.inf > before.tightened_bytes_per_s:
        ceiling = _worth_a_write(before.ceiling_bytes_per_s, ceiling, settings)
    usual_srtt_s, usual_retransmits = _usual(sample, before, busy=busy, dt_s=dt_s, s=settings)
    stage = TIGHTENED if tightened < math.inf else CEILING
    if ceiling == math.inf or not busy:
        stage = CALM  # a ceiling may stand ready, so that a flood finds it
    after = NetworkMemory(
        heard_s=now_s,
        sent_s=sent_s,
        online_bytes_per_s=online,
        usual_srtt_s=usual_srtt_s,
        usual_retransmits_per_s=usual_retransmits,
        harmed_s=harmed_s,
        tightened_bytes_per_s=max(tightened, floor),
        ceiling_bytes_per_s=ceiling,
        verdict=_verdict(sample, stage, ceiling, online, level),
    )
    if ceiling == before.ceiling_bytes_per_s:
        return after, []
    return after, [SetEgress(None if ceiling == math.inf else ceiling)]


def level_of(sample: NetworkSample, memory: NetworkMemory, settings: NetworkSettings) -> float:
    """Round trips and retransmits of online over what is usual for them."""
    level = 0.0
    if sample.srtt_s is not None:
        limit_s = settings.rise * memory.usual_srtt_s or settings.unlearned_srtt_s
        limit_s = max(settings.srtt_s, limit_s)
        level = sample.srtt_s / limit_s
    if sample.retransmits_per_s is not None:
        above = sample.retransmits_per_s - memory.usual_retransmits_per_s
        level = max(level, above / settings.retransmits_per_s)
    return level


def _online(
    sample: NetworkSample, before: NetworkMemory, dt_s: float, settings: NetworkSettings
) -> float:
    sent = sample.online_sent_bytes_per_s
    old = before.online_bytes_per_s
    if sent is None or sent >= old:
        return old if sent is None else sent
    return sent + (old - sent) * math.exp(-dt_s / settings.online_s)


def _formula(sample: NetworkSample, online: float, settings: NetworkSettings) -> float:
    link = sample.link_bytes_per_s
    if not link:
        return math.inf
    left = link - online
    for_bursts = min(settings.online_margin_share * online, settings.left_margin_share * left)
    margin = max(settings.link_margin_share * link, for_bursts)
    return max(_floor(sample, settings), left - margin)


def _floor(sample: NetworkSample, settings: NetworkSettings) -> float:
    link = sample.link_bytes_per_s
    return settings.floor_share * link if link else settings.floor_bytes_per_s


def _grown(
    tightened: float, sample: NetworkSample, dt_s: float, settings: NetworkSettings
) -> float:
    """By addition where the link is known; else by the same share of what it is."""
    base = sample.link_bytes_per_s or 2.0 * tightened
    return tightened + settings.growth_share_per_s * base * dt_s


def _worth_a_write(before: float, new: float, settings: NetworkSettings) -> float:
    if math.inf in {before, new}:
        return new
    return before if abs(new - before) < settings.ignore_share * before else new


def _usual(
    sample: NetworkSample, before: NetworkMemory, *, busy: bool, dt_s: float, s: NetworkSettings
) -> tuple[float, float]:
    """Learned while batch is silent; the first value is taken whole."""
    srtt_s, retransmits = before.usual_srtt_s, before.usual_retransmits_per_s
    if busy:
        return srtt_s, retransmits
    share = 1.0 - math.exp(-dt_s / s.usual_s)
    if sample.srtt_s is not None:
        srtt_s = srtt_s + share * (sample.srtt_s - srtt_s) if srtt_s else sample.srtt_s
    if sample.retransmits_per_s is not None:
        retransmits += share * (sample.retransmits_per_s - retransmits)
    return srtt_s, retransmits


def _verdict(
    sample: NetworkSample, stage: int, ceiling: float, online: float, level: float
) -> Verdict:
    values = (
        NETWORK_STAGES[stage],
        ceiling / _MIB,
        (sample.link_bytes_per_s or 0.0) / _MIB,
        online / _MIB,
        (sample.offline_sent_bytes_per_s or 0.0) / _MIB,
        level,
    )
    template = _SAYS if sample.link_bytes_per_s else _SAYS_UNKNOWN
    return Verdict(stage, level, Reason(template, values))
