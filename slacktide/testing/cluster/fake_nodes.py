"""Nodes that exist in the API alone: schedulable, with room for pods, and nobody behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from slacktide.testing.cluster.control_plane import ControlPlane

WRITERS = 16


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
    """Posts the objects to a collection of the API, several at once.

    Raises:
        httpx.HTTPStatusError: for the first that the server refuses.
    """
    limits = httpx.Limits(max_connections=WRITERS, max_keepalive_connections=WRITERS)
    with (
        httpx.Client(
            base_url=plane.url, verify=plane.tls(), timeout=60, limits=limits, trust_env=False
        ) as client,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        for answer in pool.map(lambda one: client.post(path, json=one), objects):
            answer.raise_for_status()
