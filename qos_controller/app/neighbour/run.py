"""Kubernetes' half of the agent, put together: watch, book, evictions, report, HTTP.

    pods, node ─watch─> Keeping ──> pods.json ──> the loop
    the loop ──wishes.sock──> Evicting ──> API server
    the loop ──ticks────────> Following ──> Reporting (QosReport), Pages (HTTP)

Always holds: without an API server all of it runs on, from the stored book; what fails is tried
again later and never ends the others.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import httpx
import structlog

from qos_controller.adapters.book_file import NAME as BOOK
from qos_controller.adapters.cgroups.machine import find_cpus
from qos_controller.adapters.latency.probes import Probes
from qos_controller.adapters.node_pods import NodePod, TheNode
from qos_controller.app.neighbour import evicting as evictions
from qos_controller.app.neighbour import telling as tellings
from qos_controller.app.neighbour.binding import Binding
from qos_controller.app.neighbour.door import Door, opened
from qos_controller.app.neighbour.evicting import Evicting
from qos_controller.app.neighbour.following import NAME as DIARY
from qos_controller.app.neighbour.following import Following
from qos_controller.app.neighbour.keeping import Keeping
from qos_controller.app.neighbour.pages import Pages
from qos_controller.app.neighbour.promises import Promises
from qos_controller.app.neighbour.reporting import LOOK_S, Reporting
from qos_controller.app.neighbour.settings import NeighbourSettings
from qos_controller.app.neighbour.telling import Telling
from qos_controller.app.neighbour.wishing import Wishing, listening
from slacktide.clock import SteadyClock, WallClock
from slacktide.errors import BadInput
from slacktide.kube.connection import connection
from slacktide.kube.lanes import Lanes, lanes
from slacktide.kube.reading import Resource
from slacktide.kube.reflector import Reflector
from slacktide.kube.writing import Writer

LATENCY: Final = "latency.sock"  # the loop listens there
PROBES_S: Final = 5.0  # until a probe that ended is begun anew
LANES: Final = 3  # report, evictions and events never wait for one another

log = structlog.get_logger()


@dataclass(slots=True)
class Neighbour:
    """One node's, while it runs."""

    settings: NeighbourSettings
    keeping: Keeping
    following: Following
    wishing: Wishing
    pods: Reflector[NodePod]
    nodes: Reflector[TheNode]
    telling: Telling
    evicting: Evicting
    reporting: Reporting
    binding: Binding
    probed: dict[str, float] = field(default_factory=dict)

    def pages(self) -> Pages:
        """What its door shows."""
        return Pages(
            keeping=self.keeping,
            following=self.following,
            reporting=self.reporting,
            evicting=self.evicting,
            wishing=self.wishing,
            telling=self.telling,
            probed=lambda: self.probed,
            heard_s=lambda: self.pods.heard_s,
            now_s=WallClock().now_s,
        )

    async def look_on(self) -> None:
        """Follows the diary and the book that another writes."""
        while True:
            self.following.look()
            self.keeping.begin()
            await asyncio.sleep(LOOK_S)

    async def probe(self) -> None:
        """Asks the services of the book that want to be asked how long they take."""
        probes, keeping = Probes(str(self.settings.run_dir / LATENCY)), self.keeping
        try:
            while True:
                probes.follow(keeping.book.pods if keeping.book is not None else ())
                self.probed = dict(probes.counts)
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROBES_S):
                        await keeping.written_anew.wait()
                keeping.written_anew.clear()
        finally:
            await probes.close()

    async def first_list(self) -> None:
        """Writes the first book, also of a node without pods.

        Raises:
            BadInput: when another agent owns the node.
        """
        await self.pods.synced.wait()
        await self.nodes.synced.wait()
        self.keeping.write()
        if self.keeping.other:
            raise BadInput(
                f"node {self.settings.node_name} is {self.keeping.other}'s already, and two agents "
                "would fight over its cgroups: remove it from this node, or keep slacktide's agent "
                "off it (nodeSelector), or start it with --beside-others"
            )


async def run(settings: NeighbourSettings) -> None:
    """Until it is cancelled.

    Raises:
        BadInput: another agent owns this node, or the port is taken.
    """
    if not structlog.is_configured():
        _log_to_stderr(settings.log_level)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    async with _alone(settings) if settings.alone else _connected(settings) as neighbour:
        try:
            await _all_of(neighbour)
        except* BadInput as several:
            raise several.exceptions[0] from None
        finally:
            neighbour.following.close()


