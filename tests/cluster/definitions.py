"""Definitions of the peers' pod groups, cut down to what is read of them.

Source: the fields of scheduler-plugins apis/scheduling/v1alpha1 and volcano apis
scheduling/v1beta1, spelled anew.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

CHART: Final = Path(__file__).parents[2] / "charts/slacktide"
_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_WHOLE: Final = {"type": "integer"}
_TEXT: Final = {"type": "string"}

COSCHEDULING: Final = ("scheduling.x-k8s.io", "v1alpha1")
VOLCANO: Final = ("scheduling.volcano.sh", "v1beta1")
_SPECS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    COSCHEDULING: {"minMember": _WHOLE, "scheduleTimeoutSeconds": _WHOLE},
    VOLCANO: {
        "minMember": _WHOLE,
        "minTaskMember": {"type": "object", "additionalProperties": _WHOLE},
        "queue": {**_TEXT, "default": "default"},
    },
}


ANYTHING: Final = (  # kinds whose operators are played: group, version, kind
    ("jobset.x-k8s.io", "v1alpha2", "JobSet"),
    ("ray.io", "v1", "RayCluster"),
    ("sparkoperator.k8s.io", "v1beta2", "SparkApplication"),
    ("kubeflow.org", "v2beta1", "MPIJob"),
    ("monitoring.coreos.com", "v1", "ServiceMonitor"),
)


def peers() -> list[dict[str, Any]]:
    """Definitions of every kind of peers that the pages and the chart know."""
    groups = [pod_groups(kind) for kind in (COSCHEDULING, VOLCANO)]
    return [*groups, *kueue(), *(_anything(*one) for one in ANYTHING)]


def _anything(group: str, version: str, kind: str) -> dict[str, Any]:
    """A definition that takes whatever is in a spec."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return _definition(group, version, kind, schema)


def pod_groups(kind: tuple[str, str]) -> dict[str, Any]:
    """The definition of PodGroups of that group and version."""
    group, version = kind
    spec = {"type": "object", "properties": _SPECS[kind]}
    return _definition(group, version, "PodGroup", {"type": "object", "properties": {"spec": spec}})


def _definition(group: str, version: str, kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    singular = kind.lower()
    names = {"kind": kind, "plural": f"{singular}s", "singular": singular}
    served = {"name": version, "served": True, "storage": True}
    # The real ones of *.k8s.io were approved; the server asks custom ones for the same.
    approved = {"api-approved.kubernetes.io": "unapproved, for a test"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}", "annotations": approved},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [served | {"schema": {"openAPIV3Schema": schema}}],
        },
    }


def queues() -> dict[str, Any]:
    """The definition in the chart."""
    found: dict[str, Any] = yaml.safe_load((CHART / "definitions/queues.yaml").read_text())
    return found


def define(client: httpx.Client, definition: Mapping[str, Any], *, within_s: float = 20) -> None:
    """Posts a definition and waits until objects of it can be read."""
    client.post(_DEFINITIONS, json=definition).raise_for_status()
    spec = definition["spec"]
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    give_up = time.monotonic() + within_s
    while client.get(path).status_code != httpx.codes.OK:
        if time.monotonic() > give_up:
            raise AssertionError(f"{path} is not served after {within_s} s")
        time.sleep(0.05)


def kueue() -> tuple[dict[str, Any], ...]:
    """Kueue's Workload and AdmissionCheck, cut down to what an admission check reads and writes.

    Source: kueue apis/kueue/v1beta1 (fields, required ones, the list's key), spelled anew.
    """
    stamp = {**_TEXT, "format": "date-time"}
    condition = _of_needed(
        type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT, lastTransitionTime=stamp
    )
    states = {**_TEXT, "enum": ["Pending", "Ready", "Retry", "Rejected"]}
    check = _of_needed(name=_TEXT, state=states, message=_TEXT, lastTransitionTime=stamp)
    assigned = {"type": "object", "properties": {"name": _TEXT, "count": _WHOLE}}
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    pods = {"type": "object", "properties": {"name": _TEXT, "count": _WHOLE, "template": anything}}
    admission = {
        "type": "object",
        "properties": {"clusterQueue": _TEXT, "podSetAssignments": _list(assigned, "name")},
    }
    return (
        _kueue(
            "Workload",
            "Namespaced",
            {"queueName": _TEXT, "active": {"type": "boolean"}, "podSets": _list(pods, "name")},
            {"admission": admission, "admissionChecks": _list(check, "name")},
        ),
        _kueue(
            "AdmissionCheck",
            "Cluster",
            {"controllerName": _TEXT},
            {"conditions": _list(condition, "type")},
        ),
    )


def _of_needed(**fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(fields), "properties": dict(fields)}


def _list(items: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
        "items": {**items, "required": [*items.get("required", ()), key]}
        if key not in items.get("required", ())
        else items,
    }


def _kueue(
    kind: str, scope: str, spec: Mapping[str, Any], status: Mapping[str, Any]
) -> dict[str, Any]:
    plural, group = f"{kind.lower()}s", "kueue.x-k8s.io"
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": dict(spec)},
            "status": {"type": "object", "properties": dict(status)},
        },
    }
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": scope,
            "versions": [version],
        },
    }
