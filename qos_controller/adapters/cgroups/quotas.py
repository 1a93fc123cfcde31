"""Who gets how much CPU time: what owners asked for, what the law imposes, and who must wait.

Three voices speak for a group: the value it had (its owner's limit), its standing, and what is
imposed on it now; the least holds. On version 1 that is carried down to children with limits of
their own, or the kernel refuses. Always holds: what was there before us is never raised; a
container may always be started anew (on version 1 a pod whose containers have limits is held by
these, since runc could not set a limit above its pod's).

Measured: SetQuota on besteffort's root, from the action to the written file, 12 / 35 us
(p50 / p99), 4 us where the value stands already.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from qos_controller.adapters.cgroups.driver import Driver
from qos_controller.adapters.cgroups.files import DONE
from qos_controller.adapters.cgroups.formats import LEAST_QUOTA_US, PERIOD_US
from qos_controller.adapters.cgroups.hand import Hand
from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.cgroups.pods_in_tree import PodGroup
from qos_controller.adapters.cgroups.quota_tree import clamped, in_order
from qos_controller.adapters.cgroups.targets import Targets, split


class Quotas:
    """All quotas of batch groups."""

    def __init__(self, layout: Layout, driver: Driver, hand: Hand, *, safe_cores: float) -> None:
        self._driver = driver
        self._hand = hand
        self._is_v1 = layout.is_v1("cpu")
        self.safe_cores = safe_cores
        self._asked: dict[str, float] = {}
        """Finite limits that were there before us, by group."""
        self._standing: dict[str, float] = {}
        self._imposed: dict[str, float] = {}
        self._blamed: dict[str, float] = {}
        """What is imposed on one pod, whatever all of them get."""
        self._now: dict[str, float] = {}
        """What stands in the files that are ours."""
        self._seen: set[str] = set()

    def saw(self, group: str) -> None:
        """Reads once what a group's owner allows it."""
        if group in self._seen:
            return
        contents = [self._hand.files.read(path) for path in self._driver.quota_files(group)]
        if not contents or None in contents:
            return
        try:
            cores, period_us = self._driver.quota_in([c for c in contents if c is not None])
        except ValueError:
            return
        self._seen.add(group)
        if period_us != PERIOD_US:
            self._driver.periods_us[group] = period_us
        if not math.isinf(cores):
            self._asked[group] = self._now[group] = cores

    def its_owner_asks(self, group: str, cores: float) -> str:
        """Somebody else wrote its quota: that is its owner's limit from now on."""
        if math.isinf(cores):
            self._asked.pop(group, None)
        else:
            self._asked[group] = cores
        return self._settle()

    def forget(self, pod: PodGroup) -> None:
        """It has gone."""
        for group in (pod.path, *pod.containers):
            for known in (*self._voices, self._now):
                known.pop(group, None)
            self._seen.discard(group)

    def stand(self, pod: PodGroup, cores: float | None) -> str:
        """A pod's own ceiling; None lifts it."""
        for group in self._held_by(pod):
            if cores is None:
                self._standing.pop(group, None)
            else:
                self._standing[group] = cores
        return self._settle()

    def impose(self, cores: float, targets: Targets, used_cores: Mapping[str, float]) -> str:
        """All batch pods together may use this much; infinite lifts it."""
        imposed = dict.fromkeys(self._reached(targets), cores)
        if len(imposed) > 1 and not math.isinf(cores):
            imposed = self._split(cores, targets, used_cores)
        self._imposed = imposed
        return self._settle()

    def impose_on(self, pod: PodGroup, cores: float, *, period_s: float = 0.1) -> str:
        """One pod may use this much, dealt out in such slices; infinite lifts it."""
        # A slice holds at least a millisecond, so less CPU needs longer ones.
        slice_us = int(period_s * 1e6)
        if 0.0 < cores * slice_us < LEAST_QUOTA_US:
            slice_us = min(1_000_000, math.ceil(LEAST_QUOTA_US / cores))
        for group in self._held_by(pod):
            self._blamed[group] = cores
            if slice_us != self._driver.periods_us.get(group, PERIOD_US) and not math.isinf(cores):
                self._reslice(group, slice_us)
        return self._settle()

    def _reslice(self, group: str, period_us: int) -> None:
        """Without a limit for a moment: version 1 checks quota and period one by one."""
        if group in self._now:
            self._hand.do(self._driver.cpu_quota(group, math.inf, safe_cores=self._safe(group)))
            del self._now[group]
        self._hand.do(self._driver.cpu_period(group, period_us))

    @property
    def _voices(self) -> tuple[dict[str, float], ...]:
        return (self._asked, self._standing, self._imposed, self._blamed)

    def _reached(self, targets: Targets) -> list[str]:
        root = [targets.root] if targets.root else []
        return root + [group for pod in targets.strays for group in self._held_by(pod)]

    def _split(
        self, cores: float, targets: Targets, used_cores: Mapping[str, float]
    ) -> dict[str, float]:
        """In proportion to what each uses now, and a tenth of an equal part for who wakes up."""
        use = {pod.path: used_cores.get(pod.uid, 0.0) for pod in targets.strays}
        if targets.root:
            use[targets.root] = sum(used_cores.get(pod.uid, 0.0) for pod in targets.inside)
        spare = max(sum(use.values()), 0.1) * 0.1 / len(use)
        parts = split(cores, {group: cores_used + spare for group, cores_used in use.items()})
        held = {pod.path: self._held_by(pod) for pod in targets.strays}
        return {g: part for group, part in parts.items() for g in held.get(group, (group,))}

    def _held_by(self, pod: PodGroup) -> tuple[str, ...]:
        """The groups whose quota holds a pod."""
        limited = self._is_v1 and any(group in self._asked for group in pod.containers)
        return pod.containers if limited else (pod.path,)

    def _settle(self) -> str:
        """Writes what differs, in the order that the kernel takes."""
        voices = self._voices
        groups = {*self._now}.union(*voices)
        wishes = {g: min(voice.get(g, math.inf) for voice in voices) for g in groups}
        after = clamped(wishes) if self._is_v1 else wishes
        steps = [
            (group, cores, self._driver.cpu_quota(group, cores, safe_cores=self._safe(group)))
            for group, cores in in_order(self._now, after)
        ]
        outcome = self._hand.own(write for _, _, writes in steps for write in writes)
        if outcome != DONE:
            return outcome
        for group, cores, writes in steps:
            refusal = self._hand.do(writes)
            if refusal == DONE:
                self._now[group] = cores
            outcome = outcome or refusal
        return outcome

    def _safe(self, group: str) -> float:
        """Whoever is reached by itself gets a part; children are safe when their parent is."""
        if group in self._blamed and group not in self._imposed:
            return self.safe_cores
        if group not in self._imposed:
            return math.inf
        return max(0.01, self.safe_cores / len(self._imposed))
