"""What pods promise and where their latency is seen, and a word to the owner of what is nonsense.

Always holds: nonsense costs its own pod the promise and nobody else anything; it is told once for a
pod and text; a URL is probed only at the pod's own addresses, so that nobody lets a privileged
process ask others in his name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import urlsplit

from qos_controller.adapters.latency.slo import parse_feed, parse_slo
from qos_controller.core.pods import Feed, Slo
from slacktide.contract import ANNOTATION_LATENCY_FROM, ANNOTATION_SLO

MOST_REMEMBERED: Final = 1_000

_Read = TypeVar("_Read", Slo, Feed)


@dataclass(slots=True)
class Promises:
    """Reads annotations."""

    wrong: Callable[[str, str], None]
    """Told of a pod's UID and what is wrong, once."""
    nonsense: int = 0
    _told: set[tuple[str, str]] = field(default_factory=set)

    def of(
        self, uid: str, notes: Mapping[str, str], ips: tuple[str, ...]
    ) -> tuple[Slo | None, Feed | None]:
        """A pod's promise and feed; None where it says none, or nonsense."""
        slo = self._read(uid, notes.get(ANNOTATION_SLO), parse_slo)
        feed = self._read(uid, notes.get(ANNOTATION_LATENCY_FROM), parse_feed)
        if feed is None or not feed.where:
            return slo, feed
        if (host := urlsplit(feed.where).hostname) and host not in ips:
            self._say(uid, "latency-from names another host; leave the host out: http://:8080/")
            return slo, None
        # Not yet started, or on the node's network: there is no address that is its own alone.
        return slo, feed if ips else None

    def _read(
        self, uid: str, text: str | None, parse: Callable[[str], _Read | str]
    ) -> _Read | None:
        if not text:
            return None
        found = parse(text)
        if isinstance(found, str):
            self._say(uid, found)
            return None
        return found

    def _say(self, uid: str, why: str) -> None:
        if (uid, why) in self._told:
            return
        if len(self._told) >= MOST_REMEMBERED:
            self._told.clear()
        self._told.add((uid, why))
        self.nonsense += 1
        self.wrong(uid, why)
