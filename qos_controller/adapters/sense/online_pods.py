"""What each online pod with an SLO shows of itself: threads, load, waiting, own throttling.

Nothing is decided by it; it tells a person whether a slow service is short of CPU, waits for a disk
or runs into its own limit. Pods take turns, one a tick at most.
Always holds: `uses` changes only where a pod was read. Cost: 250 us a pod, every few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.rotation import Rotation
from qos_controller.adapters.sense.run_delay import RunDelay
from qos_controller.adapters.sense.threads import Threads
from qos_controller.core.pods import Pod
from qos_controller.core.sample import OnlineUse


class OnlinePods:
    """All online pods with an SLO."""

    def __init__(self, layout: Layout, *, period_s: float, capacity_cores: float) -> None:
        self._layout = layout
        self._period_s = period_s
        self._capacity_cores = capacity_cores
        self._pods: dict[str, tuple[str, float, Threads, RunDelay]] = {}
        self._uses: dict[str, OnlineUse] = {}
        self._rotation: Rotation[str] = Rotation(period_s=period_s, at_once=1)
        self.uses: tuple[OnlineUse, ...] = ()

    def follow(self, pods: Sequence[Pod], groups: Mapping[str, str]) -> None:
        """The book's pods, and where they lie; readings begin anew."""
        self.close()
        self._pods = {
            pod.uid: (
                groups[pod.uid],
                min(pod.cpu_limit_cores or self._capacity_cores, self._capacity_cores),
                Threads(self._layout, groups[pod.uid]),
                RunDelay(),
            )
            for pod in pods
            if pod.slo is not None and not pod.batch and pod.uid in groups
        }
        self._uses = {uid: self._uses.get(uid) or OnlineUse(uid=uid) for uid in self._pods}
        self._rotation = Rotation(tuple(self._pods), period_s=self._period_s, at_once=1)
        self.uses = tuple(self._uses.values())

    def read(self, now_s: float, throttled: Mapping[str, float]) -> None:
        """Reads the one whose turn it is; `throttled` is OwnThrottling's, by group."""
        for uid in self._rotation.due(now_s):
            self._uses[uid] = self._look_at(uid, now_s, throttled)
            self.uses = tuple(self._uses.values())

    def close(self) -> None:
        """Lets go of the files."""
        for _, _, threads, _ in self._pods.values():
            threads.close()

    def _look_at(self, uid: str, now_s: float, throttled: Mapping[str, float]) -> OnlineUse:
        group, cores, threads, delay = self._pods[uid]
        states = threads.read()
        if states is None:
            return OnlineUse(uid=uid, throttled_share=throttled.get(group))
        return OnlineUse(
            uid=uid,
            threads=states.threads,
            load=states.load(cores),
            blocked_share=states.blocked_share,
            run_delay_share=delay.read(now_s, states.looked_at),
            throttled_share=throttled.get(group),
        )
