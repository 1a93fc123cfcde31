"""Events about pods, as far as the API server still has them (an hour, where nobody set another).

Always holds: at most `MOST` are read, so a namespace full of Events costs no more than others.
"""

from __future__ import annotations

from typing import Final

import httpx
import msgspec

from scheduler.core.members import created_s
from scheduler.core.telling import Told
from slacktide.contract import GROUP
from slacktide.kube.objects import Meta

MOST: Final = 1_000
OURS: Final = f"reportingComponent={GROUP}/scheduler"


class About(msgspec.Struct, frozen=True):
    """What an Event is about."""

    name: str = ""
    uid: str = ""


class PodEvent(msgspec.Struct, frozen=True, rename="camel"):
    """core/v1."""

    metadata: Meta
    involved_object: About = About()
    reason: str = ""
    message: str = ""
    last_timestamp: str | None = None
    event_time: str | None = None

    def told(self) -> Told:
        """As it is shown."""
        at = self.last_timestamp or self.event_time or self.metadata.creation_timestamp
        return Told(
            at_s=created_s(Meta(name="", creation_timestamp=at)),
            reason=self.reason,
            message=" ".join(self.message.split())[:500],
            about=self.involved_object.name,
        )


class _Events(msgspec.Struct, frozen=True):
    items: tuple[PodEvent, ...] = ()


_EVENTS: Final = msgspec.json.Decoder(_Events)


async def events_of(
    client: httpx.AsyncClient, namespace: str, selector: str
) -> tuple[tuple[PodEvent, ...], str]:
    """Those of a namespace that a field selector picks; none and why where they cannot be read."""
    try:
        answer = await client.get(
            f"/api/v1/namespaces/{namespace}/events",
            params={"fieldSelector": selector, "limit": str(MOST)},
        )
        if answer.status_code == httpx.codes.FORBIDDEN:
            return (), f"events of namespace {namespace} may not be listed"
        return _EVENTS.decode(answer.raise_for_status().content).items, ""
    except (httpx.HTTPError, msgspec.DecodeError) as why:
        return (), f"events of namespace {namespace} could not be read: {type(why).__name__}"
