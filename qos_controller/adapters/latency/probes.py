"""The feeds that must be asked: one task a service, started and stopped as pods come and go.

Runs in Kubernetes' half of the agent; what is learned goes to the fast loop's Unix socket, in the
same words that services use. Always holds: a full socket loses a datagram and never waits; a task
that ends with an error is counted and begun anew at the next `follow`.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterable

from qos_controller.adapters.latency.http import probe
from qos_controller.adapters.latency.prometheus import scrape
from qos_controller.core.pods import Feed, Pod, Slo

_Asked = tuple[str, Feed, Slo, tuple[str, ...]]


class Probes:
    """All services that are probed or scraped."""

    def __init__(self, socket_path: str, *, interval_s: float = 1.0) -> None:
        self._path = socket_path
        self._interval_s = interval_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._tasks: dict[_Asked, asyncio.Task[None]] = {}
        self.counts: Counter[str] = Counter()
        """Outcomes of all of them, and datagrams lost."""

    def follow(self, pods: Iterable[Pod]) -> None:
        """Starts what is new, stops what went."""
        wanted = {
            (pod.uid, pod.feed, pod.slo, pod.ips): pod
            for pod in pods
            if pod.slo is not None and pod.feed is not None and not pod.batch and pod.feed.where
        }
        for asked, task in list(self._tasks.items()):
            if asked not in wanted or task.done():
                self.counts["ended by an error"] += task.done()
                task.cancel()
                del self._tasks[asked]
        for asked in wanted:
            if asked not in self._tasks:
                self._tasks[asked] = asyncio.create_task(self._ask(*asked))

    async def close(self) -> None:
        """Stops all."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()

    async def _ask(self, uid: str, feed: Feed, slo: Slo, ips: tuple[str, ...]) -> None:
        where = with_host(feed.where, ips[0] if ips else "127.0.0.1")
        if feed.kind == "http":
            await probe(
                where,
                uid,
                self._tell,
                interval_s=self._interval_s,
                deadline_s=max(1.0, 3 * slo.bound_s),
                counts=self.counts,
            )
        else:
            await scrape(
                where, uid, slo, self._tell, interval_s=self._interval_s, counts=self.counts
            )

    def _tell(self, text: bytes) -> None:
        try:
            self._socket.sendto(text, self._path)
        except OSError:
            self.counts["datagrams lost"] += 1


def with_host(url: str, ip: str) -> str:
    """The pod's address where the URL names no host: `http://:8080/` asks the pod itself."""
    host = f"[{ip}]" if ":" in ip else ip
    for bare in ("http://:", "http:///"):
        if url.startswith(bare):
            return f"http://{host}{url[len('http://') :]}"
    return url
