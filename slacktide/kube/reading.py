"""Lists in pages and watches line by line, decoded as they arrive and bounded in bytes.

Neither keeps anything: what is held is the cache's. A page or a line above its limit is refused
before it is decoded; an object of another shape than its API promises is left out, and said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

import httpx
import msgspec
import structlog

from slacktide.errors import BadInput
from slacktide.kube.objects import Event, Page, Status

T = TypeVar("T")

PAGE: Final = 1_000  # objects: some 4 MB of pods, which the server reads from one snapshot
MOST_PAGE_BYTES: Final = 64 << 20
MOST_LINE_BYTES: Final = 4 << 20  # etcd holds no object above 1.5 MB
SILENCE_S: Final = 90.0  # a watch that says nothing for so long is dead: bookmarks come each minute
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """A collection of the API, and which part of it is wanted."""

    path: str  # "/api/v1/pods", or a namespace's
    kind: type[T]
    query: Mapping[str, str] = field(default_factory=dict)  # labelSelector, fieldSelector


_EVENTS: Final = msgspec.json.Decoder(Event)
_RAW_PAGES: Final = msgspec.json.Decoder(Page[msgspec.Raw])

log = structlog.get_logger()


class Refused(Exception):  # noqa: N818  named for what happened
    """The server said no; `status` is its code, 410 for a version that it has forgotten."""

    def __init__(self, status: int, said: str) -> None:
        """`said` is the server's own message."""
        super().__init__(f"{status}: {said}")
        self.status = status


class Readable(NamedTuple):
    """Where a collection can be read."""

    path: str  # empty: nowhere
    status: int  # the server's last word


async def readable(client: httpx.AsyncClient, path: str, *, namespace: str = "") -> Readable:
    """Whether a collection can be read as a whole, or else in one namespace.

    Raises:
        httpx.HTTPError: when the server cannot be reached.
    """
    tried = [path]
    if namespace:
        root, _, kind = path.rpartition("/")
        tried.append(f"{root}/namespaces/{namespace}/{kind}")
    status = 0
    for where in tried:
        status = (await client.get(where, params={"limit": "1"})).status_code
        if status != httpx.codes.FORBIDDEN:
            break
    return Readable(where if httpx.codes.is_success(status) else "", status)


async def pages(client: httpx.AsyncClient, resource: Resource[T]) -> AsyncIterator[Page[T]]:
    """The whole list, a page at a time, all of one moment.

    Raises:
        Refused: when the server says no, 410 where the list took too long.
        BadInput: for an answer that is too large or no list of that kind.
        httpx.HTTPError: when it cannot be reached.
    """
    decoder: msgspec.json.Decoder[Page[T]] = msgspec.json.Decoder(Page[resource.kind])  # type: ignore[name-defined]  # a value
    query = {**resource.query, "limit": str(PAGE)}
    while True:
        body = await _body(client, resource.path, query)
        try:
            page = _decoded(decoder, body, resource.path)
        except BadInput:
            page = _one_by_one(resource, body)
        yield page
        if not page.metadata.continue_:
            return
        query["continue"] = page.metadata.continue_


def _one_by_one(resource: Resource[T], body: bytes) -> Page[T]:
    """A page without the objects of another shape: one of them must not hide all others."""
    page: Page[msgspec.Raw] = _decoded(_RAW_PAGES, body, resource.path)
    decoder, items = msgspec.json.Decoder(resource.kind), []
    for one in page.items:
        try:
            items.append(_decoded(decoder, one, resource.path))
        except BadInput as why:
            log.warning("object left alone", path=resource.path, why=str(why))
    return Page(page.metadata, tuple(items))


async def events(
    client: httpx.AsyncClient, resource: Resource[T], *, version: str, last_s: int
) -> AsyncIterator[list[Event]]:
    """What happened since `version`, in batches as they arrive, for at most `last_s`.

    Raises:
        Refused: when the server says no, at once or later on.
        BadInput: for a line that is too long or no event.
        httpx.HTTPError: when it cannot be reached or falls silent.
    """
    query = {
        **resource.query,
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(last_s),
    }
    patience = httpx.Timeout(SILENCE_S, connect=10.0)
    async with client.stream("GET", resource.path, params=query, timeout=patience) as answer:
        if answer.is_error:
            raise _refused(answer.status_code, await answer.aread())
        held = b""
        async for chunk in answer.aiter_raw():
            *lines, held = (held + chunk).split(b"\n") if held else chunk.split(b"\n")
            batch, why = _batch(lines, resource.path)
            if batch:
                yield batch
            if why is not None:
                raise why
            if len(held) > MOST_LINE_BYTES:
                raise BadInput(f"{resource.path}: an event of more than {MOST_LINE_BYTES} bytes")


def _batch(lines: list[bytes], path: str) -> tuple[list[Event], Exception | None]:
    """The events up to the first that is none, and why that is none."""
    batch: list[Event] = []
    for line in lines:
        try:
            event = _decoded(_EVENTS, line, path) if line else None
        except BadInput as why:
            return batch, why
        if event is not None and event.type == "ERROR":
            return batch, _refused(0, event.object)
        if event is not None:
            batch.append(event)
    return batch, None


def object_of(event: Event, decoder: msgspec.json.Decoder[T]) -> T:
    """What an event is about. Raises `BadInput` for an object of another shape."""
    found: T = _decoded(decoder, event.object, event.type)
    return found


async def _body(client: httpx.AsyncClient, path: str, query: Mapping[str, str]) -> bytes:
    async with client.stream("GET", path, params=query) as answer:
        parts, size = [], 0
        async for chunk in answer.aiter_raw():
            parts.append(chunk)
            size += len(chunk)
            if size > MOST_PAGE_BYTES:
                raise BadInput(f"{path}: a page of more than {MOST_PAGE_BYTES} bytes")
    body = b"".join(parts)
    if answer.is_error:
        raise _refused(answer.status_code, body)
    return body


def _refused(code: int, body: bytes | msgspec.Raw) -> Refused:
    try:
        said = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refused(code, "no reason that can be read")
    return Refused(said.code or code, said.message or said.reason)


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes | msgspec.Raw, path: str) -> Any:  # noqa: ANN401  the decoder's
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as why:
        raise BadInput(f"{path}: not what the API promises: {why}") from why
