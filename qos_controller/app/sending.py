"""The loop's hand on the network: the one ceiling over all batch pods' links.

Always holds: nothing is made before the first ceiling; a pod whose network is not up yet when it is
met is looked for again until it is; without a netlink socket the node is otherwise served as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from qos_controller.adapters.cgroups.files import DONE
from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.egress import Egress, restore_egress
from qos_controller.adapters.pod_links import links_of
from qos_controller.adapters.rtnetlink import Link, Netlink
from qos_controller.adapters.sense.processes import processes_of

LOOK_AGAIN_S: Final = 1.0
SOON_S: Final = 0.1
"""A new pod's link comes up with its first process, a moment after its group."""
SOON_LOOKS: Final = 30


class Sending:
    """What batch sends together."""

    def __init__(self, run_dir: Path, layout: Layout, say: Callable[[str], None]) -> None:
        self._run_dir, self._layout, self._say = run_dir, layout, say
        self._groups: dict[str, str] = {}
        self._links: dict[str, Link] = {}
        self._egress: Egress | None = None
        self._netlink: Netlink | None = None
        self._looked_s = float("-inf")
        self._looks = 0
        self._told: dict[str, str] = {}

    def know(self, groups: Mapping[str, str]) -> None:
        """Batch pods and their groups, from now on."""
        self._groups = dict(groups)
        self._links = {pod: link for pod, link in self._links.items() if pod in groups}
        self._looked_s, self._looks = float("-inf"), 0

    def set_ceiling(self, bytes_per_s: float | None, now_s: float) -> str:
        """`DONE`, or a word for why not."""
        if self._egress is None and bytes_per_s is None:
            return DONE
        try:
            self._open()
        except OSError as error:
            return self._tell("", f"no netlink socket: {error}")
        assert self._egress is not None  # noqa: S101  _open has made it
        self.tend(now_s)
        return DONE if self._egress.set_ceiling(bytes_per_s) else self._refusals()

    def tend(self, now_s: float) -> None:
        """Links of pods that had none: ten times a second at first, then once a second."""
        egress, netlink = self._egress, self._netlink
        again_s = SOON_S if self._looks < SOON_LOOKS else LOOK_AGAIN_S
        if egress is None or netlink is None or now_s - self._looked_s < again_s:
            return
        self._looked_s = now_s
        self._looks += 1
        lacking = [pod for pod in self._groups if pod not in self._links]
        found = {pod: processes_of(self._layout, self._groups[pod], most=1) for pod in lacking}
        self._links |= links_of(netlink, {pod: pids[0] for pod, pids in found.items() if pids})
        egress.follow(self._links)
        self._refusals()

    def restore(self) -> list[str]:
        """Takes all away, also what a former agent left; says what it did."""
        netlink, self._netlink, self._egress = self._netlink, None, None
        self._links = {}
        try:
            with netlink or Netlink() as opened:
                return restore_egress(self._run_dir, opened)
        except (OSError, ValueError) as error:
            return [f"the network is not restored: {error}"]

    def _open(self) -> None:
        if self._egress is None:
            self._netlink = Netlink()
            self._egress = Egress(self._run_dir, self._netlink)

    def _refusals(self) -> str:
        refused = self._egress.refused if self._egress is not None else {}
        for pod, why in refused.items():
            self._tell(pod, why)
        return "EGRESS" if "" in refused else DONE

    def _tell(self, pod: str, why: str) -> str:
        """Once for each pod and reason."""
        if self._told.get(pod) != why:
            self._told[pod] = why
            self._say(f"egress of {pod or 'batch'}: {why}")
        return "EGRESS"