async def _all_of(neighbour: Neighbour) -> None:
    settings = neighbour.settings
    door = Door(neighbour.pages().all())
    try:
        server = await opened(door, host=settings.host, port=settings.port)
    except OSError as why:
        raise BadInput(f"port {settings.host}:{settings.port}: {why.strerror}; --port") from why
    log.info("serving", port=server.sockets[0].getsockname()[1])
    neighbour.keeping.begin()
    async with server, listening(settings.run_dir, neighbour.wishing), asyncio.TaskGroup() as tasks:
        tasks.create_task(neighbour.probe())
        tasks.create_task(neighbour.evicting.run(neighbour.wishing.evictions))
        if settings.alone:
            tasks.create_task(neighbour.look_on())
            return
        tasks.create_task(neighbour.pods.run())
        tasks.create_task(neighbour.nodes.run())
        tasks.create_task(neighbour.first_list())
        tasks.create_task(neighbour.telling.run())
        tasks.create_task(neighbour.reporting.run())
        if settings.note_cpus:
            tasks.create_task(neighbour.binding.run(neighbour.keeping.pods))


@asynccontextmanager
async def _alone(settings: NeighbourSettings) -> AsyncIterator[Neighbour]:
    """Without an API server: nothing is asked and nothing is written."""
    async with httpx.AsyncClient(trust_env=False) as client:
        yield _neighbour(settings, client, Lanes(()))


@asynccontextmanager
async def _connected(settings: NeighbourSettings) -> AsyncIterator[Neighbour]:
    """With an API server, which may be away. Raises `BadInput` where nobody says which it is."""
    found = connection(settings.kubeconfig, settings.context)
    async with found.client(connections=4) as client, lanes(found, LANES) as lane:
        yield _neighbour(settings, client, lane)


def _neighbour(settings: NeighbourSettings, client: httpx.AsyncClient, lane: Lanes) -> Neighbour:
    wall, steady = WallClock(), SteadyClock()
    node = settings.node_name
    following = Following(settings.run_dir / DIARY)
    wishing = Wishing(steady)
    telling = Telling(node, Writer(lane, clock=steady, per_s=tellings.PER_S, burst=tellings.BURST))
    binding = Binding(
        find_cpus(),
        telling,
        Writer(lane, clock=steady, per_s=tellings.PER_S, burst=tellings.BURST),
        acts=settings.bind,
        notes=settings.note_cpus,
    )
    keeping = Keeping(
        node=node,
        binding=binding,
        file=settings.run_dir / BOOK,
        promise=Promises(lambda uid, why: _warn(keeping, telling, uid, why)).of,
        clock=wall,
        beside_others=settings.beside_others,
    )
    pods = Reflector(
        client,
        Resource("/api/v1/pods", NodePod, {"fieldSelector": f"spec.nodeName={node}"}),
        keeping.pods,
        clock=wall,
        deliver=keeping.on_change,
    )
    nodes = Reflector(
        client,
        Resource("/api/v1/nodes", TheNode, {"fieldSelector": f"metadata.name={node}"}),
        keeping.nodes,
        clock=wall,
        deliver=keeping.on_change,
    )
    keeping.listed = lambda: pods.synced.is_set() and nodes.synced.is_set()
    evicting = Evicting(
        find=keeping.found,
        changed=keeping.changed,
        writer=Writer(lane, clock=steady, again=evictions.AGAIN),
        telling=telling,
        clock=steady,
        allowed=settings.evict and not settings.alone,
        memory_grace_s=settings.memory_grace_s,
    )
    reporting = Reporting(
        node=node,
        following=following,
        book=lambda: keeping.book,
        evictions=lambda: evicting.outcomes["evicted"],
        is_open=lambda: wishing.open,
        # Half a second later there is a newer one, so none is tried again.
        writer=Writer(lane, clock=steady, again=frozenset()),
        clock=wall,
        steady=steady,
        pace=settings.pace,
    )
    return Neighbour(
        settings, keeping, following, wishing, pods, nodes, telling, evicting, reporting, binding
    )


def _log_to_stderr(level: str) -> None:
    """As `slacktide.telemetry` does, without the libraries that it needs for other things."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _warn(keeping: Keeping, telling: Telling, uid: str, why: str) -> None:
    """Tells an owner that an annotation is nonsense."""
    log.warning("annotation", pod=uid, why=why)
    if (pod := keeping.found(uid)) is not None:
        telling.of_pod(pod, "Warning", "AnnotationNotUnderstood", why)
