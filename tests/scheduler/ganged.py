"""Pods and group objects as the API server sends them, written shortly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from scheduler.core.members import Gang, gangs_of
from scheduler.core.ways_in.shape import Groups, Named
from slacktide.kube.objects import Pod

AT_S = 1_767_225_600  # 2026-01-01T00:00:00Z
NOW_S = AT_S + 3_600.0


def stamp(after_s: int) -> str:
    """A time of that first day."""
    return f"2026-01-01T{after_s // 3600:02}:{after_s // 60 % 60:02}:{after_s % 60:02}Z"


def pod(
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owner: tuple[str, str] | None = None,
    after_s: int = 0,
    cpu: str = "1",
    gates: Sequence[str] = ("slacktide.io/gang",),
    phase: str = "Pending",
    node: str = "",
    deleted: bool = False,
    namespace: str = "team",
    **spec: Any,
) -> Pod:
    """A pod; `owner` is (kind, name) of its controller."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "creationTimestamp": stamp(after_s),
        "labels": labels or {},
        "annotations": annotations or {},
    }
    if deleted:
        metadata["deletionTimestamp"] = stamp(after_s + 1)
    if owner is not None:
        api = {"Job": "batch/v1"}.get(owner[0], "x.io/v1")
        reference = {"kind": owner[0], "name": owner[1], "uid": f"uid-{owner[1]}"}
        metadata["ownerReferences"] = [{**reference, "apiVersion": api, "controller": True}]
    body = {
        "metadata": metadata,
        "spec": {
            "containers": [{"name": "app", "resources": {"requests": {"cpu": cpu}}}],
            "schedulingGates": [{"name": gate} for gate in gates if not node],
            "nodeName": node,
            **spec,
        },
        "status": {"phase": phase},
    }
    return msgspec.json.decode(msgspec.json.encode(body), type=Pod)


def pods(count: int, **each: Any) -> list[Pod]:
    """Several like one another, a second apart."""
    return [pod(f"{each.get('role', 'p')}{k}", after_s=k, **without(each)) for k in range(count)]


def without(each: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in each.items() if key != "role"}


def known(kind: type[Any], name: str, spec: Mapping[str, Any], **meta: Any) -> dict[Named, Any]:
    """One object of a kind, as `Groups` holds it."""
    metadata = {"name": name, "namespace": "team", "creationTimestamp": stamp(0), **meta}
    return {("team", name): msgspec.convert({"metadata": metadata, "spec": spec}, kind)}


def only(found: Sequence[Pod], groups: Groups | None = None, *, now_s: float = NOW_S) -> Gang:
    """The one gang of these pods."""
    (gang,) = gangs_of(found, groups or Groups(), now_s=now_s)
    return gang


def roles(gang: Gang) -> list[tuple[str, int, int]]:
    """Name, least and members of each role."""
    return [(role.name, role.least, len(role.members)) for role in gang.roles]
