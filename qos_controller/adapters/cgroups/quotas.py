"""Who gets how much CPU time: what owners asked for, what the law imposes, and who must wait.

Three voices speak for a group: the value it had (its owner's limit), its standing, and what is
imposed on it now; the least holds. On version 1 that is carried down to children with limits of
their own, or the kernel refuses. Always holds: what was there before us is never raised; a
container may always be started anew (on version 1 a pod whose containers have limits is held by
these, since runc could not set a limit above its pod's).

Measured, from the action to the written file (p50): one group 19 us, besteffort and two
strays 60 us.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from qos_controller.adapters.cgroups.driver import Driver, Writes
from qos_controller.adapters.cgroups.files import DONE
from qos_controller.adapters.cgroups.formats import LEAST_QUOTA_US, PERIOD_US, quota_us
from qos_controller.adapters.cgroups.hand import Hand
from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.cgroups.pods_in_tree import PodGroup
from qos_controller.adapters.cgroups.quota_tree import clamped, in_order
from qos_controller.adapters.cgroups.targets import Targets, split

_LEAST_CORES = 0.01
"""A millisecond in the usual period: no group gets less than the kernel can say."""


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
        self._found_us: dict[str, int] = {}
        """Periods that were there before us, where they are not the usual one."""
        self._slices_us: dict[str, int] = {}
        """Periods that an action asks for."""
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
            self._driver.periods_us[group] = self._found_us[group] = period_us
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
            for periods_us in (self._found_us, self._slices_us, self._driver.periods_us):
                periods_us.pop(group, None)
            self._seen.discard(group)

    def stand(self, pod: PodGroup, cores: float | None) -> str:
        """A pod's own ceiling; None lifts it."""
        for group in self._held_by(pod):
            if cores is None:
                self._standing.pop(group, None)
            else:
                self._standing[group] = cores
        return self._settle()

    def impose(
        self,
        cores: float,
        targets: Targets,
        used_cores: Mapping[str, float],
        *,
        period_s: float = PERIOD_US / 1e6,
    ) -> str:
        """All batch pods together may use this much, in such slices; infinite lifts it."""
        imposed = dict.fromkeys(self._reached(targets), cores)
        if len(imposed) > 1 and not math.isinf(cores):
            imposed = self._split(cores, targets, used_cores)
        for group in {*self._imposed, *imposed} - {*self._blamed}:
            self._slice(group, imposed.get(group, math.inf), period_s)
        self._imposed = imposed
        return self._settle()

    def impose_on(self, pod: PodGroup, cores: float, *, period_s: float = 0.1) -> str:
        """One pod may use this much, dealt out in such slices; infinite lifts it."""
        for group in self._held_by(pod):
            self._blamed[group] = cores
            self._slice(group, cores, period_s)
        return self._settle()

    def _slice(self, group: str, cores: float, period_s: float) -> None:
        """The period that is asked for; a group without a limit asks for none."""
        if math.isinf(cores):
            self._slices_us.pop(group, None)
        else:
            self._slices_us[group] = int(period_s * 1e6)

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
        empty = {targets.root: cores} if targets.root and not targets.inside else {}
        if targets.inside:
            use[targets.root] = sum(used_cores.get(pod.uid, 0.0) for pod in targets.inside)
        spare = max(sum(use.values()), 0.1) * 0.1 / len(use)
        parts = split(cores, {group: cores_used + spare for group, cores_used in use.items()})
        held = {pod.path: self._held_by(pod) for pod in targets.strays}
        # Nobody is in it yet: whoever comes first finds a limit, and the parts are made anew.
        return empty | {g: part for group, part in parts.items() for g in held.get(group, (group,))}

    def _held_by(self, pod: PodGroup) -> tuple[str, ...]:
        """The groups whose quota holds a pod."""
        limited = self._is_v1 and any(group in self._asked for group in pod.containers)
        return pod.containers if limited else (pod.path,)

    def _settle(self) -> str:
        """Writes what differs, in the order that the kernel takes."""
        voices = self._voices
        groups = {*self._now}.union(*voices)
        wishes = {g: min(voice.get(g, math.inf) for voice in voices) for g in groups}
        if self._is_v1:
            after = clamped(wishes, self._granted)
        else:
            after = {group: self._granted(group, cores) for group, cores in wishes.items()}
        anew = [g for g, cores in after.items() if self._period_us(g, cores) != self._sliced(g)]
        steps = in_order(self._now, after, anew=[g for g in anew if not math.isinf(after[g])])
        outcome = self._hand.own(w for group, _ in steps for w in self._writes(group, math.inf))
        if outcome != DONE:
            return outcome
        outcomes = [self._step(group, cores) for group, cores in steps]
        return next((what for what in outcomes if what != DONE), DONE)

    def _step(self, group: str, cores: float) -> str:
        period_us = self._period_us(group, cores)
        if period_us != self._sliced(group):
            # Version 1 checks quota and period one by one: without a limit for a moment.
            if group in self._now:
                self._hand.do(self._writes(group, math.inf))
            self._hand.do(self._driver.cpu_period(group, period_us))
        outcome = self._hand.do(self._writes(group, cores))
        if outcome == DONE:
            self._now[group] = cores
        return outcome

    def _writes(self, group: str, cores: float) -> Writes:
        return self._driver.cpu_quota(group, cores, safe_cores=self._safe(group))

    def _granted(self, group: str, cores: float) -> float:
        """What so many cores are in whole microseconds of the group's period."""
        if math.isinf(cores):
            return cores
        period_us = self._period_us(group, cores)
        return quota_us(max(cores, _LEAST_CORES), period_us) / period_us

    def _period_us(self, group: str, cores: float) -> int:
        """The slice asked for; a longer one where it would hold less than a millisecond."""
        period_us = self._slices_us.get(group, self._found_us.get(group, PERIOD_US))
        least_us = math.ceil(LEAST_QUOTA_US / max(cores, _LEAST_CORES))
        return period_us if math.isinf(cores) else max(period_us, least_us)

    def _sliced(self, group: str) -> int:
        """The period that stands in the file."""
        return self._driver.periods_us.get(group, PERIOD_US)

    def _safe(self, group: str) -> float:
        """Whoever is reached by itself gets a part; children are safe when their parent is."""
        if group in self._blamed and group not in self._imposed:
            return self.safe_cores
        if group not in self._imposed:
            return math.inf
        return max(_LEAST_CORES, self.safe_cores / len(self._imposed))
