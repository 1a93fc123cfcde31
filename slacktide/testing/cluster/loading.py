"""Puts many objects into a control plane's store at once, faster than its API server takes them.

An API server reads JSON from etcd as it reads its own protobuf, so thousands of objects come with
one transaction each hundred. Nothing checks them on the way in: load only what the API would take.
Its watchers hear of them as of any other.
"""

from __future__ import annotations

import base64
import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import httpx
import msgspec

from slacktide.testing.cluster.control_plane import ControlPlane

AT_ONCE: Final = 128  # operations of a transaction: etcd's own limit
CREATED: Final = "2026-03-01T08:00:00Z"


def load(plane: ControlPlane, collection: str, objects: Iterable[Mapping[str, Any]]) -> None:
    """Stores objects under `/registry/COLLECTION`; nodes' collection is called `minions` there.

    Raises:
        httpx.HTTPStatusError: when etcd refuses one.
    """
    url = f"http://127.0.0.1:{plane.etcd_port}/v3/kv/txn"
    with httpx.Client(timeout=60, trust_env=False) as client:
        for some in _batches(objects):
            puts = [{"request_put": _put(collection, one)} for one in some]
            client.post(url, content=msgspec.json.encode({"success": puts})).raise_for_status()


def _batches(objects: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    rest = iter(objects)
    while some := list(itertools.islice(rest, AT_ONCE)):
        yield some


def _put(collection: str, one: Mapping[str, Any]) -> dict[str, str]:
    meta = {"uid": str(uuid.uuid4()), "creationTimestamp": CREATED, **one["metadata"]}
    meta.pop("resourceVersion", None)  # the store's own
    place = [collection, meta.get("namespace", ""), meta["name"]]
    key = "/registry/" + "/".join(part for part in place if part)
    value = msgspec.json.encode({**one, "metadata": meta})
    return {
        "key": base64.b64encode(key.encode()).decode(),
        "value": base64.b64encode(value).decode(),
    }
