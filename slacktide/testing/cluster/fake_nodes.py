"""Nodes that exist in the API alone: schedulable, with room for pods, and nobody behind them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.posting import post_all


def node(
    name: str, *, holds: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A ready Node object that can hold `holds` (resource -> quantity)."""
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "made by hand"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "status": {"capacity": dict(holds), "allocatable": dict(holds), "conditions": [ready]},
    }


def add(plane: ControlPlane, path: str, objects: Iterable[Mapping[str, Any]]) -> None:
    """Posts the objects to a collection of the API in their order, several at once.

    Raises:
        Refusal: for the first that the server refuses.
    """
    server, tls = urlsplit(plane.url).netloc, plane.tls()
    post_all(
        lambda: http.client.HTTPSConnection(server, context=tls, timeout=60),
        path,
        (json.dumps(one).encode() for one in objects),
        accepted=http.HTTPStatus.CREATED,
    )
