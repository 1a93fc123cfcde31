"""Puts many objects into a control plane's store at once, faster than its API server takes them.

An API server reads JSON from etcd as it reads its own protobuf. Nothing checks the objects on the
way in: load only what the API would take. Its watchers hear of them as of any other.

Always holds: each object has a version of its own. Several of one transaction would share theirs,
and an API server that has heard of the first takes itself to be up to date with all.
"""

from __future__ import annotations

import base64
import http.client
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.posting import post_all

CREATED: Final = "2026-03-01T08:00:00Z"


def load(plane: ControlPlane, collection: str, objects: Iterable[Mapping[str, Any]]) -> None:
    """Stores objects under `/registry/COLLECTION`; nodes' collection is called `minions` there.

    Raises:
        Refusal: when etcd refuses one.
    """
    post_all(
        lambda: http.client.HTTPConnection("127.0.0.1", plane.etcd_port, timeout=60),
        "/v3/kv/put",
        (msgspec.json.encode(_put(collection, one)) for one in objects),
        accepted=http.HTTPStatus.OK,
    )


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
