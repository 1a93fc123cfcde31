"""The admission room's door, for every gang of a job trace: what a task really asks for.

A gang's task arrives as the pod a user would submit, goes through the real `review`, and what
comes out (batch resources, class, gate) is what the replay places.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from admission.core.patch import Operation, pointer
from admission.core.policy import Policy
from admission.core.review import review
from slacktide import contract
from slacktide.errors import BadInput
from slacktide.quantity import format_bytes, format_cpu_cores
from slacktide.trace import Jobs


def admit(jobs: Jobs) -> Jobs:
    """The same jobs with the requests that admission gave their tasks.

    Raises:
        BadInput: a job is not let in as offline work; the message says why.
    """
    cores, size = jobs.cpu_cores.copy(), jobs.memory_bytes.copy()
    for row, name in enumerate(jobs.job):
        pod = task_pod(
            name,
            queue=jobs.queue[row],
            min_available=int(jobs.min_available[row]),
            tasks=int(jobs.tasks[row]),
            cpu_cores=float(cores[row]),
            memory_bytes=int(size[row]),
        )
        verdict = review(pod, policy=Policy(), namespace_labels={})
        if not verdict.allowed or verdict.pod_class != contract.QOS_BE:
            raise BadInput(f"jobs.parquet, row {row}: {name} is not let in: {verdict.reason}")
        asked = _requests_set(verdict.patch)
        cores[row] = int(asked[contract.RESOURCE_BATCH_CPU]) / 1000
        size[row] = int(asked.get(contract.RESOURCE_BATCH_MEMORY, "0"))
    return replace(jobs, cpu_cores=cores, memory_bytes=np.asarray(size, np.float64))


def task_pod(
    gang: str, *, queue: str, min_available: int, tasks: int, cpu_cores: float, memory_bytes: int
) -> dict[str, Any]:
    """One task of a gang as its owner would write it."""
    requests = {"cpu": format_cpu_cores(cpu_cores)}
    if memory_bytes:
        requests["memory"] = format_bytes(memory_bytes)
    return {
        "metadata": {
            "name": f"{gang}-0",
            "labels": {contract.LABEL_QOS_CLASS: contract.QOS_BE, contract.LABEL_QUEUE: queue},
            "annotations": {
                contract.ANNOTATION_GANG_NAME: gang,
                contract.ANNOTATION_GANG_MIN: str(min_available),
                contract.ANNOTATION_GANG_TOTAL: str(tasks),
            },
        },
        "spec": {
            "containers": [
                {"name": "task", "image": "task", "resources": {"requests": dict(requests)}}
            ]
        },
    }


def _requests_set(patch: tuple[Operation, ...]) -> dict[str, str]:
    """The requests a patch sets on the first container, by resource."""
    requests = "/spec/containers/0/resources/requests"
    wanted = {
        pointer(requests, resource): resource
        for resource in (contract.RESOURCE_BATCH_CPU, contract.RESOURCE_BATCH_MEMORY)
    }
    return {
        wanted[operation.path]: str(operation.value)
        for operation in patch
        if operation.path in wanted
    }
