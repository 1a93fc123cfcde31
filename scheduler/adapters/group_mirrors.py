"""The objects that name gangs, queues, budgets and Kueue's, mirrored where their kind is there.

A kind that is not installed is asked for again after a while, so a PodGroup's definition that is
installed later is noticed; a kind that may not be read is said and left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import httpx
import structlog

from scheduler.core.ways_in.shape import Groups
from slacktide.clock import Clock
from slacktide.kube.budgets import Budget
from slacktide.kube.cache import Cache, Change
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
from slacktide.kube.reading import Resource
from slacktide.kube.reflector import Reflector

KUEUE: Final = tuple(f"/apis/kueue.x-k8s.io/{version}" for version in ("v1beta2", "v1beta1"))
OTHERS: Final[dict[str, tuple[str | tuple[str, ...], type[Any]]]] = {
    "queues": ("/apis/slacktide.io/v1alpha1/queues", Queue),
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
AGAIN_S: Final = 60.0  # for a kind that is not there

log = structlog.get_logger()


class GroupMirrors:
    """All kinds, kept up to date while `run` runs."""

    def __init__(
        self, client: httpx.AsyncClient, *, clock: Clock, changed: Callable[[str, str, str], None]
    ) -> None:
        """`changed` is told the kind, namespace and name of each object that is another now."""
        self._client, self._clock, self._changed = client, clock, changed
        self._held: dict[str, dict[tuple[str, str], Any]] = {name: {} for name in KINDS}
        self.groups = Groups(**{name: self._held[name] for name in GROUPS})
        self._mirrors: dict[str, Reflector[Any]] = {}
        self._looked = {name: asyncio.Event() for name in KINDS}

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

    async def synced(self) -> None:
        """Returns when every kind is mirrored, or known not to be there."""
        for looked in self._looked.values():
            await looked.wait()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for name in KINDS:
                group.create_task(self._mirror(name))

    async def _mirror(self, name: str) -> None:
        paths, kind = KINDS[name]
        while (path := await self._first_there(paths)) is None:
            self._looked[name].set()
            await asyncio.sleep(AGAIN_S)
        mirror: Reflector[Any] = Reflector(
            self._client,
            Resource(path, kind),
            Cache[Any](),
            clock=self._clock,
            deliver=lambda changes: self._take(name, changes),
        )
        self._mirrors[name] = mirror
        async with asyncio.TaskGroup() as group:
            group.create_task(mirror.run())
            await mirror.synced.wait()
            self._looked[name].set()

    async def _first_there(self, paths: str | tuple[str, ...]) -> str | None:
        """Of the versions of a kind, the first that the server has."""
        for path in (paths,) if isinstance(paths, str) else paths:
            if await self._is_there(path):
                return path
        return None

    async def _is_there(self, path: str) -> bool:
        try:
            answer = await self._client.get(path, params={"limit": "1"})
        except httpx.HTTPError:
            return True  # whether it is there will show; its mirror goes on trying
        if answer.status_code == httpx.codes.FORBIDDEN:
            log.warning("may not be read; gangs of this kind wait", path=path)
        return answer.is_success

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
