"""Which of the node's links leads into which pod.

The kernel numbers the namespaces that the links' other ends lie in, and knows a process's number;
so no namespace is entered. Always holds: a pod in the node's own network has no link, since its
packets cannot be told from the node's.
Cost: 0.1 ms and 10 us a link and a pod.
"""

from __future__ import annotations

from collections.abc import Mapping

from qos_controller.adapters.rtnetlink import Link, Netlink


def links_of(netlink: Netlink, processes: Mapping[str, int]) -> dict[str, Link]:
    """UID -> link, for every pod of UID -> process that has a link of its own."""
    if not processes:
        return {}
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
