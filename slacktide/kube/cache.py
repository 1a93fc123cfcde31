"""What is there now, by UID, kept by lists and events: pure, so that every order can be tested.

Always holds: an event that was seen already, or is older than what is held, changes nothing, and a
deleted object never comes back (no UID is used twice), so duplicates and reordering after a
reconnect are harmless; a list replaces everything and says what vanished while nobody watched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from slacktide.kube.objects import Meta


class HasMeta(Protocol):
    """Anything from an API server."""

    @property
    def metadata(self) -> Meta:
        """Its name and version."""
        ...


T = TypeVar("T", bound=HasMeta)
REMEMBERED: Final = 1_000  # deleted objects whose late events are told from news


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """What happened to one object; None where there was or is none."""

    before: T | None
    after: T | None


class Cache(Generic[T]):
    """The objects of one resource. Not thread-safe: one loop writes and reads it."""

    def __init__(self, indexes: dict[str, Callable[[T], str]] | None = None) -> None:
        """`indexes` name -> the key of an object in it; an empty key is not indexed."""
        self._objects: dict[str, T] = {}
        self._dead: deque[str] = deque(maxlen=REMEMBERED)
        self._key_of = indexes or {}
        self._found: dict[str, dict[str, dict[str, T]]] = {name: {} for name in self._key_of}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        """All of them, the oldest known first."""
        return iter(self._objects.values())

    def get(self, uid: str) -> T | None:
        """One of them."""
        return self._objects.get(uid)

    def by(self, index: str, key: str) -> tuple[T, ...]:
        """Those with that key in that index."""
        return tuple(self._found[index].get(key, {}).values())

    def replace(self, listed: Iterable[T]) -> list[Change[T]]:
        """Takes a whole list; returns what differs from before, the vanished last."""
        fresh = {one.metadata.uid: one for one in listed}
        gone = [uid for uid in self._objects if uid not in fresh]
        changes = [change for one in fresh.values() if (change := self.put(one))]
        return changes + [change for uid in gone if (change := self._drop(uid))]

    def put(self, one: T) -> Change[T] | None:
        """Takes an added or changed object; None where it is no newer than what is held."""
        before = self._objects.get(one.metadata.uid)
        if before is None and one.metadata.uid in self._dead:
            return None
        if before is not None and not _newer(one.metadata, before.metadata):
            return None
        self._objects[one.metadata.uid] = one
        self._reindex(before, one)
        return Change(before, one)

    def remove(self, one: T) -> Change[T] | None:
        """Takes a deletion; None where it is not there."""
        return self._drop(one.metadata.uid)

    def _drop(self, uid: str) -> Change[T] | None:
        before = self._objects.pop(uid, None)
        self._dead.append(uid)
        if before is None:
            return None
        self._reindex(before, None)
        return Change(before, None)

    def _reindex(self, before: T | None, after: T | None) -> None:
        for name, key_of in self._key_of.items():
            index = self._found[name]
            old = key_of(before) if before is not None else ""
            new = key_of(after) if after is not None else ""
            if old and before is not None and old != new:
                index[old].pop(before.metadata.uid, None)
                if not index[old]:
                    del index[old]
            if new and after is not None:
                index.setdefault(new, {})[after.metadata.uid] = after


def _newer(one: Meta, held: Meta) -> bool:
    """Versions of one server are integers that grow (stable since Kubernetes 1.35, KEP-5504)."""
    try:
        return int(one.resource_version) > int(held.resource_version)
    except ValueError:
        return one.resource_version != held.resource_version
