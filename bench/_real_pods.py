"""Pods as long as real ones: what an API server says of a batch task or of a service's replica.

Some 5 KB each: environment, probes, volumes, tolerations, conditions and the managedFields of three
managers, which are a third of it.
"""

from __future__ import annotations

from typing import Any, Final

from slacktide.contract import (
    ANNOTATION_GANG_MIN,
    ANNOTATION_GANG_NAME,
    RESOURCE_BATCH_CPU,
    RESOURCE_BATCH_MEMORY,
    RESOURCE_TASK,
    SCHEDULER_OFFLINE,
)

WHEN: Final = "2026-03-01T08:00:00Z"
ENVIRONMENT: Final = 12
BATCH: Final = {RESOURCE_BATCH_CPU: "2000", RESOURCE_BATCH_MEMORY: "4Gi", RESOURCE_TASK: "1"}
ONLINE: Final = {"cpu": "500m", "memory": "1Gi"}


def real_pod(index: int, *, batch: bool, namespace: str, node: str = "") -> dict[str, Any]:
    """One pod of many; `node`: where it runs."""
    workload = f"{'train' if batch else 'checkout'}-{index // 20}"
    name = f"{workload}-{index:06x}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(name, workload, index, batch=batch, namespace=namespace),
        "spec": _spec(workload, batch=batch, node=node),
        "status": _status(index, running=bool(node)),
    }


def _metadata(
    name: str, workload: str, index: int, *, batch: bool, namespace: str
) -> dict[str, Any]:
    notes = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
    if batch:
        notes |= {ANNOTATION_GANG_NAME: workload, ANNOTATION_GANG_MIN: "20"}
    return {
        "name": name,
        "generateName": f"{workload}-",
        "namespace": namespace,
        "uid": f"5e1d4c1a-6b1f-4d7c-9a52-{index:012x}",
        "resourceVersion": str(1_000 + index),
        "generation": 1,
        "creationTimestamp": WHEN,
        "labels": {
            "app.kubernetes.io/name": workload,
            "app.kubernetes.io/part-of": "shop",
            "app.kubernetes.io/managed-by": "Helm",
            "pod-template-hash": f"{index // 20:010x}",
            "team": f"team-{index % 40}",
        },
        "annotations": notes,
        "ownerReferences": [
            {
                "apiVersion": "batch/v1" if batch else "apps/v1",
                "kind": "Job" if batch else "ReplicaSet",
                "name": workload,
                "uid": f"0c0ffee0-6b1f-4d7c-9a52-{index // 20:012x}",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
        "managedFields": [
            _managed(by, depth)
            for by, depth in (("kube-controller-manager", 18), ("slacktide", 4), ("kubelet", 12))
        ],
    }


def _managed(manager: str, fields: int) -> dict[str, Any]:
    owned: dict[str, Any] = {
        f'f:k:{{"name":"SETTING_{k}"}}': {".": {}, "f:name": {}} for k in range(fields)
    }
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": WHEN,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:containers": {'k:{"name":"main"}': {"f:env": owned}}}},
    }


def _spec(workload: str, *, batch: bool, node: str) -> dict[str, Any]:
    wants = BATCH if batch else ONLINE
    placed = {"nodeName": node} if node else {}
    return placed | {
        "schedulerName": SCHEDULER_OFFLINE if batch else "default-scheduler",
        "priority": 5_000 if batch else 9_000,
        "priorityClassName": "slacktide-batch" if batch else "prod",
        "preemptionPolicy": "PreemptLowerPriority",
        "enableServiceLinks": True,
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Never" if batch else "Always",
        "serviceAccountName": workload,
        "serviceAccount": workload,
        "securityContext": {"runAsNonRoot": True, "fsGroup": 2_000},
        "terminationGracePeriodSeconds": 30,
        "containers": [
            {
                "name": "main",
                "image": f"registry.example/shop/{workload}:2026.3.1",
                "imagePullPolicy": "IfNotPresent",
                "args": ["--port=8080", "--log-format=json", "--config=/etc/shop/config.yaml"],
                "env": [
                    {"name": f"SETTING_{k}", "value": f"value-{k}-of-the-workload"}
                    for k in range(ENVIRONMENT)
                ],
                "ports": [{"name": "http", "containerPort": 8_080, "protocol": "TCP"}],
                "resources": {"requests": wants, "limits": wants},
                "livenessProbe": _probe("/healthz"),
                "readinessProbe": _probe("/readyz"),
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/shop", "readOnly": True},
                    {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
                ],
            }
        ],
        "tolerations": [
            {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute"}
            | {"tolerationSeconds": 300}
            for what in ("not-ready", "unreachable")
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": workload, "defaultMode": 420}},
            {"name": "token", "emptyDir": {}},
        ],
    }


def _probe(path: str) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def _status(index: int, *, running: bool) -> dict[str, Any]:
    said = [
        {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": WHEN}
        for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    return {
        "phase": "Running" if running else "Pending",
        "qosClass": "BestEffort",
        "conditions": said if running else said[:1],
        "podIP": f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}",
        "startTime": WHEN,
    }
