"""The CPUs that batch pods may use, through every level, in the order that version 1 takes.

A child's CPUs must lie within its parent's, on version 1 also while they change. So the union of
old and new goes from the top down, then the new from the leaves up (as koordlet does). kubelet's
static CPU manager rewrites the containers' sets every ten seconds and nothing above them, so with
it only containers are written, and only within the CPUs that it shares among all.
Always holds: no CPU that kubelet gave to one container alone is ever given to batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from qos_controller.adapters.cgroups.driver import Driver, Write
from qos_controller.adapters.cgroups.files import DONE
from qos_controller.adapters.cgroups.formats import cpus_in
from qos_controller.adapters.cgroups.hand import Hand
from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.cgroups.targets import Targets

DEFAULT_STATE = "/var/lib/kubelet/cpu_manager_state"


def shared_cpus(state_path: str = DEFAULT_STATE) -> frozenset[int] | None:
    """What kubelet's static policy left for everybody; None where it is not in force.

    An unreadable state counts as none: kubelet writes it whole and renames it.
    """
    try:
        state = json.loads(Path(state_path).read_bytes())
        if state["policyName"] != "static":
            return None
        return frozenset(cpus_in(state["defaultCpuSet"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Cpusets:
    """Which CPUs batch runs on."""

    def __init__(
        self, layout: Layout, driver: Driver, hand: Hand, *, state_path: str = DEFAULT_STATE
    ) -> None:
        self._driver = driver
        self._hand = hand
        self._mount = layout.mount_of("cpuset")
        self._is_v1 = layout.is_v1("cpuset")
        self._state_path = state_path
        self.within: frozenset[int] = frozenset()
        """CPUs that batch never leaves, since the others are somebody's own; empty: no such."""

    def confine(self, targets: Targets, cpus: Iterable[int]) -> str:
        """Batch runs on these alone; none: on those it had."""
        if not self._mount:
            return "ENOTSUP"
        shared = shared_cpus(self._state_path)
        groups = self._groups(targets, containers_only=shared is not None)
        wanted = frozenset(cpus) & self.within if self.within else frozenset(cpus)
        wanted = wanted or self.within
        if not wanted:
            outcomes = [self._hand.put_back(self._path(group)) for group in groups]
        else:
            within = wanted if shared is None else wanted & shared
            if not within:
                return "ERANGE"
            outcomes = [self._hand.do(self._steps(groups, within))]
        return next((what for what in outcomes if what != DONE), DONE)

    def _groups(self, targets: Targets, *, containers_only: bool) -> list[str]:
        """From the top down."""
        leaves = [leaf for pod in targets.pods for leaf in pod.leaves]
        if containers_only:
            return leaves
        if not self._is_v1:
            return list(targets.groups)
        above = [*targets.groups, *(pod.path for pod in targets.pods)]
        return sorted({*above, *leaves}, key=lambda group: (group.count("/"), group))

    def _steps(self, groups: list[str], cpus: frozenset[int]) -> list[Write]:
        widened = [
            write
            for group in groups
            for write in self._driver.cpus(group, sorted(cpus | self._now(group)))
            if self._is_v1 and self._now(group) and not cpus <= self._now(group)
        ]
        return widened + [
            write for group in reversed(groups) for write in self._driver.cpus(group, sorted(cpus))
        ]

    def _now(self, group: str) -> frozenset[int]:
        content = self._hand.files.read(self._path(group)) or b""
        try:
            return frozenset(cpus_in(content.decode()))
        except ValueError:
            return frozenset()

    def _path(self, group: str) -> str:
        return f"{self._mount}/{group}/cpuset.cpus"
