"""Pods as users of a colocated cluster write them: online with a promise, batch, and stray batch.

Programs are the machine's own: its /usr, the Python that runs this and the project are mounted
read-only, so no image has to be built for them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from slacktide.contract import (
    ANNOTATION_LATENCY_FROM,
    ANNOTATION_SLO,
    LABEL_QOS_CLASS,
    QOS_BE,
    QOS_LS,
    RESOURCE_BATCH_CPU,
    RESOURCE_BATCH_MEMORY,
)
from slacktide.testing.node.images import BUSYBOX, HOST, Image

PROJECT: Final = Path(__file__).resolve().parents[3]
SPIN: Final = ("/bin/sh", "-c", "while :; do :; done")
IDLE: Final = ("/bin/busybox", "sleep", "2147483647")

Object = dict[str, Any]


def a_pod(
    name: str,
    command: Sequence[str],
    *,
    image: Image = BUSYBOX,
    requests: Mapping[str, str] | None = None,
    limits: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    mounts: Sequence[Path] = (),
    writable: Sequence[Path] = (),
) -> Object:
    """A pod of one container with some of the machine's folders in it."""
    folders = [(path, True) for path in mounts] + [(path, False) for path in writable]
    resources = {"requests": dict(requests or {}), "limits": dict(limits or {})}
    container = {
        "name": "main",
        "image": image.name,
        "imagePullPolicy": "Never",
        "command": list(command),
        "resources": resources,
        "volumeMounts": [
            {"name": f"m{k}", "mountPath": str(path), "readOnly": only_read}
            for k, (path, only_read) in enumerate(folders)
        ],
    }
    spec = {
        "containers": [container],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "volumes": [
            {"name": f"m{k}", "hostPath": {"path": str(path)}}
            for k, (path, _) in enumerate(folders)
        ],
    }
    notes, marks = dict(annotations or {}), dict(labels or {})
    meta = {"name": name, "labels": marks, "annotations": notes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def online(
    name: str,
    command: Sequence[str],
    *,
    slo: str,
    latency_from: str,
    cpu: str = "1",
    memory: str = "128Mi",
    **more: Any,  # noqa: ANN401  as `a_pod` takes them
) -> Object:
    """A service that promises something and says where that is seen."""
    return a_pod(
        name,
        command,
        requests={"cpu": cpu, "memory": memory},
        labels={LABEL_QOS_CLASS: QOS_LS},
        annotations={ANNOTATION_SLO: slo, ANNOTATION_LATENCY_FROM: latency_from},
        **more,
    )


def batch(
    name: str,
    command: Sequence[str] = SPIN,
    *,
    milli: int = 1_000,
    memory_bytes: int = 256 << 20,
    **more: Any,  # noqa: ANN401  as `a_pod` takes them
) -> Object:
    """A batch pod as admission leaves it: it asks for oversold resources and nothing else."""
    holds = {RESOURCE_BATCH_CPU: str(milli), RESOURCE_BATCH_MEMORY: str(memory_bytes)}
    labels = {LABEL_QOS_CLASS: QOS_BE}
    return a_pod(name, command, requests=holds, limits=holds, labels=labels, **more)


def stray(
    name: str,
    command: Sequence[str] = SPIN,
    *,
    cpu: str = "1",
    **more: Any,  # noqa: ANN401  as `a_pod` takes them
) -> Object:
    """Batch that says so but came with ordinary requests: kubelet weighs it like online."""
    labels = {LABEL_QOS_CLASS: QOS_BE}
    return a_pod(name, command, requests={"cpu": cpu}, labels=labels, **more)


def hosted(*command: str) -> Object:
    """What `a_pod` needs besides its command to run a program of this machine."""
    return {"image": HOST, "mounts": _program_folders(), "command": list(command)}


def _program_folders() -> list[Path]:
    """/usr, and where Python and the project lie outside it; none inside another."""
    wanted = {Path("/usr"), Path(sys.prefix), Path(sys.base_prefix), PROJECT}
    wanted = {path.resolve() for path in wanted} | {Path(sys.prefix)}
    return sorted(
        path
        for path in wanted
        if not any(path != one and path.is_relative_to(one) for one in wanted)
    )
