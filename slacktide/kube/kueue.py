"""Kueue's Workload as far as an admission check needs it.

Source: kueue apis/kueue/v1beta1 and v1beta2, workload_types.go and admissioncheck_types.go.
"""

from __future__ import annotations

import msgspec

from slacktide.kube.groups import PodTemplate
from slacktide.kube.objects import Condition, Meta


class _Wire(msgspec.Struct, frozen=True, gc=False, rename="camel", kw_only=True):
    """As the API server writes it."""


class PodSet(_Wire, frozen=True, gc=False):
    """Identical pods of a workload."""

    name: str = "main"
    count: int = 1
    min_count: int | None = None
    template: PodTemplate = PodTemplate()


class WorkloadSpec(_Wire, frozen=True, gc=False):
    """What was asked for."""

    pod_sets: tuple[PodSet, ...] = ()
    active: bool = True


class Assigned(_Wire, frozen=True, gc=False):
    """What Kueue reserved quota for, where that is less than was asked for."""

    name: str = "main"
    count: int | None = None


class Admission(_Wire, frozen=True, gc=False):
    """There is one while quota is reserved."""

    pod_set_assignments: tuple[Assigned, ...] = ()


class CheckState(_Wire, frozen=True, gc=False):
    """One admission check of a workload: Pending, Ready, Retry or Rejected."""

    name: str
    state: str = "Pending"
    message: str = ""


class WorkloadStatus(_Wire, frozen=True, gc=False):
    """What became of it."""

    admission: Admission | None = None
    admission_checks: tuple[CheckState, ...] = ()


class Workload(_Wire, frozen=True, gc=False):
    """kueue.x-k8s.io."""

    metadata: Meta
    api_version: str = "kueue.x-k8s.io/v1beta1"
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class AdmissionCheckSpec(_Wire, frozen=True):
    """Who answers it."""

    controller_name: str = ""


class AdmissionCheckStatus(_Wire, frozen=True):
    """Whether anybody does."""

    conditions: tuple[Condition, ...] = ()


class AdmissionCheck(_Wire, frozen=True):
    """kueue.x-k8s.io, cluster-scoped."""

    metadata: Meta
    api_version: str = "kueue.x-k8s.io/v1beta1"
    spec: AdmissionCheckSpec = AdmissionCheckSpec()
    status: AdmissionCheckStatus = AdmissionCheckStatus()
