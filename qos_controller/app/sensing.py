"""The loop's eyes: the node's senses, made from the agent's settings.

Always holds: a socket that cannot be opened is told once, and all else is sensed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.cgroups.machine import find_cpus
from qos_controller.adapters.sense.senses import Senses
from qos_controller.app.faults import Faults
from qos_controller.app.settings import AgentSettings
from qos_controller.core.pods import Pod
from qos_controller.core.sample import Sample
from qos_controller.core.topology import Cpu
from qos_controller.core.whole_cores import places

LATENCY_SOCKET: Final = "latency.sock"
ONLINE_PATHS: Final = ("/var/lib/kubelet", "/var/lib/containerd", "/")
"""What is on the disks that online waits for; those that are not there are left out."""


class NodeSenses:
    """One look a tick."""

    def __init__(self, settings: AgentSettings, layout: Layout, faults: Faults) -> None:
        mbps, disk = settings.link_mbps, settings.disk
        self._cpus = find_cpus()
        self._senses = Senses(
            layout,
            online_paths=(disk,) if disk else ONLINE_PATHS,
            cpus=side_by_side(self._cpus),
            uplink_bytes_per_s=None if mbps is None else mbps * 125_000.0,
        )
        datagrams = self._senses.datagrams
        path = str(settings.run / LATENCY_SOCKET)
        faults.kept(path, datagrams.listen_unix, path)
        if settings.latency_port:
            host, port = settings.latency_host, settings.latency_port
            faults.kept(f"UDP {host}:{port}", datagrams.listen_udp, host=host, port=port)

    def know(self, pods: Sequence[Pod], groups: Mapping[str, str]) -> None:
        """These pods are here from now on, in those groups."""
        batch = places(pods, self._cpus).batch
        self._senses.cpus = side_by_side(c for c in self._cpus if not batch or c.cpu in batch)
        self._senses.follow(pods, groups)

    def stirs(self, now_s: float) -> bool:
        """A glance; whether it asks for a whole look."""
        return self._senses.stirs(now_s)

    def read(self, now_s: float, *, pressed: bool) -> Sample:
        """One look; closer while something is wrong."""
        return self._senses.read(now_s, pressed=pressed)

    def counts(self) -> dict[str, float]:
        """What came through the sockets."""
        return dict(self._senses.datagrams.counts)

    def close(self) -> None:
        """Lets go of all files and sockets."""
        self._senses.close()


def side_by_side(cpus: Iterable[Cpu]) -> tuple[int, ...]:
    """The siblings of a core next to each other, nearest cores next."""
    return tuple(cpu.cpu for cpu in sorted(cpus, key=lambda c: (c.numa, c.core, c.cpu)))
