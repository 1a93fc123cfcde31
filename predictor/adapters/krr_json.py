"""The findings in the JSON that KRR prints, so that what reads KRR's output reads ours.

Keys and the "?" for what has no answer are those of robusta-dev/krr (`core/models/result.py`,
`objects.py`, `severity.py`); what a history does not tell (an HPA's bounds, deleted pods) is null.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from predictor.core.circumstances import Circumstances
from predictor.core.ranking import Change, Finding, letter, score
from predictor.core.recommend import SizingSettings

NO_ANSWER = "?"
DESCRIPTION = (
    "CPU request: the 95th percentile of two weeks or of the last day; no CPU limit."
    " Memory request and limit: the highest peak and headroom."
)


def krr_json(findings: Sequence[Finding], settings: SizingSettings) -> str:
    """The whole report, ending in a newline."""
    report = {
        "scans": [_scan(found) for found in findings],
        "score": score(findings),
        "resources": ["cpu", "memory"],
        "description": DESCRIPTION,
        "strategy": {"name": "slacktide", "settings": asdict(settings)},
        "errors": [],
        "clusterSummary": {"score_letter": letter(score(findings))},
        "config": {"format": "json", "strategy": "slacktide"},
    }
    return json.dumps(report, indent=2, allow_nan=False) + "\n"


def _scan(found: Finding) -> dict[str, Any]:
    advice, clusters = found.advice, found.declared.clusters
    requests, limits = _pair(found.cpu_request, found.memory_request), _limits(found)
    info = {"cpu": _about(advice.reason, "CPU"), "memory": _about(advice.reason, "memory")}
    return {
        "object": {
            "cluster": clusters[0] if len(clusters) == 1 else None,
            "name": advice.workload,
            "container": advice.container,
            "pods": [{"name": pod, "deleted": False} for pod in found.declared.pods],
            "hpa": _autoscaler(found.known),
            "namespace": advice.namespace,
            "kind": advice.kind,
            "allocations": {
                "requests": _current(found.cpu_request, found.memory_request),
                "limits": _current(found.cpu_limit, found.memory_limit),
                "info": {},
            },
            "warnings": [],
        },
        "recommended": {"requests": requests, "limits": limits, "info": info},
        "severity": str(found.severity),
    }


def _about(reason: str, resource: str) -> str:
    """The clauses of one resource; the whole reason where none names it."""
    clauses = [clause for clause in reason.split("; ") if clause.startswith(resource)]
    return "; ".join(clauses) or reason


def _autoscaler(known: Circumstances) -> dict[str, float | None] | None:
    """KRR's `HPAData`; the replicas' bounds are not collected."""
    cpu, memory = known.hpa_cpu_target_share, known.hpa_memory_target_share
    if cpu is None and memory is None:
        return None
    return {
        "min_replicas": None,
        "max_replicas": None,
        "current_replicas": None,
        "desired_replicas": None,
        "target_cpu_utilization_percentage": None if cpu is None else 100 * cpu,
        "target_memory_utilization_percentage": None if memory is None else 100 * memory,
    }


def _limits(found: Finding) -> dict[str, Any]:
    return _pair(found.cpu_limit, found.memory_limit)


def _current(cpu: Change, memory: Change) -> dict[str, float | None]:
    return {"cpu": cpu.current, "memory": memory.current}


def _pair(cpu: Change, memory: Change) -> dict[str, dict[str, float | str | None]]:
    return {
        name: {
            "value": change.recommended if change.answered else NO_ANSWER,
            "severity": str(change.severity),
        }
        for name, change in (("cpu", cpu), ("memory", memory))
    }
