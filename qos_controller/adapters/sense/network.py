"""Online's network: what is sent, what is resent, how long a round trip takes, who waits outside.

Pods take turns: what they send every `sent_s`, TCP's troubles and the sockets of one at a time.
Pods in the host's network are seen together, as the host's own sockets.
Always holds: at most `PODS` pods are looked at for TCP; a pod that cannot be seen is left out.
While batch sends much, online's answers are waiting for it: both are looked at more often.
Cost: 6 us a pod and turn for what is sent; 50 us and a round of sockets.py every `sockets_s`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.pod_traffic import PodTraffic
from qos_controller.adapters.sense.rotation import Rotation
from qos_controller.adapters.sense.sockets import Round, Sockets
from qos_controller.adapters.sense.traffic import TcpTroubles
from qos_controller.core.sample import NetworkSample, PodUse

PODS: Final = 32
_REST_S: Final = 0.1
FLOOD_BYTES_PER_S: Final = 2.0**20
"""Batch that sends more may be in online's way."""
_FLOOD_HASTE: Final = 4.0
_FLOOD_SOCKETS_S: Final = 0.2
_TROUBLES_S: Final = 1.0
"""A single retransmit in a shorter time is no rate."""


class _Tcp:
    """TCP of one namespace."""

    def __init__(self, pid: int) -> None:
        self.sockets = Sockets(pid)
        self.troubles = TcpTroubles(pid)
        self.resent: float | None = None
        self.overflows: float | None = None
        self._troubled_s = -math.inf

    def begin(self, now_s: float) -> bool:
        """Whether it could be asked."""
        if now_s - self._troubled_s >= _TROUBLES_S:
            self._troubled_s = now_s
            self.resent, self.overflows = self.troubles.read(now_s)
        try:
            self.sockets.ask()
        except OSError:
            self.sockets.close()
            return False
        return True

    def close(self) -> None:
        self.sockets.close()
        self.troubles.close()


class Network:
    """All online pods' network."""

    def __init__(
        self, layout: Layout, *, link_bytes_per_s: float | None, sent_s: float, sockets_s: float
    ) -> None:
        self._layout = layout
        self._link_bytes_per_s = link_bytes_per_s
        self._sent_s, self._sockets_s = sent_s, sockets_s
        self._pods: dict[str, tuple[str, PodTraffic]] = {}
        self._rotation: Rotation[str] = Rotation(period_s=sent_s, at_once=4)
        self._sent: dict[str, float] = {}
        self._tcp: dict[int, _Tcp] = {}
        self._asked: _Tcp | None = None
        self._asked_s = -math.inf
        self._told_s = self._rest_until_s = -math.inf

    def follow(self, online: Mapping[str, str]) -> None:
        """Online pods and their groups."""
        for uid, (group, pod) in list(self._pods.items()):
            if online.get(uid) != group:
                pod.close()
                del self._pods[uid]
                self._sent.pop(uid, None)
        for uid, group in online.items():
            self._pods.setdefault(uid, (group, PodTraffic(self._layout, group)))
        self._rotation = Rotation(tuple(self._pods), period_s=self._sent_s, at_once=4)

    def read(
        self, now_s: float, offline: tuple[PodUse, ...], *, haste: float = 1.0
    ) -> NetworkSample | None:
        """What came up this tick; None where nothing did."""
        if self._asked is None and now_s < self._rest_until_s:
            return None
        self._rest_until_s = now_s + _REST_S / haste
        flood = sum(use.sent_bytes_per_s or 0.0 for use in offline) >= FLOOD_BYTES_PER_S
        haste = max(haste, _FLOOD_HASTE) if flood else haste
        due = self._rotation.due(now_s, haste=haste)
        for uid in due:
            sent = self._pods[uid][1].read(now_s)
            if sent is None:
                self._sent.pop(uid, None)
            else:
                self._sent[uid] = sent
        asked = self._asked_sockets(now_s, _FLOOD_SOCKETS_S if flood else self._sockets_s)
        if asked or (due and self._told_s <= now_s - self._sent_s / haste):
            self._told_s = now_s
            return self._sample(offline)
        return None

    def close(self) -> None:
        """Lets go of all."""
        for _, pod in self._pods.values():
            pod.close()
        for tcp in self._tcp.values():
            tcp.close()
        self._pods.clear()
        self._tcp.clear()

    def _asked_sockets(self, now_s: float, every_s: float) -> bool:
        if self._asked is not None:
            self._asked.sockets.step()
            if self._asked.sockets.asking:
                return False
            self._asked = None
            return True
        if now_s - self._asked_s < every_s:
            return False
        self._asked_s = now_s
        self._meet()
        for pid, tcp in list(self._tcp.items())[:1]:
            # The one that was asked goes to the end of the queue.
            self._tcp[pid] = self._tcp.pop(pid)
            self._asked = tcp if tcp.begin(now_s) else None
        return False

    def _meet(self) -> None:
        """Pods whose process was found since; the host's own sockets stand for its pods."""
        wanted = [pod.pid for _, pod in self._pods.values() if pod.pid][: PODS - 1]
        wanted.append(os.getpid())
        for pid in self._tcp.keys() - set(wanted):
            self._tcp.pop(pid).close()
        for pid in wanted:
            if pid not in self._tcp:
                self._tcp[pid] = _Tcp(pid)

    def _sample(self, offline: tuple[PodUse, ...]) -> NetworkSample:
        sent = [use.sent_bytes_per_s for use in offline if use.sent_bytes_per_s is not None]
        rounds = [tcp.sockets.last for tcp in self._tcp.values() if tcp.sockets.last is not None]
        tcps = self._tcp.values()
        return NetworkSample(
            link_bytes_per_s=self._link_bytes_per_s,
            online_sent_bytes_per_s=sum(self._sent.values()) if self._sent else None,
            offline_sent_bytes_per_s=sum(sent) if sent else None,
            retransmits_per_s=_sum([tcp.resent for tcp in tcps]),
            listen_overflows_per_s=_sum([tcp.overflows for tcp in tcps]),
            **_worst(rounds),
        )


def _sum(rates: list[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


def _worst(rounds: list[Round]) -> dict[str, float | None]:
    """Of the namespace that stands worst: a mean over pods would hide it."""
    trips = [(it.srtt_s, it.jitter_s) for it in rounds if it.srtt_s is not None]
    srtt_s, jitter_s = max(trips, default=(None, None), key=lambda trip: trip[0])
    queues = [it.backlog_share for it in rounds if it.backlog_share is not None]
    return {
        "srtt_s": srtt_s,
        "srtt_jitter_s": jitter_s,
        "backlog_share": max(queues, default=None),
    }
