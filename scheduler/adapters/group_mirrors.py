"""Objects about gangs: groups, queues, budgets, Kueue's; mirrored where a server has their kind.

A kind that is not installed is asked for again after a while, so a PodGroup's definition that is
installed later is noticed; a kind that may not be read is said and left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import httpx
import structlog

from scheduler.adapters.bound_volumes import BoundVolumes
from scheduler.core.ways_in.shape import Groups
from slacktide.clock import Clock
from slacktide.kube.budgets import Budget
from slacktide.kube.cache import Cache, Change
from slacktide.kube.forecasts import NodeForecast
from slacktide.kube.groups import (
    CoschedulingPodGroup,
    Job,
    JobSet,
    NativePodGroup,
    RayCluster,
    VolcanoPodGroup,
)
from slacktide.kube.kueue import AdmissionCheck, Workload
from slacktide.kube.queues import Queue
from slacktide.kube.reading import Resource, readable
from slacktide.kube.reflector import Reflector
from slacktide.kube.volumes import PersistentVolume, PersistentVolumeClaim

KUEUE: Final = tuple(f"/apis/kueue.x-k8s.io/{version}" for version in ("v1beta2", "v1beta1"))
OTHERS: Final[dict[str, tuple[str | tuple[str, ...], type[Any]]]] = {
    "queues": ("/apis/slacktide.io/v1alpha1/queues", Queue),
    "forecasts": ("/apis/slacktide.io/v1alpha1/nodeforecasts", NodeForecast),
    "volumes": ("/api/v1/persistentvolumes", PersistentVolume),
    "claims": ("/api/v1/persistentvolumeclaims", PersistentVolumeClaim),
    "budgets": ("/apis/policy/v1/poddisruptionbudgets", Budget),
    "workloads": (tuple(f"{path}/workloads" for path in KUEUE), Workload),
    "checks": (tuple(f"{path}/admissionchecks" for path in KUEUE), AdmissionCheck),
}
GROUPS: Final[dict[str, tuple[str | tuple[str, ...], type[Any]]]] = {
    "native": ("/apis/scheduling.k8s.io/v1alpha2/podgroups", NativePodGroup),
    "coscheduling": ("/apis/scheduling.x-k8s.io/v1alpha1/podgroups", CoschedulingPodGroup),
    "volcano": ("/apis/scheduling.volcano.sh/v1beta1/podgroups", VolcanoPodGroup),
    "jobs": ("/apis/batch/v1/jobs", Job),
    "jobsets": ("/apis/jobset.x-k8s.io/v1alpha2/jobsets", JobSet),
    "ray_clusters": ("/apis/ray.io/v1/rayclusters", RayCluster),
}
KINDS: Final = OTHERS | GROUPS
OF_THE_PLANNER: Final = frozenset({"budgets", "workloads", "checks"})  # who only looks needs none
AGAIN_S: Final = 10.0  # for a kind that is not there
SOON_S: Final = 1.0  # where there was no answer

log = structlog.get_logger()


class GroupMirrors:
    """All kinds, kept up to date while `run` runs."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        clock: Clock,
        changed: Callable[[str, str, str], None],
        namespace: str = "",
        kinds: Collection[str] = KINDS.keys(),
    ) -> None:
        """`changed` is told the kind, namespace and name of each object that is another now.

        Where all namespaces may not be read, the one given is.
        """
        self._client, self._clock, self._changed = client, clock, changed
        self._namespace = namespace
        self._held: dict[str, dict[tuple[str, str], Any]] = {name: {} for name in KINDS}
        self.groups = Groups(**{name: self._held[name] for name in GROUPS})
        self._mirrors: dict[str, Reflector[Any]] = {}
        self.bound = BoundVolumes(self._held["volumes"], self._held["claims"])
        self.unread: set[str] = set()  # kinds that are there and may not be read
        self._looked = {name: asyncio.Event() for name in kinds}

    def queues(self) -> Collection[Queue]:
        """The Queue objects as they are now."""
        return self._held["queues"].values()

    def budgets(self) -> Collection[Budget]:
        """The budgets for disruptions."""
        return self._held["budgets"].values()

    def workloads(self) -> Collection[Workload]:
        """Kueue's, if it is there."""
        return self._held["workloads"].values()

    def checks(self) -> Collection[AdmissionCheck]:
        """Kueue's, if it is there."""
        return self._held["checks"].values()

    def heard_s(self, name: str) -> float | None:
        """When the server last said anything about a kind; None where it is not mirrored."""
        mirror = self._mirrors.get(name)
        return None if mirror is None else mirror.heard_s

    def forecast(self, node: str) -> NodeForecast | None:
        """Of a node, as it is now."""
        return self._held["forecasts"].get(("", node))

    async def synced(self) -> None:
        """Returns when every kind is mirrored, or known not to be there."""
        for looked in self._looked.values():
            await looked.wait()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for name in self._looked:
                group.create_task(self._mirror(name))

    async def _mirror(self, name: str) -> None:
        paths, kind = KINDS[name]
        while not (found := await self._first_readable(name, paths)):
            self._looked[name].set()
            await asyncio.sleep(AGAIN_S)
        mirror: Reflector[Any] = Reflector(
            self._client,
            Resource(found, kind),
            Cache[Any](),
            clock=self._clock,
            deliver=lambda changes: self._take(name, changes),
        )
        self._mirrors[name] = mirror
        async with asyncio.TaskGroup() as group:
            group.create_task(mirror.run())
            await mirror.synced.wait()
            self._looked[name].set()

    async def _first_readable(self, name: str, paths: str | tuple[str, ...]) -> str:
        """Of the versions of a kind, the first that can be read."""
        for path in (paths,) if isinstance(paths, str) else paths:
            if found := await self._readable(name, path):
                return found
        return ""

    async def _readable(self, name: str, path: str) -> str:
        """Where the kind can be read; nowhere where it is not installed, or not for us."""
        try:
            found = await readable(self._client, path, namespace=self._namespace)
        except httpx.HTTPError:  # a mirror of what is not there would never be synced
            await asyncio.sleep(SOON_S)
            return await self._readable(name, path)
        if found.status != httpx.codes.FORBIDDEN:
            self.unread.discard(name)
        elif name not in self.unread:
            self.unread.add(name)
            log.warning("may not be read; the scheduler goes on without this kind", path=path)
        return found.path

    def _take(self, name: str, changes: Sequence[Change[Any]]) -> None:
        for change in changes:
            after: Any = change.after
            one: Any = change.before if after is None else after
            where = (one.metadata.namespace, one.metadata.name)
            if after is not None:
                self._held[name][where] = after
            elif self._held[name].get(where) is one:
                del self._held[name][where]
            self._changed(name, *where)
