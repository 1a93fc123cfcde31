"""Findings as what Kubernetes applies: strategic-merge patches, alone or in a kustomize component.

Only what changes is patched, and only where a change is worth a restart. Every object's name,
namespace and container is held against Kubernetes' own rules first (RFC 1123), since these texts
become file names and commands; what Kubernetes could not have, and kinds whose template cannot be
changed, are left out and told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from predictor.core.ranking import Change, Finding
from slacktide.quantity import format_bytes, format_cpu_cores

API_VERSIONS: Final = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "CronJob": "batch/v1",
}
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL.pattern}(\.{_LABEL.pattern})*")


@dataclass(frozen=True, slots=True)
class Patch:
    """One workload's patch and why."""

    namespace: str
    kind: str
    name: str
    body: dict[str, Any]  # a strategic-merge patch
    reasons: tuple[str, ...]  # one a container

    @property
    def file_name(self) -> str:
        """Unique, and safe as a file's name."""
        return f"{self.namespace}.{self.kind.lower()}.{self.name}.yaml"

    def text(self) -> str:
        """The patch below a comment that says why."""
        why = "".join(f"# {reason}\n" for reason in self.reasons)
        return why + yaml.safe_dump(self.body, sort_keys=False, width=1000)

    def file_text(self) -> str:
        """A file for `kubectl patch --patch-file`, which says how to use it."""
        how = f"kubectl patch {self.kind.lower()} {self.name} -n {self.namespace} --patch-file"
        return f"# {how} {self.file_name}\n{self.text()}"


def patches(findings: Sequence[Finding]) -> tuple[tuple[Patch, ...], int]:
    """A patch for each workload that should change; and how many containers were left out."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    left_out = 0
    for found in findings:
        if not any(change.notable for change in _changes(found)):
            continue
        if not patchable(found):
            left_out += 1
            continue
        advice = found.advice
        groups.setdefault((advice.namespace, advice.kind, advice.workload), []).append(found)
    return tuple(_patch(*key, group) for key, group in sorted(groups.items())), left_out


def patchable(found: Finding) -> bool:
    """Whether Kubernetes could have such an object and would let its template be changed."""
    advice = found.advice
    return bool(
        advice.kind in API_VERSIONS
        and _LABEL.fullmatch(advice.namespace)
        and _SUBDOMAIN.fullmatch(advice.workload)
        and _LABEL.fullmatch(advice.container)
    )


def patch_files(made: Iterable[Patch]) -> str:
    """All patches as one stream of YAML documents."""
    return "---\n".join(patch.file_text() for patch in made)


def kustomization(made: Iterable[Patch]) -> str:
    """A kustomize component: an overlay lists its folder under `components:`."""
    component = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": [
            {
                "target": {
                    "kind": patch.kind,
                    "name": patch.name.replace(".", r"\."),  # kustomize reads it as a pattern
                    "namespace": patch.namespace,
                },
                "patch": patch.text(),
            }
            for patch in made
        ],
    }
    head = "# kustomization.yaml: list this file's folder under components: of your overlay\n"
    return head + yaml.dump(component, Dumper=_Readable, sort_keys=False, width=1000)


class _Readable(yaml.SafeDumper):
    """Writes a patch within the file as a block that a reviewer can read."""

    def represent_str(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _Readable.represent_str)


def _patch(namespace: str, kind: str, name: str, group: Sequence[Finding]) -> Patch:
    template = {"spec": {"containers": [_container(found) for found in group]}}
    spec: dict[str, Any] = {"template": template}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    body = {
        "apiVersion": API_VERSIONS[kind],
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    reasons = tuple(f"{found.advice.container}: {found.advice.reason}" for found in group)
    return Patch(namespace=namespace, kind=kind, name=name, body=body, reasons=reasons)


def _changes(found: Finding) -> tuple[Change, ...]:
    return found.cpu_request, found.cpu_limit, found.memory_request, found.memory_limit


def _container(found: Finding) -> dict[str, Any]:
    """Requests and limits that differ from what is declared; null takes a CPU limit away."""
    resources: dict[str, dict[str, str | None]] = {"requests": {}, "limits": {}}
    for field, name, change in (
        ("requests", "cpu", found.cpu_request),
        ("requests", "memory", found.memory_request),
        ("limits", "cpu", found.cpu_limit),
        ("limits", "memory", found.memory_limit),
    ):
        if change.answered and (text := _text(change.recommended, name)) != _text(
            change.current, name
        ):
            resources[field][name] = text
    return {"name": found.advice.container, "resources": {k: v for k, v in resources.items() if v}}


def _text(value: float | None, name: str) -> str | None:
    if value is None:
        return None
    return format_cpu_cores(value) if name == "cpu" else format_bytes(int(value))
