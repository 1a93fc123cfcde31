"""Keeps a cache true: list once, then watch, and list again only when the server has forgotten.

Always holds: what is delivered is every difference, in the order of the server; a watch that falls
silent for longer than bookmarks come is taken for dead; nothing is listed twice within a back-off,
and back-offs are jittered, so a thousand agents do not return together. `heard_s` says how old the
cache may be: who decides by it grows more careful with its age.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, Generic

import httpx
import msgspec
import structlog

from slacktide.clock import Clock
from slacktide.errors import BadInput
from slacktide.kube.cache import Cache, Change, T
from slacktide.kube.objects import Bookmark, Event
from slacktide.kube.reading import GONE, Refused, Resource, events, object_of, pages

WATCH_S: Final = (300, 600)  # seconds of one watch: as client-go's, so that servers can rebalance
FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 30.0

Deliver = Callable[[Sequence[Change[T]]], None]

_BOOKMARKS: Final = msgspec.json.Decoder(Bookmark)

log = structlog.get_logger()


class Reflector(Generic[T]):
    """One resource of one server, mirrored."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        resource: Resource[T],
        cache: Cache[T],
        *,
        clock: Clock,
        deliver: Deliver[T] = lambda _changes: None,
    ) -> None:
        """`deliver` is called with each batch of differences, after the cache has them."""
        self.cache = cache
        self.heard_s: float | None = None  # when the server last said anything
        self.synced = asyncio.Event()  # the cache holds a whole list
        self.lists = 0  # how often all was read
        self._client, self._resource, self._deliver = client, resource, deliver
        self._clock, self._version = clock, ""
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(resource.kind)

    async def run(self) -> None:
        """For ever; cancel it to end."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                backoff_s = FIRST_BACKOFF_S
                continue
            except Refused as why:
                if why.status == GONE:
                    self._version = ""
                self._say(str(why), backoff_s)
            except (httpx.HTTPError, BadInput) as why:
                self._say(f"{type(why).__name__} {why}", backoff_s)
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.5))  # noqa: S311  no secret
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def _list(self) -> None:
        listed: list[T] = []
        version = ""
        async for page in pages(self._client, self._resource):
            listed += page.items
            version = page.metadata.resource_version
        self.lists += 1
        self._hand_over(self.cache.replace(listed))
        self._version = version
        self.synced.set()

    async def _watch(self) -> None:
        last_s = random.randint(*WATCH_S)  # noqa: S311  no secret
        async for batch in events(
            self._client, self._resource, version=self._version, last_s=last_s
        ):
            found = [self._taken(event) for event in batch]
            self._hand_over([change for change in found if change is not None])

    def _taken(self, event: Event) -> Change[T] | None:
        if event.type == "BOOKMARK":
            self._version = object_of(event, _BOOKMARKS).metadata.resource_version
            return None
        try:
            one = object_of(event, self._decoder)
        except BadInput as why:  # the next are worth hearing nevertheless
            log.warning("object left alone", path=self._resource.path, why=str(why))
            self._version = object_of(event, _BOOKMARKS).metadata.resource_version
            return None
        self._version = one.metadata.resource_version
        return self.cache.remove(one) if event.type == "DELETED" else self.cache.put(one)

    def _hand_over(self, changes: list[Change[T]]) -> None:
        self.heard_s = self._clock.now_s()
        if changes:
            self._deliver(changes)

    def _say(self, why: str, backoff_s: float) -> None:
        log.warning(
            "watch interrupted",
            path=self._resource.path,
            why=why,
            again_in_s=backoff_s,
            holding=len(self.cache),
        )
