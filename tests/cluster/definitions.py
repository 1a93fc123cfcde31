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

CHART: Final = Path(__file__).parents[2] / "charts/slacktide/definitions/queues.yaml"
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


def pod_groups(kind: tuple[str, str]) -> dict[str, Any]:
    """The definition of PodGroups of that group and version."""
    group, version = kind
    spec = {"type": "object", "properties": _SPECS[kind]}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    names = {"kind": "PodGroup", "plural": "podgroups", "singular": "podgroup"}
    # The real ones of *.k8s.io were approved; the server asks custom ones for the same.
    approved = {"api-approved.kubernetes.io": "unapproved, for a test"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"podgroups.{group}", "annotations": approved},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


def queues() -> dict[str, Any]:
    """The definition in the chart."""
    found: dict[str, Any] = yaml.safe_load(CHART.read_text())
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
