"""The objects that say which pods belong together: pod groups of three kinds, and pods' owners.

Fields are spelled as in the peers' public API definitions: scheduling.k8s.io/v1alpha2 and batch/v1
(k8s.io/api 0.36), scheduling.x-k8s.io/v1alpha1 (scheduler-plugins), scheduling.volcano.sh/v1beta1,
jobset.x-k8s.io/v1alpha2, ray.io/v1. What is not named here is skipped.
"""

from __future__ import annotations

import msgspec

from slacktide.kube.objects import Meta, PodSpec


class _Wire(msgspec.Struct, frozen=True, gc=False, rename="camel", kw_only=True):
    """As the API server writes it."""


class TemplateMeta(_Wire, frozen=True, gc=False):
    """Of pods that are not there yet."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class PodTemplate(_Wire, frozen=True, gc=False):
    """What an owner makes its pods from."""

    metadata: TemplateMeta = TemplateMeta()
    spec: PodSpec = PodSpec()


class GangPolicy(_Wire, frozen=True, gc=False):
    """All or nothing."""

    min_count: int


class SchedulingPolicy(_Wire, frozen=True, gc=False):
    """`gang`, or else pods one by one."""

    gang: GangPolicy | None = None


class TopologyConstraint(_Wire, frozen=True, gc=False):
    """All pods in one domain."""

    key: str


class SchedulingConstraints(_Wire, frozen=True, gc=False):
    """Of a group; at most one topology."""

    topology: tuple[TopologyConstraint, ...] = ()


class NativePodGroupSpec(_Wire, frozen=True, gc=False):
    """What was asked for."""

    scheduling_policy: SchedulingPolicy = SchedulingPolicy()
    scheduling_constraints: SchedulingConstraints | None = None
    priority: int | None = None


class NativePodGroup(_Wire, frozen=True, gc=False):
    """scheduling.k8s.io/v1alpha2."""

    metadata: Meta
    spec: NativePodGroupSpec = NativePodGroupSpec()


class CoschedulingSpec(_Wire, frozen=True, gc=False):
    """What was asked for."""

    min_member: int = 0
    schedule_timeout_seconds: int | None = None


class CoschedulingPodGroup(_Wire, frozen=True, gc=False):
    """scheduling.x-k8s.io/v1alpha1, and its elder of scheduling.sigs.k8s.io."""

    metadata: Meta
    spec: CoschedulingSpec = CoschedulingSpec()


class VolcanoTopology(_Wire, frozen=True, gc=False):
    """A wish in tiers of Volcano's own HyperNodes."""

    mode: str = "hard"


class VolcanoSpec(_Wire, frozen=True, gc=False):
    """What was asked for."""

    min_member: int = 0
    min_task_member: dict[str, int] | None = None
    queue: str = ""
    network_topology: VolcanoTopology | None = None


class VolcanoPodGroup(_Wire, frozen=True, gc=False):
    """scheduling.volcano.sh/v1beta1."""

    metadata: Meta
    spec: VolcanoSpec = VolcanoSpec()


class JobCondition(_Wire, frozen=True, gc=False):
    """Complete, Failed, Suspended, ..."""

    type: str
    status: str
    reason: str = ""
    last_transition_time: str | None = None


class JobSpec(_Wire, frozen=True, gc=False):
    """What was asked for; None is 1 pod at a time, and as many completions as pods succeed."""

    parallelism: int | None = None
    completions: int | None = None
    completion_mode: str = "NonIndexed"
    active_deadline_seconds: int | None = None
    suspend: bool = False
    template: PodTemplate = PodTemplate()


class JobStatus(_Wire, frozen=True, gc=False):
    """What became of it."""

    succeeded: int = 0
    conditions: tuple[JobCondition, ...] = ()


class Job(_Wire, frozen=True, gc=False):
    """batch/v1."""

    metadata: Meta
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


class JobTemplate(_Wire, frozen=True, gc=False):
    """What a JobSet makes its Jobs from."""

    spec: JobSpec = JobSpec()


class Dependency(_Wire, frozen=True, gc=False):
    """A replicated job that has to be ready or complete first."""

    name: str


class ReplicatedJob(_Wire, frozen=True, gc=False):
    """Identical Jobs of a JobSet."""

    name: str
    replicas: int = 1
    depends_on: tuple[Dependency, ...] = ()
    template: JobTemplate = JobTemplate()


class StartupPolicy(_Wire, frozen=True, gc=False):
    """AnyOrder or InOrder."""

    startup_policy_order: str = "AnyOrder"


class JobSetSpec(_Wire, frozen=True, gc=False):
    """What was asked for."""

    replicated_jobs: tuple[ReplicatedJob, ...] = ()
    startup_policy: StartupPolicy | None = None
    suspend: bool = False


class JobSet(_Wire, frozen=True, gc=False):
    """jobset.x-k8s.io/v1alpha2."""

    metadata: Meta
    spec: JobSetSpec = JobSetSpec()


class WorkerGroup(_Wire, frozen=True, gc=False):
    """Identical Ray workers; one replica may be several hosts."""

    group_name: str
    replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    num_of_hosts: int = 1
    suspend: bool = False


class RayClusterSpec(_Wire, frozen=True, gc=False):
    """What was asked for."""

    worker_group_specs: tuple[WorkerGroup, ...] = ()
    enable_in_tree_autoscaling: bool = False
    suspend: bool = False


class RayCluster(_Wire, frozen=True, gc=False):
    """ray.io/v1."""

    metadata: Meta
    spec: RayClusterSpec = RayClusterSpec()
