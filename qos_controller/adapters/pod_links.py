"""Which of the node's links leads into which pod, and what went over it.

The kernel numbers the namespaces that the links' other ends lie in, and knows a process's number;
so no namespace is entered. Always holds: a pod in the node's own network has no link, since its
packets cannot be told from the node's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qos_controller.adapters.rtnetlink import Link, Netlink


def links_of(netlink: Netlink, processes: Mapping[str, int]) -> dict[str, Link]:
    """UID -> link, for every pod of UID -> process that has a link of its own."""
    by_namespace = {
        one.peer_namespace: one
        for one in netlink.links()
        if one.kind == "veth" and one.peer_namespace is not None
    }
    found = {}
    for pod, pid in processes.items():
        try:
            number = netlink.namespace_of(pid)
        except OSError:
            continue  # it ended meanwhile
        link = by_namespace.get(number) if number is not None else None
        if link is not None:
            found[pod] = link
    return found


class SentBytes:
    """Rates between two readings; one netlink dump a reading whatever the number of pods."""

    def __init__(self, netlink: Netlink, *, uplink: int | None) -> None:
        """`uplink`: the interface to the rest of the world; None where it is not known."""
        self._netlink = netlink
        self._uplink = uplink
        self._before: dict[int, tuple[int, int]] = {}
        self._at_s: float | None = None

    def read(
        self, batch: Mapping[str, Link], *, device: int | None, now_s: float
    ) -> tuple[dict[str, float], float | None, float | None]:
        """Bytes a second: by batch pod (what it offers), of online, of batch together.

        `device`: the ceiling's, behind which batch's packets are counted once they passed; without
        one, what batch pods offer is what they send. Online's is all that left by the uplink less
        that. None, and no pods, where there is nothing to compare with yet.
        """
        now = self._netlink.bytes_by_link()
        before, self._before = self._before, now
        since, self._at_s = self._at_s, now_s
        if since is None or now_s <= since:
            return {}, None, None

        def rate(index: int, *, sent: bool) -> float | None:
            if index not in now or index not in before:
                return None
            return max(now[index][sent] - before[index][sent], 0) / (now_s - since)

        offered = {pod: rate(link.index, sent=False) for pod, link in batch.items()}
        pods = {pod: value for pod, value in offered.items() if value is not None}
        passed = rate(device, sent=True) if device is not None else None
        offline = passed if passed is not None else sum(pods.values())
        total = rate(self._uplink, sent=True) if self._uplink is not None else None
        online = None if total is None else max(total - offline, 0.0)
        return pods, online, offline


def default_uplink(links: list[Link], *, proc: Path = Path("/proc")) -> Link | None:
    """The link with the default route of least metric; None where there is none."""
    routes = []
    for line in (proc / "net/route").read_text().splitlines()[1:]:
        name, destination, _, _, _, _, metric, mask = line.split()[:8]
        if destination == mask == "00000000":
            routes.append((int(metric), name))
    best = min(routes, default=None)
    return next((one for one in links if best is not None and one.name == best[1]), None)


def link_bytes_per_s(name: str, *, sys: Path = Path("/sys")) -> float | None:
    """What the driver says that the link carries; None where it does not say."""
    try:
        megabits = int((sys / "class/net" / name / "speed").read_text())
    except (OSError, ValueError):
        return None
    return megabits * 125_000.0 if megabits > 0 else None
